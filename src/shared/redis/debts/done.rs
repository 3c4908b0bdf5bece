//! Purges that were done, in case another era had begun by then.

use std::collections::VecDeque;

use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::PurgeKind;

/// Most purges that are remembered.
pub(super) const MOST: usize = 10_000;
/// An era and a purge may have been numbered by the clocks of two servers, which are taken to differ
/// by no more than this: 2 s, in microseconds. (The report says so from one second on.)
const APART: u64 = 2_000_000;

/// A purge that the store has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shared::redis) struct Done {
    pub(in crate::shared::redis) id: EntryId,
    pub(in crate::shared::redis) kind: PurgeKind,
    pub(in crate::shared::redis) fence: Fence,
}

/// The latest ones since this node went over to its era.
#[derive(Debug, Default)]
pub(super) struct Purges {
    latest: VecDeque<Done>,
    /// The largest fence of those that had to make room.
    forgotten: u64,
}

impl Purges {
    pub(super) fn note(&mut self, purge: Done) {
        if self.latest.len() == MOST
            && let Some(oldest) = self.latest.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.fence.get());
        }
        self.latest.push_back(purge);
    }

    /// Takes out those that may have been done after this era had begun: what was stored in it by
    /// then is still there. `None` if not all of them are remembered.
    ///
    /// What was purged before it began is nothing to it.
    pub(super) fn take_since(&mut self, era: u64) -> Option<Vec<Done>> {
        let Self { latest, forgotten } = std::mem::take(self);
        let since = era.saturating_sub(APART);
        let later = latest.into_iter().filter(|purge| purge.fence.get() > since);
        (forgotten <= since).then(|| later.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const BEGUN: u64 = 1_000 * SECOND;

    fn done(number: u64, at: u64) -> Done {
        Done {
            id: EntryId::from_bytes(u128::from(number).to_be_bytes()),
            kind: PurgeKind::Hard,
            fence: Fence::new(at),
        }
    }

    #[test]
    fn an_era_is_owed_what_was_purged_since_it_began_by_whichever_clock() {
        let mut purges = Purges::default();
        let (before, close, after) = (BEGUN - 3 * SECOND, BEGUN - SECOND, BEGUN + SECOND);
        for (number, at) in [(1, before), (2, close), (3, after)] {
            purges.note(done(number, at));
        }
        let owed = purges.take_since(BEGUN);
        assert_eq!(owed, Some(vec![done(2, close), done(3, after)]));
        // No era that is older than this one is gone over to.
        assert_eq!(purges.take_since(BEGUN), Some(vec![]));
    }

    #[test]
    fn what_is_forgotten_is_known_to_be() {
        let mut purges = Purges::default();
        let most = u64::try_from(MOST).unwrap();
        for number in 0..=most {
            purges.note(done(number, BEGUN + number));
        }
        // The one that is missing was done as long before it began as clocks may differ.
        let owed = purges.take_since(BEGUN + APART).map(|owed| owed.len());
        assert_eq!(owed, Some(MOST));
        for number in 0..=most {
            purges.note(done(number, BEGUN + number));
        }
        assert_eq!(purges.take_since(BEGUN + APART - 1), None);
        // Who is told so purges everything.
        assert_eq!(purges.take_since(BEGUN), Some(vec![]));
    }
}
