//! The digests of keys that were asked for lately.
//!
//! A key's digest is half of what it costs to look for it, and hot keys are asked for over and over.
//! So where each was found is kept, by a cheap hash of its text. What comes out is a guess: another
//! key may have the same hash, and two threads that write at once may leave a half of each. It is
//! only good together with the text of what is held there.

use std::hash::{BuildHasher, Hasher};

use crate::key::EntryId;
use crate::local::mix::Mix;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Of 24 bytes each.
const SLOTS: usize = 4_096;
/// One in so many keys that are not in their slot takes it. Two hot keys that share one would else
/// write to it with each request, on every core.
const TAKE_OVER: u8 = 8;

/// The memory of where keys were found.
#[derive(Debug)]
pub(crate) struct Memo {
    mix: Mix,
    slots: Box<[Kept]>,
}

#[derive(Debug, Default)]
struct Kept {
    hash: AtomicU64,
    digest: [AtomicU64; 2],
}

/// Where a key is kept, if it is.
pub(crate) struct Slot<'a> {
    kept: &'a Kept,
    hash: u64,
}

impl Memo {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Kept::default());
        Self {
            mix: Mix::new(),
            slots: slots.collect(),
        }
    }

    /// The slot of the key with this text, in the parts that it is always cut into.
    pub(crate) fn slot<const PARTS: usize>(&self, text: [&[u8]; PARTS]) -> Slot<'_> {
        let mut mixed = self.mix.build_hasher();
        for part in text {
            mixed.write(part);
        }
        let hash = mixed.finish();
        Slot {
            kept: &self.slots[hash as usize % SLOTS],
            // Never zero: that is a slot that nobody has. The bit is that of the place in any case.
            hash: hash | 1,
        }
    }
}

impl Slot<'_> {
    /// The digest of the key, most likely.
    pub(crate) fn id(&self) -> Option<EntryId> {
        if self.kept.hash.load(Ordering::Relaxed) != self.hash {
            return None;
        }
        let digest = self.kept.digest.each_ref();
        let [first, second] = digest.map(|half| half.load(Ordering::Relaxed).to_ne_bytes());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first);
        bytes[8..].copy_from_slice(&second);
        Some(EntryId::from_bytes(bytes))
    }

    /// Keeps the digest of the key, sooner or later if another has the slot.
    pub(crate) fn keep(&self, id: EntryId) {
        let free = self.kept.hash.load(Ordering::Relaxed) == 0;
        if !free && fastrand::u8(..TAKE_OVER) > 0 {
            return;
        }
        let (halves, _) = id.as_bytes().as_chunks();
        for (kept, half) in self.kept.digest.iter().zip(halves) {
            kept.store(u64::from_ne_bytes(*half), Ordering::Relaxed);
        }
        self.kept.hash.store(self.hash, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(of: u8) -> EntryId {
        EntryId::from_bytes(std::array::from_fn(|at| of + at as u8))
    }

    #[test]
    fn what_was_kept_is_found_and_nothing_else() {
        let memo = Memo::new();
        assert_eq!(memo.slot([b"a"]).id(), None);
        memo.slot([b"a"]).keep(id(1));
        assert_eq!(memo.slot([b"a"]).id(), Some(id(1)));
        for other in ["", "b", "aa", "ba"] {
            assert_eq!(memo.slot([other.as_bytes()]).id(), None, "{other:?}");
        }
    }

    #[test]
    fn a_key_gets_a_slot_that_another_has_but_not_at_once_each_time() {
        let memo = Memo::new();
        let slot = |hash| Slot {
            kept: &memo.slots[0],
            hash,
        };
        slot(1).keep(id(1));
        let tries = |of: u8| {
            (1..)
                .find(|_| {
                    slot(of.into()).keep(id(of));
                    slot(of.into()).id() == Some(id(of))
                })
                .expect("sooner or later")
        };
        let all: u32 = (2..=101).map(tries).sum();
        assert!((400..2_000).contains(&all), "{all} for a hundred");
    }
}
