//! Five nodes in this process, each behind a fault proxy of its own, before one real Redis.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bellwether::shared::{Ask, EntryId, Fence, SharedTier, TierEvent, Token};
use bellwether::{Cache, CacheService, RedisTier};
use tower::Layer;

use crate::fault_proxy::FaultProxy;
use crate::history::{Era, Heard, History, Life};
use crate::origin::Origin;
use crate::schedule::PLACES;
use crate::support::redis_server::{RedisServer, try_run};
use crate::watched::Watched;

/// The settings that the bounds of the checks are made of.
pub(crate) const CALL: Duration = Duration::from_millis(100);
/// All calls that a request waits for.
pub(crate) const BUDGET: Duration = Duration::from_millis(150);
pub(crate) const LEASE: Duration = Duration::from_millis(600);
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(2);
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(4);

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) cache: Cache,
    pub(crate) service: CacheService<Origin>,
}

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) history: Arc<History>,
    /// Whoever does something to it holds this.
    pub(crate) server: tokio::sync::Mutex<RedisServer>,
    pub(crate) proxies: Vec<FaultProxy>,
    /// Empty once the node has ended for good.
    nodes: Vec<Mutex<Option<Arc<Node>>>>,
    /// Whoever purges everything holds this: so the history can tell one from the other.
    pub(crate) purging: tokio::sync::Mutex<()>,
    /// Held by all that belongs to a node: by its tier, by each copy of its origin.
    pub(crate) sign: Arc<()>,
}

impl Fleet {
    pub(crate) async fn start() -> Arc<Self> {
        let server = RedisServer::start();
        let history = History::new();
        let sign = Arc::new(());
        let (mut proxies, mut nodes) = (Vec::new(), Vec::new());
        for place in 0..PLACES {
            let proxy = FaultProxy::before(server.port()).await;
            let node = launch(place, &proxy, &history, &sign).await;
            nodes.push(Mutex::new(Some(node)));
            proxies.push(proxy);
        }
        Arc::new(Self {
            history,
            server: tokio::sync::Mutex::new(server),
            proxies,
            nodes,
            purging: tokio::sync::Mutex::new(()),
            sign,
        })
    }

    /// The node that is there now.
    pub(crate) fn node(&self, place: usize) -> Arc<Node> {
        let node = self.nodes[place].lock();
        let node = node.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(node.as_ref().expect("nobody asks after the end"))
    }

    /// Ends all nodes.
    pub(crate) fn end(&self) {
        for node in &self.nodes {
            node.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Ends a node; another one takes its place, with nothing in its memory.
    pub(crate) async fn reboot(&self, place: usize) {
        let next = launch(place, &self.proxies[place], &self.history, &self.sign).await;
        let mut node = self.nodes[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *node = Some(next);
    }

    /// One command to Redis itself, if it answers in time.
    pub(crate) async fn command<T: redis::FromRedisValue>(
        server: &RedisServer,
        words: &[&str],
    ) -> Option<T> {
        let run = try_run(server, words);
        tokio::time::timeout(Duration::from_secs(1), run)
            .await
            .ok()?
            .ok()
    }
}

async fn launch(
    place: usize,
    proxy: &FaultProxy,
    history: &Arc<History>,
    sign: &Arc<()>,
) -> Arc<Node> {
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let tier = RedisTier::builder(&url).timeout(CALL).connect().await;
    let tier = tier.expect("the URL is good");
    let life = history.note(|notes, now| {
        notes.lives.push((place, now));
        notes.lives.len() - 1
    });
    let cache = Cache::builder()
        .lease(LEASE)
        .lock_wait(LOCK_WAIT)
        .fetch_timeout(FETCH_TIMEOUT)
        .redis_timeout(CALL)
        .error_backoff(Duration::from_millis(200))
        .uncacheable_ttl(Duration::from_secs(2))
        .shared_uncacheable_ttl(Duration::from_secs(1))
        .stale_if_unreachable(Duration::ZERO)
        .shared(Watched::new(tier.clone(), life, history, sign))
        .build()
        .expect("the settings are good");
    let service = cache.layer().layer(Origin::new(life, history, sign));
    // Nobody tells a node of the era that it found when it connected.
    if let Some(fence) = era(&tier).await {
        let event = TierEvent::PurgedAll { fence };
        history.note(|notes, at| {
            let era = fence.get();
            notes.eras.push(Era { life, at, era });
            notes.heard.push(Heard { life, at, event });
        });
    }
    Arc::new(Node {
        life,
        cache,
        service,
    })
}

/// The era that this node is in, by a look at an entry that nobody uses.
async fn era(tier: &RedisTier) -> Option<Fence> {
    let look = Ask {
        id: EntryId::from_bytes(fastrand::u128(..).to_be_bytes()),
        token: Token::random(),
        lease: LEASE,
        have: None,
        peek: true,
        force: false,
        insist: false,
        within: CALL,
    };
    tier.acquire(look).await.ok()?.purged
}
