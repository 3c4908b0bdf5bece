//! What the tests that run real processes have in common: servers, an origin that counts, the
//! proxy as a process, clients, and the shared tier's contract.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "each test binary uses its own part of this"
)]

pub(crate) mod client;
#[cfg(feature = "redis")]
pub mod faults;
#[cfg(feature = "redis")]
pub mod instrumented;
pub(crate) mod origin;
pub(crate) mod proxy;
#[cfg(feature = "redis")]
pub mod redis_server;
pub(crate) mod report;
pub mod shared;

use std::time::Duration;

pub use shared::*;

/// The longest that anything in these tests may take before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `done`, or panics saying what it waited for.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("waited too long until {what}"));
}

/// Waits for a future, or panics saying what was stuck.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{what} took too long"))
}
