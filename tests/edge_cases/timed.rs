//! A tier whose slow calls are counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bellwether::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Listener, PurgeKind, Release, Renew,
    SharedTier,
};
use bellwether::{Error, RedisTier};
use tokio::time::Instant;

/// A call that takes so long waited for its whole deadline.
const SLOW: Duration = Duration::from_millis(100);

/// The calls of one node.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    all: AtomicUsize,
    slow: AtomicUsize,
}

impl Slow {
    /// All calls so far, and the slow ones among them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (read(&self.all), read(&self.slow))
    }
}

/// The tier of one node.
#[derive(Debug)]
pub(crate) struct Timed {
    tier: RedisTier,
    slow: Arc<Slow>,
}

impl Timed {
    pub(crate) fn new(tier: RedisTier) -> (Self, Arc<Slow>) {
        let slow = Arc::<Slow>::default();
        let counts = Arc::clone(&slow);
        (Self { tier, slow }, counts)
    }

    fn time<'a, T: 'a>(&'a self, call: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        Box::pin(async move {
            let begun = Instant::now();
            let result = call.await;
            self.slow.all.fetch_add(1, Ordering::SeqCst);
            if begun.elapsed() >= SLOW {
                self.slow.slow.fetch_add(1, Ordering::SeqCst);
            }
            result
        })
    }
}

impl SharedTier for Timed {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        self.time(self.tier.acquire(ask))
    }
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        self.time(self.tier.commit(commit))
    }
    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        self.time(self.tier.renew(renew))
    }
    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        self.time(self.tier.release(release))
    }
    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        self.time(self.tier.purge(id, kind, within))
    }
    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        self.time(self.tier.purge_all(within))
    }
    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.tier.subscribe(listener);
    }
}
