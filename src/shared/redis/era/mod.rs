//! Purges of everything: which part of the namespace counts.
//!
//! Each purge of everything begins a new *era*, named by the purge's fence, and the era is part of
//! each key. So nothing has to be found and deleted, and a node that has not heard of the purge yet
//! writes where nobody else looks.
//!
//! The store keeps the era in a key of its own. Each node looks at it with every heartbeat, and
//! writes it again should it be gone; what it knows for longer than that it looks up before its
//! next call, since a process that was paused hears of a purge at some time after it has woken.
//!
//! A purge of a single entry strikes it in one era, and that may be over already: one had begun that
//! this node does not know of. So each purge looks at the era, too. But the store may have lost it,
//! and then only those know of it who were there. What holds all the same: **whatever this node has
//! purged, and whatever it was told of as purged by a node that is behind, is purged in the era that
//! it goes by before it reads or writes that entry there.** For that
//! - it remembers what it has purged, and owes it again to an era that it goes over to, if that may
//!   have begun before the purge;
//! - an event of a purge names its era: who knows a later one owes the purge there, and tells the
//!   store of that era at once; who knows an older one goes over;
//! - if more is owed than is remembered, it purges everything.
//!
//! Two purges of everything may be strangers to each other, too: the store has lost one of them before
//! it was asked for the other, and if its clock is behind, the later one has the lower number. So the
//! store keeps, and each node remembers, which eras the one that counts has followed: its [`Line`].
//! **What this node goes by has followed each era that it has begun or was told of**: it goes over to
//! one whose line has the era of now, and whatever else it hears of stands beside. Then a purge of
//! everything is due that follows both; the script has one begin unless another node was faster.
//!
//! To purge once more what was purged seconds ago costs one refresh at most.

mod learn;
mod line;

use std::time::Duration;

pub(super) use self::line::Line;
use super::failure::Failure;
use super::reply;
use crate::clock::Moment;
use crate::entry::Fence;
use crate::key::EntryId;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Stands for the era where the way to an entry is asked for. No entry has it: they are digests.
pub(super) const ERA: EntryId = EntryId::from_bytes([0; 16]);

/// The scripts' numbers are exact up to there. Larger, and no later era could be larger still.
const LARGEST: u64 = 1 << 53;

/// Reads the number of an era.
pub(super) fn read(text: &str) -> Result<u64, Failure> {
    let number = reply::number(text)?;
    if (1..LARGEST).contains(&number) {
        Ok(number)
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
    /// The head of the line: 0 before the first purge of everything. Never sinks.
    current: AtomicU64,
    known: Mutex<Known>,
    /// True if an era stands beside the line.
    is_apart: AtomicBool,
    /// When the store was asked last, in microseconds; 0 if it never answered.
    asked_at: AtomicI64,
    owed: Mutex<Owed>,
}

#[derive(Debug, Default)]
struct Known {
    line: Line,
    /// Eras that were heard of, and of which the line does not say that they are over.
    beside: Line,
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
#[derive(Debug)]
pub(super) struct Question {
    /// The era that is known here, and those that it followed.
    pub(super) known: Line,
    /// Those that it may not have followed.
    pub(super) beside: Line,
    /// A new one is to begin: the number of the purge.
    pub(super) purge: Option<u64>,
}

impl Era {
    pub(super) fn new() -> Self {
        Self {
            current: AtomicU64::new(0),
            known: Mutex::new(Known::default()),
            is_apart: AtomicBool::new(false),
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

    /// An era that no other node goes by, should one need its own at the same time: little more than a
    /// second later, and later than what was issued in that one, should it be ahead of the clock.
    fn own_after(era: u64) -> u64 {
        era + (1 << 14) + fastrand::u64(..1 << 20)
    }

    /// True if this era is the one of now, or is known to be over.
    pub(super) fn holds(&self, era: u64) -> bool {
        self.known.lock().line.holds(era)
    }

    /// Goes over to a line that has the era of now, or learns what else that has followed. For
    /// [`Debts`](super::debts::Debts), under its lock, once what is owed there is written down.
    pub(super) fn join(&self, said: &Line) {
        let mut known = self.known.lock();
        let Known { line, beside } = &mut *known;
        line.add(said.iter());
        beside.retain(|era| !line.holds(era));
        self.current.fetch_max(line.head(), Ordering::SeqCst);
        self.is_apart.store(!beside.is_empty(), Ordering::SeqCst);
    }

    /// Hears of an era that the one of now may not have followed. For `Debts`, as above.
    pub(super) fn stand_beside(&self, era: u64) {
        self.known.lock().beside.add([era]);
        self.is_apart.store(true, Ordering::SeqCst);
    }

    /// Goes on in an era of its own, which follows this one and all that were heard of, and owes the
    /// store a purge of everything. For `Debts`, as above.
    pub(super) fn go_alone_after(&self, said: &Line) -> u64 {
        self.owed.lock().asked += 1;
        self.go_alone(said)
    }

    /// The same if that purge is owed by now.
    pub(super) fn go_alone(&self, said: &Line) -> u64 {
        let mut known = self.known.lock();
        let mut line = said.clone();
        line.add(known.line.iter().chain(known.beside.iter()));
        let own = Self::own_after(line.head());
        line.add([own]);
        *known = Known {
            line,
            beside: Line::default(),
        };
        self.current.fetch_max(own, Ordering::SeqCst);
        self.is_apart.store(false, Ordering::SeqCst);
        own
    }

    /// True if an era was heard of that the one of now may not have followed.
    pub(super) fn is_apart(&self) -> bool {
        self.is_apart.load(Ordering::SeqCst)
    }

    /// `by_purge`: asked by the call whose purge it is.
    fn question(&self, by_purge: bool) -> Question {
        let owed = self.owed.lock();
        let is_owed = owed.asked > owed.delivered && (by_purge || owed.underway == 0);
        let known = self.known.lock();
        Question {
            known: known.line.clone(),
            beside: known.beside.clone(),
            purge: is_owed.then_some(owed.asked),
        }
    }

    /// Notes that the store answered.
    fn answered(&self, question: &Question, now: Moment) {
        if let Some(purge) = question.purge {
            let mut owed = self.owed.lock();
            owed.delivered = owed.delivered.max(purge);
        }
        self.asked_at
            .store(now.as_micros().max(1), Ordering::SeqCst);
    }

    fn is_certain(&self, now: Moment) -> bool {
        let asked_at = self.asked_at.load(Ordering::SeqCst);
        asked_at != 0 && !self.is_apart() && now.since(Moment::from_micros(asked_at)) < CERTAIN
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
