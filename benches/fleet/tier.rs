//! One node's way to the shared tier: counted, and as bad as it is told to be.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bellwether::Error;
use bellwether::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Listener, MemoryTier, PurgeKind,
    Release, Renew, SharedTier, TierEvent,
};

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Road {
    /// A call's time there and back.
    pub(crate) delay: Duration,
    /// Calls of a thousand that get no answer, though they may have been carried out.
    pub(crate) lost_calls: u64,
    /// Events of a thousand that do not arrive.
    pub(crate) lost_events: u64,
    /// Nothing is in reach.
    pub(crate) away: bool,
}

/// What all nodes of a fleet share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: MemoryTier,
    pub(crate) road: Mutex<Road>,
    pub(crate) calls: AtomicU64,
    pub(crate) events: AtomicU64,
}

impl Shared {
    pub(crate) fn new(road: Road) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryTier::new(),
            road: Mutex::new(road),
            calls: AtomicU64::new(0),
            events: AtomicU64::new(0),
        })
    }

    fn road(&self) -> Road {
        *self.road.lock().expect("nobody panics with it")
    }

    async fn carry<T>(
        &self,
        within: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let road = self.road();
        if road.away {
            // As a breaker answers: at once.
            return Err(Error::unavailable("away"));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        if road.delay >= within {
            tokio::time::sleep(within).await;
            return Err(Error::unavailable("too late"));
        }
        if !road.delay.is_zero() {
            tokio::time::sleep(road.delay).await;
        }
        let answer = call.await;
        if fastrand::u64(..1_000) < road.lost_calls {
            tokio::time::sleep(within).await;
            return Err(Error::unavailable("no answer"));
        }
        answer
    }
}

/// One node's.
pub(crate) struct Way(pub(crate) Arc<Shared>, pub(crate) Mutex<Vec<Arc<Ear>>>);

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

/// Hears less than there is.
pub(crate) struct Ear(Arc<Shared>, Weak<dyn Listener>);

impl Listener for Ear {
    fn event(&self, event: TierEvent) {
        let Self(shared, listener) = self;
        let road = shared.road();
        if road.away || fastrand::u64(..1_000) < road.lost_events {
            return;
        }
        shared.events.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = listener.upgrade() {
            listener.event(event);
        }
    }
}

impl SharedTier for Way {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        let within = ask.within;
        Box::pin(self.0.carry(within, self.0.memory.acquire(ask)))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        let within = commit.within;
        Box::pin(self.0.carry(within, self.0.memory.commit(commit)))
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.0.carry(renew.within, self.0.memory.renew(renew)))
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        let within = release.within;
        Box::pin(self.0.carry(within, self.0.memory.release(release)))
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(self.0.carry(within, self.0.memory.purge(id, kind, within)))
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(self.0.carry(within, self.0.memory.purge_all(within)))
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        let ear = Arc::new(Ear(Arc::clone(&self.0), listener));
        self.0
            .memory
            .subscribe(Arc::downgrade(&ear) as Weak<dyn Listener>);
        self.1.lock().expect("nobody panics with it").push(ear);
    }
}
