//! When a hot key expires, *one* request in the whole fleet goes to the origin; all others are
//! served at once from what is there, until the refresh lands.
//!
//! A bellwether is the sheep that leads the flock. This crate is an HTTP cache as a Tower layer: it
//! looks into a local store, then into Redis, and on a miss or an expiry only the holder of a Redis
//! lease refreshes from the origin. Others serve stale where that is permitted, or wait for the
//! refresh to land. Without Redis it is a complete cache in one process.
//!
//! ```
//! # async fn home() -> &'static str { "home" }
//! # fn main() -> Result<(), bellwether::Error> {
//! use axum::{Router, routing::get};
//! use bellwether::{Cache, MIB};
//! use std::time::Duration;
//!
//! let cache = Cache::builder()
//!     .local_capacity(256 * MIB)             // bytes, not entries
//!     .grace(Duration::from_secs(30))        // stale while it is refreshed: your consent
//!     .build()?;
//! let app: Router = Router::new().route("/", get(home)).layer(cache.layer());
//! # Ok(())
//! # }
//! ```
//! With a fleet, two lines more:
#![cfg_attr(feature = "redis", doc = "```no_run")]
#![cfg_attr(not(feature = "redis"), doc = "```ignore")]
//! # async fn run() -> Result<(), bellwether::Error> {
//! use bellwether::{Cache, RedisTier};
//!
//! let tier = RedisTier::connect("redis://127.0.0.1:6379").await?;
//! let cache = Cache::builder().shared(tier).build()?;
//! cache.purge(&"http://site.example/news".parse().expect("a uri")).await?; // on every node
//! # Ok(())
//! # }
//! ```
//!
//! # Contents
//! - [`Cache`] and [`CacheBuilder`]: settings, purging, figures
//! - [`middleware`]: what the layer does with which request
//! - [`shared`]: the contract of what a fleet shares, and its adapters
//! - [`docs::http`]: what of the RFCs is done, section by section, and which choices were made
//! - [`Rule`]: settings for some requests only
//! - [`lock`]: locks, elections and semaphores for a fleet, of use without any cache
//! - [`docs::locks`]: from the mutex of one process to the fence at the store, step by step
//! - [`docs::configuration`]: from nginx and Varnish; worked examples
//! - [`docs::bodies`]: how bodies stream to all who wait, and what bounds their memory
//! - [`docs::redis`]: one server, Sentinel, Cluster, TLS; the rights of its user
//! - [`docs::architecture`]: how it is built, and where to find what
//! - [`docs::conformance`]: how it does in the public test suite for HTTP caches
//!
//! # What is promised
//! | situation | bound |
//! |---|---|
//! | a key expires, Redis up, any number of nodes and clients | **1** request to the origin in the fleet |
//! | stale may be served | everyone is answered at hit speed |
//! | nothing may be served | everyone waits for that one request |
//! | the holder of the lease dies | a successor within one lease (3 s), one more request |
//! | the holder is paused past its lease | its late write is refused by the fence |
//! | purge while a refresh is under way | what was fetched before the purge is stored nowhere |
//! | the client of the leading request leaves | the refresh goes on |
//! | the response turns out uncacheable | nobody is queued behind anybody |
//! | the origin fails | stale where permitted, and a back-off that the fleet shares |
//! | Redis slow, frozen or dead | at most one request per node; no request pays more than 150 ms |
//!
//! The lease is for efficiency: losing every lease costs requests to the origin, never a wrong
//! answer. Correctness is with the fence at the store, which refuses late writers. What must never
//! happen twice (a seat, a payment) belongs into your database.
//!
//! # Features
//! | feature | default | adds |
//! |---|---|---|
//! | `redis` | yes | [`RedisTier`](shared#structs): the shared tier; [`RedisLock`](lock#structs): locks |
//! | `tls` | no | the way to it encrypted, see [`docs::redis`] |

mod clock;
mod config;
mod engine;
mod entry;
mod error;
mod event;
mod flight;
mod key;
mod local;
pub mod lock;
pub mod middleware;
mod purge;
mod semantics;
pub mod shared;
mod sync;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub use config::{Cache, CacheBuilder, Cookies, MIB, Query, Rule, Settings};
pub use error::{Error, ErrorKind};
pub use event::Stats;
pub use middleware::{BodyError, CacheLayer, CacheService, ResponseBody, ResponseFuture};
pub use semantics::policy::{Ignore, SetCookie};
#[cfg(feature = "redis")]
pub use shared::{RedisTier, RedisTierBuilder};

/// Guides. Text only.
pub mod docs {
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("docs/configuration.md")]
    pub mod configuration {}

    #[doc = include_str!("docs/bodies.md")]
    pub mod bodies {}

    #[doc = include_str!("docs/http.md")]
    pub mod http {}

    #[doc = include_str!("docs/redis.md")]
    pub mod redis {}

    #[doc = include_str!("docs/locks.md")]
    pub mod locks {}

    #[doc = include_str!("docs/conformance.md")]
    pub mod conformance {}
}
