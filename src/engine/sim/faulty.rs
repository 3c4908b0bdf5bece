//! One node's way to the shared tier, with everything that can go wrong on it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::life::Life;
use crate::error::Error;
use crate::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Listener, PurgeKind, Release, Renew,
    SharedTier,
};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Whether the tier can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Up,
    /// Known to be out of reach: calls fail at once.
    Refused,
    /// Nothing comes back, and nothing arrives.
    Silent,
}

/// How calls fare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Road {
    pub(super) reach: Reach,
    /// Most time there and back, each, in milliseconds.
    pub(super) delay: u64,
    /// How many requests of a thousand never arrive.
    pub(super) lost_requests: u64,
    /// How many replies of a thousand never arrive, after the operation took effect.
    pub(super) lost_replies: u64,
}

impl Road {
    pub(super) const GOOD: Self = Self {
        reach: Reach::Up,
        delay: 1,
        lost_requests: 0,
        lost_replies: 0,
    };
}

/// The shared tier as one node sees it.
pub(super) struct FaultyTier {
    inner: Arc<dyn SharedTier>,
    life: Arc<Life>,
    road: Arc<Mutex<Road>>,
    rng: Mutex<fastrand::Rng>,
    failures: AtomicU64,
    listener: Mutex<Option<Weak<dyn Listener>>>,
}

impl FaultyTier {
    pub(super) fn new(inner: Arc<dyn SharedTier>, life: Arc<Life>, rng: fastrand::Rng) -> Self {
        Self {
            inner,
            life,
            road: Arc::new(Mutex::new(Road::GOOD)),
            rng: Mutex::new(rng),
            failures: AtomicU64::new(0),
            listener: Mutex::new(None),
        }
    }

    pub(super) fn set(&self, road: Road) {
        *self.road.lock() = road;
    }

    /// Calls that failed so far.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The engine that subscribed.
    pub(super) fn listener(&self) -> Weak<dyn Listener> {
        let listener = self.listener.lock().clone();
        listener.expect("an engine subscribes as it is made")
    }

    /// Carries one call there and back. The operation runs in a task of its own: it may take
    /// effect long after the caller has given up.
    async fn carry<T: Send + 'static>(
        &self,
        within: Duration,
        call: impl FnOnce(Arc<dyn SharedTier>) -> BoxFuture<'static, Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.life.gate().await;
        let (there, back, request_lost, reply_lost, reach) = {
            let mut rng = self.rng.lock();
            let road = *self.road.lock();
            let millis = |rng: &mut fastrand::Rng| Duration::from_millis(rng.u64(..=road.delay));
            (
                millis(&mut rng),
                millis(&mut rng),
                rng.u64(..1_000) < road.lost_requests,
                rng.u64(..1_000) < road.lost_replies,
                road.reach,
            )
        };
        if reach == Reach::Refused {
            return self.failed();
        }
        let (answer, answered) = oneshot::channel();
        let (inner, road) = (Arc::clone(&self.inner), Arc::clone(&self.road));
        tokio::spawn(async move {
            tokio::time::sleep(there).await;
            if request_lost || road.lock().reach != Reach::Up {
                return tokio::time::sleep(within).await;
            }
            let result = call(inner).await;
            tokio::time::sleep(back).await;
            if reply_lost || road.lock().reach != Reach::Up {
                return tokio::time::sleep(within).await;
            }
            let _ = answer.send(result);
        });
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(result)) => result,
            _ => self.failed(),
        }
    }

    fn failed<T>(&self) -> Result<T, Error> {
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(Error::unavailable("simulated"))
    }
}

impl fmt::Debug for FaultyTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyTier").finish_non_exhaustive()
    }
}

impl SharedTier for FaultyTier {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(self.carry(ask.within, move |tier| {
            Box::pin(async move { tier.acquire(ask).await })
        }))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        Box::pin(self.carry(commit.within, move |tier| {
            Box::pin(async move { tier.commit(commit).await })
        }))
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.carry(renew.within, move |tier| {
            Box::pin(async move { tier.renew(renew).await })
        }))
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.carry(release.within, move |tier| {
            Box::pin(async move { tier.release(release).await })
        }))
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(self.carry(within, move |tier| {
            Box::pin(async move { tier.purge(id, kind, within).await })
        }))
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(self.carry(within, move |tier| {
            Box::pin(async move { tier.purge_all(within).await })
        }))
    }

    /// The world lays a pipe to it: see [`Pipe`](super::pipe::Pipe).
    fn subscribe(&self, listener: Weak<dyn Listener>) {
        *self.listener.lock() = Some(listener);
    }
}
