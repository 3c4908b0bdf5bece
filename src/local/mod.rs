//! L1: the entries of this process, in moka, weighed in bytes.
//!
//! Expiry is by our own [`Windows`](crate::entry::Windows), read on each use: moka only bounds the
//! memory.

mod memo;
mod mix;

use std::sync::Arc;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::clock::Moment;
use crate::entry::{Record, VaryRule};
use crate::key::{EntryId, Key, KeyText};
use crate::local::memo::Memo;
use crate::local::mix::Mix;
use crate::sync::atomic::{AtomicBool, Ordering};

/// What is known under a key.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// A response.
    Record(Arc<Record>),
    /// The URL varies: look for the variant.
    Rule(Arc<VaryRule>),
    /// The response cannot be stored: everyone goes alone.
    Verdict(Arc<Verdict>),
}

/// What overrules a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A response that may be stored.
    Storable,
    /// One that says how long it is, too, and so that it fits: the last was too large, or nobody
    /// here knows why there is a verdict.
    Length,
    /// None: it ends soon by itself.
    Nothing,
}

/// The memory that a key's responses cannot be stored.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) key: Box<[u8]>,
    pub(crate) until: Moment,
    /// It holds for requests with `Authorization` only.
    pub(crate) authorized_only: bool,
    /// What shows before its time that it no longer holds.
    pub(crate) overruled_by: Proof,
    /// A storable response has been seen since: lead again, whatever the shared mark says.
    overruled: AtomicBool,
}

impl Verdict {
    pub(crate) fn new(key: &Key, until: Moment, authorized_only: bool) -> Self {
        Self {
            key: key.text().into(),
            until,
            authorized_only,
            overruled_by: Proof::Storable,
            overruled: AtomicBool::new(false),
        }
    }

    /// The same, but it takes `proof` to overrule it.
    #[must_use]
    pub(crate) fn until_proof(mut self, proof: Proof) -> Self {
        self.overruled_by = proof;
        self
    }

    pub(crate) fn overrule(&self) {
        self.overruled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_overruled(&self) -> bool {
        self.overruled.load(Ordering::Relaxed)
    }
}

/// Beside what an entry holds: moka's node, key and bookkeeping, and the record itself.
const OVERHEAD: usize = 256 + size_of::<Record>();
/// A name of a rule.
const FIELD_OVERHEAD: usize = 96;

impl Known {
    fn key(&self) -> &[u8] {
        match self {
            Self::Record(record) => &record.key,
            Self::Rule(rule) => &rule.key,
            Self::Verdict(verdict) => &verdict.key,
        }
    }

    /// True if both are responses and this one is the later: by fence if both have one, else by the
    /// time of their fetches.
    fn is_newer_than(&self, other: &Self) -> bool {
        let (Self::Record(ours), Self::Record(theirs)) = (self, other) else {
            return false;
        };
        match (ours.stamp.fence, theirs.stamp.fence) {
            (Some(ours), Some(theirs)) => ours > theirs,
            _ => ours.stamp.fetched > theirs.stamp.fetched,
        }
    }

    /// Bytes of memory that it occupies.
    fn weight(&self) -> u32 {
        let content = match self {
            Self::Record(record) => {
                let body = usize::try_from(record.body.len()).unwrap_or(usize::MAX);
                body.saturating_add(record.head.size())
            }
            Self::Rule(rule) => rule.fields.len() * FIELD_OVERHEAD,
            Self::Verdict(_) => 0,
        };
        let bytes = content
            .saturating_add(self.key().len())
            .saturating_add(OVERHEAD);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// The local store.
#[derive(Debug)]
pub(crate) struct Local {
    entries: Cache<EntryId, Known, Mix>,
    memo: Memo,
    capacity: u64,
}

impl Local {
    /// A store of at most `capacity` bytes.
    pub(crate) fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, known: &Known| known.weight())
            .build_with_hasher(Mix::new());
        Self {
            entries,
            memo: Memo::new(),
            capacity,
        }
    }

    /// What is known under the key of a URL, and that key, if it had to be made: of a hot one it is
    /// known where it is held.
    pub(crate) fn look(&self, host: &[u8], path_and_query: &str) -> (Option<Known>, Option<Key>) {
        let slot = self.memo.slot([host, path_and_query.as_bytes()]);
        // Whether the memory is right shows in what is held there: its text is compared, as ever.
        let held = slot.id().and_then(|id| self.entries.get(&id));
        if let Some(known) = held
            && Key::is_text_of(known.key(), host, path_and_query)
        {
            return (Some(known), None);
        }
        let key = Key::of(host, path_and_query);
        let known = self.get(&key);
        if known.is_some() {
            slot.keep(key.id());
        }
        (known, Some(key))
    }

    /// The key of this text, and what is known under it.
    pub(crate) fn look_for(&self, text: KeyText) -> (Key, Option<Known>) {
        let slot = self.memo.slot([&text]);
        if let Some(id) = slot.id()
            && let Some(known) = self.held(id, &text)
        {
            return (Key::proven(id, text), Some(known));
        }
        let key = Key::from_text(text);
        let known = self.get(&key);
        if known.is_some() {
            slot.keep(key.id());
        }
        (key, known)
    }

    /// What is known under `key`. Another key of the same digest is nothing.
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        self.held(key.id(), key.text())
    }

    fn held(&self, id: EntryId, text: &[u8]) -> Option<Known> {
        self.entries.get(&id).filter(|known| known.key() == text)
    }

    /// Whatever is known under that digest.
    pub(crate) fn get_by_id(&self, id: EntryId) -> Option<Known> {
        self.entries.get(&id)
    }

    /// Keeps `known`. What weighs more than a quarter of the capacity is not kept: it would push
    /// out everything else.
    ///
    /// moka evicts in batches of hundreds of writes, which with large bodies would overshoot the
    /// capacity many times over, so the batch is worked off here: inserts happen once per fetch.
    pub(crate) fn insert(&self, id: EntryId, known: Known) {
        if u64::from(known.weight()) > self.capacity / 4 {
            self.entries.invalidate(&id);
        } else {
            // A flight that was taken off the table goes on, and may end after its successor.
            self.entries.entry(id).and_compute_with(|held| match held {
                Some(held) if held.value().is_newer_than(&known) => Op::Nop,
                _ => Op::Put(known),
            });
        }
        self.entries.run_pending_tasks();
    }

    /// Puts what `change` makes of what is held in its place, in one step; nothing if it makes
    /// nothing of it.
    pub(crate) fn amend(&self, id: EntryId, change: impl FnOnce(&Known) -> Option<Known>) {
        self.entries.entry(id).and_compute_with(|held| {
            let changed = held.and_then(|held| change(held.value()));
            changed.map_or(Op::Nop, Op::Put)
        });
    }

    pub(crate) fn remove(&self, id: EntryId) {
        self.entries.invalidate(&id);
    }

    /// Takes everything away that is held now. Its memory is given back bit by bit, with the next
    /// insertions: to walk through millions of entries is no work for whoever hears of a purge.
    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// Entries and bytes held.
    pub(crate) fn usage(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::entry::{Fence, Head, Lifetime, Stamp, Windows};

    fn record(key: &Key, size: usize) -> Known {
        let lifetime = Lifetime {
            fresh: Duration::from_secs(60),
            ..Lifetime::default()
        };
        let now = Moment::default();
        Known::Record(Arc::new(Record {
            key: key.text().into(),
            head: Head {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
            }
            .into(),
            body: Bytes::from(vec![0; size]).into(),
            windows: Windows::from_receipt(now, &lifetime),
            early: None,
            cost: Duration::ZERO,
            rule: None,
            stamp: Stamp::new(None, None, now, 0),
            retry: Default::default(),
        }))
    }

    #[test]
    fn capacity_is_never_exceeded_whatever_the_sizes() {
        let local = Local::new(1 << 20);
        for n in 0..2_000_usize {
            let key = Key::primary("a", &format!("/{n}"));
            local.insert(key.id(), record(&key, (n * 7_919) % 300_000));
            assert!(local.entries.weighted_size() <= 1 << 20, "after {n}");
        }
        assert!(local.usage().0 > 1, "something is kept");
    }

    #[test]
    fn many_small_entries_weigh_more_than_their_bodies() {
        let local = Local::new(1 << 20);
        for n in 0..10_000 {
            let key = Key::primary("a", &format!("/{n}"));
            local.insert(key.id(), record(&key, 0));
        }
        assert!(local.usage().0 < (1 << 20) / OVERHEAD as u64 + 1);
    }

    #[test]
    fn what_is_too_large_takes_its_predecessor_away() {
        let local = Local::new(1 << 20);
        let key = Key::primary("a", "/");
        local.insert(key.id(), record(&key, 10));
        assert!(local.get(&key).is_some());
        local.insert(key.id(), record(&key, 1 << 20));
        assert!(
            local.get(&key).is_none(),
            "an older version must not outlive a newer one"
        );
    }

    #[test]
    fn an_older_response_never_replaces_a_newer_one() {
        let dated = |key: &Key, fence: Option<u64>, fetched: i64| {
            let Known::Record(record) = record(key, 10) else {
                unreachable!("it is a record")
            };
            let mut record = Arc::into_inner(record).expect("nobody else has it");
            let fetched = Moment::from_micros(fetched);
            record.stamp = Stamp::new(fence.map(Fence::new), None, fetched, 0);
            Known::Record(Arc::new(record))
        };
        let key = Key::primary("a", "/");
        let fetched = |local: &Local| match local.get(&key) {
            Some(Known::Record(record)) => record.stamp.fetched.as_micros(),
            _ => panic!("it is held"),
        };
        let local = Local::new(1 << 20);
        let steps = [
            (None, 5, 5),
            (None, 4, 5),
            (Some(7), 6, 6),
            (Some(6), 9, 6),
            (Some(8), 1, 1),
        ];
        for (fence, at, held) in steps {
            local.insert(key.id(), dated(&key, fence, at));
            assert_eq!(fetched(&local), held, "after {fence:?} {at}");
        }
    }

    #[test]
    fn all_is_taken_away_and_what_comes_after_stays() {
        let local = Local::new(1 << 20);
        let [before, after] = ["/before", "/after"].map(|path| Key::primary("a", path));
        local.insert(before.id(), record(&before, 10));
        local.clear();
        local.insert(after.id(), record(&after, 10));
        assert!(local.get(&before).is_none() && local.get(&after).is_some());
        assert_eq!(local.usage().0, 1, "its memory is given back");
    }

    /// The memory of hot keys is no authority: whatever it says, the text decides.
    #[test]
    fn a_wrong_guess_is_found_out() {
        let local = Local::new(1 << 20);
        let [ours, theirs] = ["/ours", "/theirs"].map(|path| Key::primary("a", path));
        local.insert(theirs.id(), record(&theirs, 10));
        local.memo.slot([b"a", b"/ours"]).keep(theirs.id());
        local.memo.slot([ours.text()]).keep(theirs.id());
        let (known, key) = local.look(b"a", "/ours");
        assert!(known.is_none());
        assert_eq!(key, Some(ours.clone()));
        let (key, known) = local.look_for(KeyText::from_slice(ours.text()));
        assert!(known.is_none());
        assert_eq!(key, ours);

        local.insert(ours.id(), record(&ours, 10));
        for _ in 0..1_000 {
            let (known, key) = local.look(b"A", "/ours");
            assert_eq!(known.expect("it is held").key(), ours.text());
            assert!(key.is_none_or(|key| key == ours));
            let (key, known) = local.look_for(KeyText::from_slice(ours.text()));
            assert_eq!(known.expect("it is held").key(), ours.text());
            assert_eq!(key, ours);
        }
        assert_eq!(local.look(b"A", "/ours").1, None, "it is known by now");
        local.remove(ours.id());
        assert!(local.look(b"A", "/ours").0.is_none());
    }

    #[test]
    fn another_key_of_the_same_digest_is_a_miss() {
        let local = Local::new(1 << 20);
        let key = Key::primary("a", "/");
        local.insert(key.id(), record(&Key::primary("b", "/"), 10));
        assert!(local.get(&key).is_none());
    }
}
