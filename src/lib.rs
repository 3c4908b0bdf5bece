//! A stampede-protecting HTTP cache: one request in the whole fleet refreshes, the rest are served.

mod clock;
mod config;
mod engine;
mod entry;
mod error;
mod event;
mod flight;
mod key;
mod local;
mod lock;
pub mod middleware;
mod purge;
mod semantics;
pub mod shared;
mod sync;

pub use config::{Cache, CacheBuilder, MIB, Settings};
pub use error::{Error, ErrorKind};
pub use event::Stats;
pub use middleware::{CacheLayer, CacheService, ResponseBody, ResponseFuture};
#[cfg(feature = "redis")]
pub use shared::{RedisTier, RedisTierBuilder};
