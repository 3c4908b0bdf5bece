//! What the fleet shares: the contract of `SharedTier` on both adapters, and `RedisTier` on real
//! servers of each kind that die, freeze, fill up and are replaced.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod claims;

#[cfg(feature = "redis")]
mod access;
#[cfg(feature = "redis")]
mod cluster;
mod contract;
#[cfg(feature = "redis")]
mod eras;
#[cfg(feature = "redis")]
mod faults;
#[cfg(feature = "redis")]
mod history;
#[cfg(feature = "redis")]
mod model;
#[cfg(feature = "redis")]
mod purge_all;
#[cfg(feature = "redis")]
mod recovery;
#[cfg(feature = "redis")]
mod sentinel;
#[cfg(feature = "redis")]
mod shards;
#[cfg(feature = "tls")]
mod tls;
