//! The proxy as a process: how it is started and ended, what it changes on the way, and what its
//! settings make of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod flow;
mod http;
mod purge;
mod rules;
