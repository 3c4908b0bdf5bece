//! The locks, on real servers with real faults, and in this process on virtual time.
//!
//! One file per theme. `-- --nocapture` prints what was measured.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod clocks;
mod crashes;
mod database;
mod election;
mod guards;
mod history;
mod holder;
mod outages;
mod patchy;
mod redlock;
mod waiting;
