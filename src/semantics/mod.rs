//! HTTP caching rules as pure functions of heads and `now`, each citing its section.
