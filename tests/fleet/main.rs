//! The fleet as it is run: three proxy processes, one real Redis, one origin that counts.
//!
//! One file per claim. The tests are about timing, so one of them runs at a time, whatever the
//! number of test threads. `-- --nocapture` prints what was measured.
#![cfg(feature = "redis")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod bound;
mod client_leaves;
mod examples;
mod fleet;
mod holder_killed;
mod holder_paused;
mod load;
mod lock_examples;
mod purge;
mod redis_away;
mod report;
mod tier;
mod traffic;
mod uncacheable;
mod variants;
