//! Purges of everything: which part of the namespace counts.
//!
//! Each purge of everything begins a new *era*, named by the purge's fence, and the era is part of
//! each key. So nothing has to be found and deleted, and a node that has not heard of the purge yet
//! writes where nobody else looks.
//!
//! The store keeps the era in a key of its own. Each node looks at it with every heartbeat, and
//! writes it again should it be gone; what it knows for longer than that it looks up before its
//! next call, since a process that was paused hears of a purge at some time after it has woken.

use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::breaker::Call;
use super::failure::Failure;
use super::link::Links;
use super::{reply, wire};
use crate::clock::{Clock, Moment, SystemClock};
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::TierEvent;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Stands for the era where the way to an entry is asked for. No entry has it: they are digests.
pub(super) const ERA: EntryId = EntryId::from_bytes([0; 16]);

/// The scripts' numbers are exact up to there. Larger, and no later era could be larger still.
const LARGEST: u64 = 1 << 53;

/// Reads an era: of a message, or the answer of the script.
pub(super) fn read(text: &str) -> Result<Fence, Failure> {
    let number = reply::number(text)?;
    if (1..LARGEST).contains(&number) {
        Ok(Fence::new(number))
    } else {
        Err(Failure::foreign("an era out of range"))
    }
}

/// What was looked up longer ago is looked up again before the next call. Heartbeats, which do so
/// too, are a second apart.
const CERTAIN: Duration = Duration::from_millis(2_500);

/// The era as this node knows it.
#[derive(Debug)]
pub(super) struct Era {
    /// 0 before the first purge of everything. Never sinks.
    current: AtomicU64,
    /// When the store was asked last, in microseconds; 0 if it never answered.
    asked_at: AtomicI64,
    owed: Mutex<Owed>,
}

/// Purges of everything are numbered, so that one which is asked for while another is under way is
/// not taken for delivered.
#[derive(Debug, Default)]
struct Owed {
    asked: u64,
    delivered: u64,
    /// Calls that deliver them. Meanwhile nobody else does: a purge delivered twice empties the
    /// caches twice.
    underway: usize,
}

/// What the store is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// The era that is known here.
    pub(super) known: u64,
    /// A new one is to begin: the number of the purge.
    pub(super) purge: Option<u64>,
}

impl Era {
    pub(super) fn new() -> Self {
        Self {
            current: AtomicU64::new(0),
            asked_at: AtomicI64::new(0),
            owed: Mutex::new(Owed::default()),
        }
    }

    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::SeqCst)
    }

    /// The purge that began it.
    pub(super) fn fence(&self) -> Option<Fence> {
        let era = self.current();
        (era > 0).then(|| Fence::new(era))
    }

    /// `by_purge`: asked by the call whose purge it is.
    fn question(&self, by_purge: bool) -> Question {
        let owed = self.owed.lock();
        let is_owed = owed.asked > owed.delivered && (by_purge || owed.underway == 0);
        Question {
            known: self.current(),
            purge: is_owed.then_some(owed.asked),
        }
    }

    /// Takes what the store said. True if that is news.
    fn answered(&self, question: Question, era: u64, now: Moment) -> bool {
        if let Some(purge) = question.purge {
            let mut owed = self.owed.lock();
            owed.delivered = owed.delivered.max(purge);
        }
        self.asked_at
            .store(now.as_micros().max(1), Ordering::SeqCst);
        self.move_to(era)
    }

    /// True if that is news.
    fn move_to(&self, era: u64) -> bool {
        self.current.fetch_max(era, Ordering::SeqCst) < era
    }

    fn is_certain(&self, now: Moment) -> bool {
        let asked_at = self.asked_at.load(Ordering::SeqCst);
        asked_at != 0 && now.since(Moment::from_micros(asked_at)) < CERTAIN
    }

    /// The store could not be asked. True if what is known has to do until the next time; without
    /// anything known, what is stored may all be from before a purge.
    fn make_do(&self, now: Moment) -> bool {
        let known = self.asked_at.load(Ordering::SeqCst) != 0;
        if known {
            self.asked_at
                .store(now.as_micros().max(1), Ordering::SeqCst);
        }
        known
    }
}

impl Inner {
    /// Asks the store for the era, and delivers the purge of everything that is owed.
    pub(super) async fn look_at_era(&self, links: &mut Links) -> Result<(), Failure> {
        self.ask_for_era(links, false).await
    }

    async fn ask_for_era(&self, links: &mut Links, by_purge: bool) -> Result<(), Failure> {
        let era = &self.space.era;
        let question = era.question(by_purge);
        let said = self.era_of(links, question).await?;
        let number = said.map_or(0, Fence::get);
        let news = era.answered(question, number, SystemClock.now());
        if let (Some(fence), true) = (said, news) {
            self.hub.tell(TierEvent::PurgedAll { fence });
        }
        Ok(())
    }

    async fn era_of(
        &self,
        links: &mut Links,
        question: Question,
    ) -> Result<Option<Fence>, Failure> {
        let link = &mut links.control;
        if question.purge.is_none() {
            // As a rule it is what it was, and no script has to run.
            let stored = wire::stored_era(link, &self.space).await;
            if let Ok(stored) = stored
                && stored.map_or(0, Fence::get) == question.known
            {
                return Ok(stored);
            }
        }
        wire::era(link, &self.space, question).await
    }

    /// Somebody told of an era.
    pub(super) fn heard_of_era(&self, fence: Fence) {
        if self.space.era.move_to(fence.get()) {
            self.hub.tell(TierEvent::PurgedAll { fence });
        }
    }

    /// Makes sure that the era is known well enough for a call which has to end by `until`.
    pub(super) async fn know_era(&self, until: Instant) -> Result<(), Failure> {
        let era = &self.space.era;
        if era.is_certain(SystemClock.now()) {
            return Ok(());
        }
        // Boxed: it is a call itself, and rare.
        let asked = Box::pin(self.reach(
            ERA,
            Call::Followup,
            until - Instant::now(),
            |mut links| async move { self.look_at_era(&mut links).await },
        ));
        match asked.await {
            Ok(_) => Ok(()),
            Err(_) if era.make_do(SystemClock.now()) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Begins a new era. Should the store not confirm that in time, it is delivered with a later
    /// heartbeat, and this node goes on in an era of its own until then.
    pub(super) async fn purge_everything(&self, within: Duration) -> Result<Fence, Failure> {
        let _owed = OwedGuard::new(self);
        let act = |mut links: Links| async move { self.ask_for_era(&mut links, true).await };
        self.reach(ERA, Call::Followup, within, act).await?;
        let fence = self.space.era.fence();
        fence.ok_or_else(|| Failure::foreign("a purge of everything without a fence"))
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
        let era = &inner.space.era;
        let is_owed = {
            let mut owed = era.owed.lock();
            owed.underway -= 1;
            owed.asked > owed.delivered
        };
        if is_owed {
            inner.heard_of_era(Fence::new(era.current() + 1));
            inner.topology.wake_for(&inner.space, ERA);
        }
    }
}
