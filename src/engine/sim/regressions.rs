//! What the simulation has found, each in its plainest form.
