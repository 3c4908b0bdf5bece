//! Whose locks are measured.

use std::time::Duration;

use bellwether::lock::{Guard, Lock, RedisLock, Redlock};
use rslock::{LockGuard, LockManager};

/// For how long a lock is asked for: long enough that none runs out.
const LEASE: Duration = Duration::from_secs(10);
/// Who waits longer than this has found a bug.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "bench";

/// One way to the lock.
#[derive(Clone)]
pub(crate) enum Way {
    Ours(Lock),
    Theirs(LockManager),
}

pub(crate) enum Taken {
    Ours(Guard),
    Theirs(LockGuard),
}

impl Way {
    /// Over one server, or a majority of several.
    pub(crate) async fn ours(urls: &[String]) -> Self {
        let mut nodes = Vec::new();
        for url in urls {
            nodes.push(RedisLock::connect(url).await.expect("a URL"));
        }
        let lock = match nodes.as_slice() {
            [one] => one.named(NAME),
            _ => Redlock::new(nodes).expect("three of them").named(NAME),
        };
        Self::Ours(lock.lease(LEASE))
    }

    /// `delay`: the most time between two attempts, if not the default of 200 ms.
    pub(crate) fn theirs(urls: &[String], delay: Option<Duration>) -> Self {
        let mut manager = LockManager::new(urls.iter().map(String::as_str).collect());
        if let Some(delay) = delay {
            manager.set_retry(3, delay);
        }
        Self::Theirs(manager)
    }

    pub(crate) async fn take(&self) -> Taken {
        match self {
            Self::Ours(lock) => Taken::Ours(lock.lock(PATIENCE).await.expect("a lock")),
            Self::Theirs(manager) => {
                let guard = manager.acquire(NAME.as_bytes(), LEASE).await;
                Taken::Theirs(guard.expect("a lock"))
            }
        }
    }
}

impl Taken {
    pub(crate) async fn release(self) {
        match self {
            Self::Ours(guard) => guard.release().await.expect("it is still held"),
            Self::Theirs(guard) => guard.release().await,
        }
    }
}

/// Those who are contended for: one way for each of the nodes.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) ways: Vec<Way>,
    /// The commands that its clients send; all others come from scripts.
    pub(crate) sends: &'static [&'static str],
}

const NODES: usize = 8;

pub(crate) async fn contended(url: &str) -> Vec<Peer> {
    let urls = [url.to_owned()];
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Way::ours(&urls).await);
    }
    let several = |delay: Option<Duration>| (0..NODES).map(|_| Way::theirs(&urls, delay)).collect();
    let ours = &["evalsha", "eval"];
    let theirs = &["evalsha", "eval", "set"];
    let peer = |name, ways, sends| Peer { name, ways, sends };
    vec![
        peer("bellwether, 1 node", vec![Way::ours(&urls).await], ours),
        peer("rslock, 1 node", vec![Way::theirs(&urls, None)], theirs),
        peer("bellwether, 8 nodes", nodes, ours),
        peer("rslock, 8 nodes", several(None), theirs),
        peer(
            "rslock, 8 nodes, retry 10 ms",
            several(Some(Duration::from_millis(10))),
            theirs,
        ),
    ]
}
