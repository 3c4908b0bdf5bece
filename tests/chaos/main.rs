//! The fleet under faults: nodes, a real Redis, a fault proxy before each node, and a checker of
//! what happened.
#![cfg(feature = "redis")]

#[path = "../support/mod.rs"]
mod support;

mod fault_proxy;
