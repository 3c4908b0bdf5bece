//! The reference model of the shared tier, in this process.

mod model;

use std::sync::{Arc, Weak};
use std::time::Duration;

use self::model::Model;
use crate::clock::{Clock, SystemClock};
use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;
use crate::shared::listeners::Listeners;
use crate::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, Listener, PurgeKind, Release, Renew, SharedTier,
    TierEvent,
};
use crate::sync::Mutex;

/// The reference model: what a shared tier has to do, in the plainest way.
///
/// Clones share one state, so that several caches of one process can stand for a fleet, in tests
/// and simulations. Its clock is tokio's: a paused runtime pauses it. It is never out of reach,
/// never out of memory, and sends neither [`Alive`](TierEvent::Alive), [`Lost`](TierEvent::Lost)
/// nor [`Resumed`](TierEvent::Resumed). What expired is dropped in passing, so the state is bound
/// by what is in use.
#[derive(Debug, Clone)]
pub struct MemoryTier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    model: Mutex<Model>,
    listeners: Listeners,
}

impl MemoryTier {
    /// An empty tier.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            model: Mutex::new(Model::default()),
            listeners: Listeners::new(),
        }))
    }

    /// Loses the entry and the lease. For simulations.
    #[doc(hidden)]
    pub fn forget(&self, id: EntryId) {
        let mut model = self.0.model.lock();
        model.forget_entry(id);
        model.forget_lease(id);
    }

    /// Loses the entry but not the lease, as an eviction may. For simulations.
    #[doc(hidden)]
    pub fn forget_entry(&self, id: EntryId) {
        self.0.model.lock().forget_entry(id);
    }

    /// Loses the lease but not the entry, as an eviction may. For simulations.
    #[doc(hidden)]
    pub fn forget_lease(&self, id: EntryId) {
        self.0.model.lock().forget_lease(id);
    }

    /// Loses everything, as a restart of the store would. For simulations.
    #[doc(hidden)]
    pub fn forget_all(&self) {
        self.0.model.lock().forget_all();
    }

    /// How many entries and leases it holds. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.model.lock().size()
    }

    /// One atomic step, and after it, outside the lock, the event that it gave rise to.
    fn step<T>(&self, act: impl FnOnce(&mut Model, u64) -> (T, Option<TierEvent>)) -> T {
        let (result, event) = {
            let mut model = self.0.model.lock();
            let now = now();
            model.sweep(now);
            act(&mut model, now)
        };
        if let Some(event) = event {
            self.0.listeners.tell(event);
        }
        result
    }
}

impl Default for MemoryTier {
    fn default() -> Self {
        Self::new()
    }
}

/// The shared clock, in microseconds: tokio's clock set to a fixed date, so that what happened
/// before this process began is a positive number too.
fn now() -> u64 {
    const DATE: i64 = 1_767_225_600_000_000;
    DATE.saturating_add(SystemClock.now().as_micros())
        .max(0)
        .unsigned_abs()
}

impl SharedTier for MemoryTier {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(async move { Ok(self.step(|model, now| (model.acquire(now, &ask), None))) })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        Box::pin(async move { Ok(self.step(|model, now| model.commit(now, commit))) })
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { Ok(self.step(|model, now| (model.renew(now, &renew), None))) })
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { Ok(self.step(|model, now| model.release(now, &release))) })
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        _within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(async move {
            Ok(self.step(|model, now| {
                let fence = model.purge(now, id, kind);
                (fence, Some(TierEvent::Purged { id, fence, kind }))
            }))
        })
    }

    fn purge_all(&self, _within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(async move {
            Ok(self.step(|model, now| {
                let fence = model.purge_all(now);
                (fence, Some(TierEvent::PurgedAll { fence }))
            }))
        })
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.0.listeners.add(listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Token;

    #[tokio::test(start_paused = true)]
    async fn what_expired_is_dropped_in_passing() {
        let tier = MemoryTier::new();
        let ask = |number: u8| Ask {
            id: EntryId::from_bytes([number; 16]),
            token: Token::random(),
            lease: Duration::from_secs(3),
            have: None,
            peek: false,
            force: false,
            insist: false,
            within: Duration::from_secs(1),
        };
        for number in 0..200 {
            tier.acquire(ask(number)).await.unwrap();
        }
        assert_eq!(tier.size(), 400);
        tokio::time::advance(Duration::from_secs(601)).await;
        for _ in 0..1_000 {
            tier.acquire(ask(0)).await.unwrap();
        }
        assert_eq!(tier.size(), 2);
    }
}
