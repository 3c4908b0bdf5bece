//! A stampede-protecting HTTP cache: one request in the whole fleet refreshes, the rest are served.

#[expect(dead_code, reason = "the skeleton is being joined up")]
mod clock;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod entry;
mod error;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod key;
mod semantics;
pub mod shared;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod sync;

pub use error::{Error, ErrorKind};

mod config;
mod middleware;
#[cfg(feature = "redis")]
pub use config::RedisTier;
pub use config::{Cache, CacheBuilder, MIB, Stats};
pub use middleware::{CacheLayer, CacheService, ResponseBody, ResponseFuture};
