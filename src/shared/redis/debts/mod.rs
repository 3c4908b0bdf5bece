//! What this node owes the store: purges that were not delivered, or were done in an era that was
//! over; leases that were granted to nobody.

mod done;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub(super) use self::done::Done;
use self::done::Purges;
use super::era::{Era, Line};
use crate::key::EntryId;
use crate::shared::{PurgeKind, Token};
use crate::sync::Mutex;

/// Most purges that are remembered; the oldest goes first.
const PURGES: usize = 10_000;
/// Most leases that are remembered; they end by themselves in the end.
const GHOSTS: usize = 1_024;

/// A purge that the store may not have heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwedPurge {
    pub(super) id: EntryId,
    pub(super) kind: PurgeKind,
    /// Tells this one from a later one of the same entry, which an answer to this one must not
    /// strike out.
    number: u64,
}

/// A lease that may have been granted without anybody having heard of it.
///
/// For how long is not known: a server that was frozen grants it when it thaws, for its whole
/// length, however long ago it was asked for. So it is owed until it was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ghost {
    pub(super) id: EntryId,
    pub(super) token: Token,
    /// Of a lock, not of an entry.
    pub(super) is_lock: bool,
}

/// The book of debts.
#[derive(Debug)]
pub(super) struct Debts(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    numbers: HashMap<EntryId, u64>,
    purges: BTreeMap<u64, OwedPurge>,
    last: u64,
    done: Purges,
    ghosts: VecDeque<Ghost>,
}

/// What it means to hear of an era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// It is known, or over.
    Known,
    /// Whether the one of now has followed it or the other way round, is not known: the store has to
    /// be asked before anything else.
    Beside,
    /// This node went over to it; perhaps purges are owed there.
    Over { owing: bool },
    /// What stands there may be from before a purge, and of which entries is not known. This node
    /// went on to an era of its own, and owes the store a purge of everything.
    Alone(u64),
}

impl Debts {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book::default()))
    }

    /// Writes down a purge. True if the book was full and the oldest one was dropped.
    pub(super) fn owe_purge(&self, id: EntryId, kind: PurgeKind) -> bool {
        self.0.lock().owe(id, kind)
    }

    /// Notes that the store did a purge in this era. False if it was over: the purge has to be done
    /// in the one of now.
    pub(super) fn purge_done(&self, purge: Done, era: u64, now: &Era) -> bool {
        let mut book = self.0.lock();
        let counts = era >= now.current();
        if counts {
            book.done.note(purge);
        }
        counts
    }

    /// Has this node go over to a later era, if that has followed the one of now. `ours`: this node
    /// began it, by a purge of everything.
    ///
    /// Under the lock: whoever sees the new era finds that the purges are owed there, and whoever
    /// has just done one finds either that it is over or is found here.
    pub(super) fn cross(&self, era: &Era, said: &Line, ours: bool) -> Crossing {
        let mut book = self.0.lock();
        let (number, current) = (said.head(), era.current());
        if !said.holds(current) {
            if era.holds(number) {
                return Crossing::Known;
            }
            era.stand_beside(number);
            return Crossing::Beside;
        }
        if number <= current {
            era.join(said);
            return Crossing::Known;
        }
        let purges = book.done.take_since(number);
        if ours {
            era.join(said);
            return Crossing::Over { owing: false };
        }
        let room = PURGES - book.purges.len();
        let Some(purges) = purges.filter(|purges| purges.len() <= room) else {
            return Crossing::Alone(era.go_alone_after(said));
        };
        for purge in &purges {
            book.owe(purge.id, purge.kind);
        }
        era.join(said);
        let owing = !purges.is_empty();
        Crossing::Over { owing }
    }

    /// Has this node go on in an era of its own, by a purge of everything that it owes the store.
    pub(super) fn go_alone(&self, era: &Era) -> u64 {
        let mut book = self.0.lock();
        let own = era.go_alone(&Line::default());
        // It has purged those, too.
        book.done.take_since(own);
        own
    }

    /// The purge that is owed for this entry.
    pub(super) fn purge_of(&self, id: EntryId) -> Option<OwedPurge> {
        let book = self.0.lock();
        let number = book.numbers.get(&id)?;
        book.purges.get(number).copied()
    }

    /// The oldest purges of entries that are `ours`, at most so many.
    pub(super) fn purges(&self, most: usize, ours: impl Fn(EntryId) -> bool) -> Vec<OwedPurge> {
        let book = self.0.lock();
        let ours = book.purges.values().filter(|purge| ours(purge.id));
        ours.take(most).copied().collect()
    }

    /// Strikes out a purge that the store has done, unless a later one took its place.
    pub(super) fn purge_paid(&self, purge: OwedPurge) {
        let mut book = self.0.lock();
        if book.purges.remove(&purge.number).is_some() {
            book.numbers.remove(&purge.id);
        }
    }

    /// Writes down a lease that has to be given back.
    pub(super) fn owe_release(&self, ghost: Ghost) {
        let mut book = self.0.lock();
        if book.ghosts.len() == GHOSTS {
            book.ghosts.pop_front();
        }
        book.ghosts.push_back(ghost);
    }

    /// The caller asks again with this token: the lease is wanted after all.
    pub(super) fn wanted(&self, id: EntryId, token: Token) {
        let mut book = self.0.lock();
        if !book.ghosts.is_empty() {
            book.ghosts
                .retain(|ghost| ghost.id != id || ghost.token != token);
        }
    }

    /// Takes out the next lease to give back of an entry that is `ours`.
    pub(super) fn next_ghost(&self, ours: impl Fn(EntryId) -> bool) -> Option<Ghost> {
        let mut book = self.0.lock();
        let next = book.ghosts.iter().position(|ghost| ours(ghost.id))?;
        book.ghosts.remove(next)
    }
}

impl Book {
    /// True if it was full and the oldest one was dropped.
    fn owe(&mut self, id: EntryId, kind: PurgeKind) -> bool {
        self.last += 1;
        let number = self.last;
        let before = self.numbers.insert(id, number);
        let before = before.and_then(|number| self.purges.remove(&number));
        // Of two purges the harder one counts.
        let kind = match before {
            Some(before) if before.kind == PurgeKind::Hard => PurgeKind::Hard,
            _ => kind,
        };
        self.purges.insert(number, OwedPurge { id, kind, number });
        if self.purges.len() <= PURGES {
            return false;
        }
        if let Some((_, oldest)) = self.purges.pop_first() {
            self.numbers.remove(&oldest.id);
        }
        true
    }
}
