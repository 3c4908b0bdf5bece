//! What the claims have in common: a proxy, and whose turn it is.

use std::net::SocketAddr;
use std::sync::OnceLock;

use tokio::sync::{Mutex, MutexGuard};

use crate::client::{Client, VERSIONS, Version};
use crate::origin::Origin;
use crate::support::proxy::Proxy;
#[cfg(feature = "redis")]
use crate::support::redis_server::RedisServer;

/// One test at a time: each of them is about time or memory.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: OnceLock<Mutex<()>> = OnceLock::new();
    TURN.get_or_init(Mutex::default).lock().await
}

/// A proxy in front of `origin`, with these flags besides.
pub(crate) async fn proxy(origin: &Origin, flags: &[&str]) -> Proxy {
    let url = origin.url();
    let mut args = vec!["--origin", &url];
    args.extend_from_slice(flags);
    Proxy::spawn(&args).await
}

/// Proxies in front of `origin` that share a Redis. Without the feature there is but one.
pub(crate) struct Nodes {
    pub(crate) proxies: Vec<Proxy>,
    #[cfg(feature = "redis")]
    _redis: RedisServer,
}

impl Nodes {
    pub(crate) async fn start(origin: &Origin, count: usize, flags: &[&str]) -> Self {
        #[cfg(feature = "redis")]
        let redis = RedisServer::start();
        #[cfg(feature = "redis")]
        let url = redis.url();
        #[cfg(not(feature = "redis"))]
        let count = count.min(1);
        let mut proxies = Vec::new();
        for _ in 0..count {
            #[cfg(feature = "redis")]
            let flags = &[&["--redis", &url], flags].concat();
            proxies.push(proxy(origin, flags).await);
        }
        Self {
            proxies,
            #[cfg(feature = "redis")]
            _redis: redis,
        }
    }

    /// The first node.
    pub(crate) fn one(&self) -> SocketAddr {
        self.proxies[0].address()
    }

    /// Another, if there are several.
    pub(crate) fn other(&self) -> SocketAddr {
        self.proxies[self.proxies.len() - 1].address()
    }
}

/// A client of each version.
pub(crate) async fn clients(address: SocketAddr) -> [(Version, Client); 2] {
    let [one, two] = VERSIONS.map(|version| Client::new(address, version));
    [(Version::One, one.await), (Version::Two, two.await)]
}
