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
pub mod redis_bench;
#[cfg(feature = "redis")]
pub mod redis_cluster;
#[cfg(feature = "redis")]
pub mod redis_sentinel;
#[cfg(feature = "redis")]
pub mod redis_server;
#[cfg(feature = "redis")]
pub mod redis_version;
pub(crate) mod report;
pub mod shared;

use std::time::Duration;

pub use shared::*;

/// The longest that anything in these tests may take before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The words of the guide about `user`, after its name: what its readers will copy.
#[cfg(feature = "redis")]
pub fn rights(user: &str) -> Vec<&'static str> {
    let guide = include_str!("../../src/docs/redis.md");
    let begins = format!("user {user} ");
    let line = guide.lines().find_map(|line| line.strip_prefix(&begins));
    let mut words: Vec<_> = line.expect("the guide has it").split(' ').collect();
    if !redis_version::version().has(redis_version::CHANNEL_RULES) {
        // As the guide says of them.
        words.retain(|word| *word != "resetchannels" && !word.starts_with('&'));
    }
    words
}

/// What the guide adds for clusters.
#[cfg(feature = "redis")]
pub fn rights_in_a_cluster() -> Vec<&'static str> {
    let guide = include_str!("../../src/docs/redis.md");
    let line = guide.lines().find(|line| line.starts_with("+cluster"));
    let more = line.expect("the guide has it").split(' ');
    let mut words: Vec<_> = rights("bellwether").into_iter().chain(more).collect();
    if !redis_version::version().has(redis_version::SHARD_CHANNELS) {
        words.retain(|word| !["+ssubscribe", "+spublish"].contains(word));
    }
    words
}

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
