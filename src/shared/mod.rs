//! What the nodes of a fleet share: entries, leases and events.
//!
//! [`SharedTier`] is the seam. Its operations are those of the wire protocol, and its contract is
//! written there once; [`MemoryTier`] is the reference model, `RedisTier` the real thing, and one
//! suite of tests runs against both.

mod contract;
mod limits;
mod listeners;
mod memory;
#[cfg(feature = "redis")]
mod redis;

pub use contract::{
    Answer, Ask, BlockKind, BoxFuture, Commit, Committed, Content, Grant, Listener, PurgeKind,
    Release, Renew, SharedTier, TierEvent, Token, View,
};
pub use memory::MemoryTier;
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) use redis::fuzzing as redis_fuzzing;
#[cfg(feature = "redis")]
pub use redis::{Finding, RedisTier, RedisTierBuilder, Report, Severity};
#[cfg(feature = "redis")]
pub(crate) use redis::{LockClaim, LockClaimed, LockHeld};

pub use crate::entry::Fence;
pub use crate::key::EntryId;
