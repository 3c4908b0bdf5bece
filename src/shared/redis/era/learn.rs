//! How this node learns of an era, and begins one.

use std::time::Duration;

use tokio::time::Instant;

use super::{ERA, Line, Question};
use crate::clock::{Clock, SystemClock};
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::redis::breaker::Call;
use crate::shared::redis::debts::{Crossing, Done};
use crate::shared::redis::failure::Failure;
use crate::shared::redis::link::Links;
use crate::shared::redis::{Inner, wire};
use crate::shared::{PurgeKind, TierEvent};

impl Inner {
    /// Asks the store for the era, and delivers the purge of everything that is owed.
    pub(in crate::shared::redis) async fn look_at_era(
        &self,
        links: &mut Links,
    ) -> Result<(), Failure> {
        self.ask_for_era(links, false).await
    }

    async fn ask_for_era(&self, links: &mut Links, by_purge: bool) -> Result<(), Failure> {
        let era = &self.space.era;
        loop {
            let question = era.question(by_purge);
            let said = self.era_of(links, &question).await?;
            era.answered(&question, SystemClock.now());
            self.go_over_to(&said, question.purge.is_some());
            // Another one was heard of meanwhile that the answer does not know of.
            if !era.is_apart() {
                return Ok(());
            }
        }
    }

    async fn era_of(&self, links: &mut Links, question: &Question) -> Result<Line, Failure> {
        let link = &mut links.control;
        if question.purge.is_none() && question.beside.is_empty() {
            // As a rule it is what it was, and no script has to run.
            let stored = wire::stored_era(link, &self.space).await;
            if let Ok(stored) = stored
                && stored == question.known
            {
                return Ok(stored);
            }
        }
        wire::era(link, &self.space, question).await
    }

    /// Somebody told of an era.
    pub(in crate::shared::redis) fn heard_of_era(&self, said: &Line) {
        if said.head() < self.space.era.current() {
            // Who told has missed one, and the store has lost it.
            self.topology.wake_for(&self.space, ERA);
        }
        self.go_over_to(said, false);
    }

    /// Somebody told of a purge in this era. Before anybody here hears of it: who does, never reads
    /// that back, neither in a later era nor in an older one.
    pub(in crate::shared::redis) fn heard_of_purge(&self, id: EntryId, kind: PurgeKind, era: u64) {
        let ours = self.space.era.current();
        if era < ours {
            self.owe_purge(id, kind);
        }
        if era != ours {
            self.heard_of_era(&Line::of(era));
        }
    }

    /// `ours`: begun by a purge of everything of this node.
    fn go_over_to(&self, said: &Line, ours: bool) {
        match self.debts.cross(&self.space.era, said, ours) {
            Crossing::Known => {}
            Crossing::Beside => self.topology.wake_for(&self.space, ERA),
            Crossing::Over { owing } => {
                if owing {
                    self.topology.wake();
                }
                self.tell_of(said.head());
            }
            Crossing::Alone(own) => {
                self.topology.wake_for(&self.space, ERA);
                self.tell_of(own);
            }
        }
    }

    fn tell_of(&self, era: u64) {
        let fence = Fence::new(era);
        self.hub.tell(TierEvent::PurgedAll { fence });
    }

    /// Goes on in an era of its own, until the purge of everything that is owed was delivered.
    fn go_on_alone(&self) {
        self.tell_of(self.debts.go_alone(&self.space.era));
        self.topology.wake_for(&self.space, ERA);
    }

    /// Makes sure that the era is known well enough for a call which has to end by `until`.
    pub(in crate::shared::redis) async fn know_era(&self, until: Instant) -> Result<(), Failure> {
        if self.space.era.is_certain(SystemClock.now()) {
            return Ok(());
        }
        // Boxed: it is a call itself, and rare.
        Box::pin(self.look_until(until)).await
    }

    /// Looks at the era. What is known has to do if the store does not say.
    pub(in crate::shared::redis) async fn look_until(&self, until: Instant) -> Result<(), Failure> {
        let era = &self.space.era;
        let within = until - Instant::now();
        let act = |mut links: Links| async move { self.look_at_era(&mut links).await };
        match self.reach(ERA, Call::Followup, within, act).await {
            Ok(()) => Ok(()),
            Err(_) if era.make_do(SystemClock.now()) => {
                if era.is_apart() {
                    // Nothing of either counts, whatever the store says in the end.
                    era.owed.lock().asked += 1;
                    self.go_on_alone();
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Begins a new era. Should the store not confirm that in time, it is delivered with a later
    /// heartbeat, and this node goes on in an era of its own until then.
    pub(in crate::shared::redis) async fn purge_everything(
        &self,
        within: Duration,
    ) -> Result<Fence, Failure> {
        let _owed = OwedGuard::new(self);
        let act = |mut links: Links| async move { self.ask_for_era(&mut links, true).await };
        self.reach(ERA, Call::Followup, within, act).await?;
        let fence = self.space.era.fence();
        fence.ok_or_else(|| Failure::foreign("a purge of everything without a fence"))
    }

    /// Notes that the store did this purge in this era. False if the era was over by then.
    pub(in crate::shared::redis) fn purge_counts(&self, done: Done, era: u64) -> bool {
        self.debts.purge_done(done, era, &self.space.era)
    }
}

/// A purge of everything under way: however it ends, even by the drop of its call, this node never
/// reads back what it has purged.
struct OwedGuard<'a>(&'a Inner);

impl<'a> OwedGuard<'a> {
    fn new(inner: &'a Inner) -> Self {
        let mut owed = inner.space.era.owed.lock();
        owed.asked += 1;
        owed.underway += 1;
        Self(inner)
    }
}

impl Drop for OwedGuard<'_> {
    fn drop(&mut self) {
        let Self(inner) = self;
        let is_owed = {
            let mut owed = inner.space.era.owed.lock();
            owed.underway -= 1;
            owed.asked > owed.delivered
        };
        if is_owed {
            inner.go_on_alone();
        }
    }
}
