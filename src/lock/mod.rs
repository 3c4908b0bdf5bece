//! The lease of a refresh, kept alive by its heartbeat.

mod lease;

pub(crate) use lease::{Lease, Timing, Watch};
