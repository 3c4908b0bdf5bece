//! What this node owes the store: purges that were not delivered, leases that were granted to
//! nobody.

use std::collections::{BTreeMap, HashMap, VecDeque};

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
    ghosts: VecDeque<Ghost>,
}

impl Debts {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book::default()))
    }

    /// Writes down a purge. True if the book was full and the oldest one was dropped.
    pub(super) fn owe_purge(&self, id: EntryId, kind: PurgeKind) -> bool {
        let mut book = self.0.lock();
        book.last += 1;
        let number = book.last;
        let before = book.numbers.insert(id, number);
        let before = before.and_then(|number| book.purges.remove(&number));
        // Of two purges the harder one counts.
        let kind = match before {
            Some(before) if before.kind == PurgeKind::Hard => PurgeKind::Hard,
            _ => kind,
        };
        book.purges.insert(number, OwedPurge { id, kind, number });
        if book.purges.len() <= PURGES {
            return false;
        }
        if let Some((_, oldest)) = book.purges.pop_first() {
            book.numbers.remove(&oldest.id);
        }
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> EntryId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        EntryId::from_bytes(bytes)
    }

    #[test]
    fn a_paid_purge_does_not_strike_out_a_later_one() {
        let debts = Debts::new();
        debts.owe_purge(id(1), PurgeKind::Hard);
        let first = debts.purge_of(id(1)).unwrap();
        debts.owe_purge(id(1), PurgeKind::Soft);
        debts.purge_paid(first);
        // The first may have been done before the second was asked for.
        let second = debts.purge_of(id(1)).unwrap();
        assert_eq!(second.kind, PurgeKind::Hard);
        debts.purge_paid(second);
        assert_eq!(debts.purge_of(id(1)), None);
        assert!(debts.purges(9, |_| true).is_empty());
    }

    #[test]
    fn the_book_is_bounded_and_the_oldest_goes_first() {
        let debts = Debts::new();
        let most = u32::try_from(PURGES).unwrap();
        assert!((0..most).all(|n| !debts.owe_purge(id(n), PurgeKind::Soft)));
        assert!(debts.owe_purge(id(most), PurgeKind::Soft));
        assert_eq!(debts.purge_of(id(0)), None);
        assert_eq!(debts.purges(1, |_| true)[0].id, id(1));
        assert_eq!(debts.purges(usize::MAX, |_| true).len(), PURGES);
    }

    #[test]
    fn a_lease_that_is_wanted_again_is_not_given_back() {
        let debts = Debts::new();
        let ghost = |number| Ghost {
            id: id(number),
            token: Token::from_bytes([7; 16]),
            is_lock: false,
        };
        debts.owe_release(ghost(1));
        debts.owe_release(ghost(2));
        debts.wanted(id(1), Token::from_bytes([7; 16]));
        assert_eq!(debts.next_ghost(|_| true), Some(ghost(2)));
        assert_eq!(debts.next_ghost(|_| true), None);
    }

    #[test]
    fn one_shard_is_paid_without_the_others() {
        let debts = Debts::new();
        let token = Token::from_bytes([7; 16]);
        for number in 1..=3 {
            debts.owe_purge(id(number), PurgeKind::Hard);
            let id = id(number);
            debts.owe_release(Ghost {
                id,
                token,
                is_lock: false,
            });
        }
        let ours = |one| one == id(2);
        assert_eq!(debts.purges(9, ours).len(), 1);
        assert_eq!(debts.next_ghost(ours).map(|ghost| ghost.id), Some(id(2)));
        assert_eq!(debts.next_ghost(ours), None);
        assert_eq!(
            debts.next_ghost(|_| true).map(|ghost| ghost.id),
            Some(id(1))
        );
    }
}
