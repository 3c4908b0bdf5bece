//! What the claims have in common: a proxy, and whose turn it is.

use std::net::SocketAddr;
use std::sync::OnceLock;

use tokio::sync::{Mutex, MutexGuard};

use crate::client::{Client, VERSIONS, Version};
use crate::origin::Origin;
use crate::support::proxy::Proxy;

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

/// A client of each version.
pub(crate) async fn clients(address: SocketAddr) -> [(Version, Client); 2] {
    let [one, two] = VERSIONS.map(|version| Client::new(address, version));
    [(Version::One, one.await), (Version::Two, two.await)]
}
