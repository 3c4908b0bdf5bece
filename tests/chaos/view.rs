//! The history as the checks ask it: in which state the fleet was when.

use std::collections::{BTreeMap, HashMap};

use bellwether::shared::{Committed, EntryId, TierEvent};

use crate::history::{At, Call, Deed, Fetch, FetchId, Life, Notes, Serve, Struck};
use crate::site::{self, Kind};

pub(crate) const MILLI: At = 1_000;

pub(crate) struct View<'a> {
    pub(crate) notes: &'a Notes,
    /// Which entry is that of which key. Those of variants are not among them.
    pub(crate) entries: &'a HashMap<EntryId, usize>,
    /// The fence under which a fetch was offered to the tier, whatever became of that.
    pub(crate) fences: HashMap<FetchId, u64>,
    failed: Vec<Vec<&'a Call>>,
    purged: BTreeMap<usize, Vec<(At, At)>>,
    /// Of each life: when it went over to which era.
    eras: Vec<Vec<(At, u64)>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(notes: &'a Notes, entries: &'a HashMap<EntryId, usize>) -> Self {
        let mut failed = vec![Vec::new(); notes.lives.len()];
        let mut fences = HashMap::new();
        for call in &notes.calls {
            if call.failed() {
                failed[call.life].push(call);
            }
            if let Deed::Commit { fence, fetch, .. } = call.deed
                && let Some(fetch) = fetch
            {
                fences.insert(fetch, fence);
            }
        }
        let mut purged = BTreeMap::<_, Vec<_>>::new();
        for purge in &notes.purges {
            let until = purge.done.filter(|_| purge.confirmed).unwrap_or(At::MAX);
            purged
                .entry(purge.key)
                .or_default()
                .push((purge.began, until));
        }
        let mut eras = vec![Vec::new(); notes.lives.len()];
        for era in &notes.eras {
            eras[era.life].push((era.at, era.era));
        }
        Self {
            notes,
            entries,
            fences,
            failed,
            purged,
            eras,
        }
    }

    pub(crate) fn place(&self, life: Life) -> usize {
        self.notes.lives[life].0
    }

    /// For how long this machine did not run us in that time.
    pub(crate) fn stalled(&self, since: At, until: At) -> At {
        let stalls = self.notes.stalls.iter();
        stalls
            .map(|(from, to)| (*to).min(until).saturating_sub((*from).max(since)))
            .sum()
    }

    /// True if a call of this node failed, or was under way that failed.
    pub(crate) fn failed(&self, life: Life, since: At, until: At) -> bool {
        let mut failed = self.failed[life].iter();
        failed.any(|call| call.sent <= until && call.over.unwrap_or(At::MAX) >= since)
    }

    pub(crate) fn any_failed(&self, since: At, until: At) -> bool {
        (0..self.failed.len()).any(|life| self.failed(life, since, until))
    }

    /// The blows that fell, or went on, in that time.
    pub(crate) fn struck(&self, since: At, until: At) -> impl Iterator<Item = &'a Struck> {
        let overlaps = move |struck: &&Struck| struck.from <= until && struck.until >= since;
        self.notes.struck.iter().filter(overlaps)
    }

    /// True if anything was wrong anywhere.
    pub(crate) fn stormy(&self, since: At, until: At) -> bool {
        self.struck(since, until).next().is_some()
    }

    /// True if Redis may have lost keys by something else than a script.
    pub(crate) fn lost_keys(&self, since: At, until: At) -> bool {
        self.struck(since, until)
            .any(|struck| struck.blow.loses_keys())
    }

    /// True if nodes may go by two rules of a key that varies: Redis lost the one, or they could not
    /// ask for it. They look it up once a minute.
    pub(crate) fn may_have_two_rules(&self, key: usize, at: At) -> bool {
        const TRUSTED: At = 61_000 * MILLI;
        let since = at.saturating_sub(TRUSTED);
        let varies = site::spec(key).kind == Kind::Varying;
        varies && (self.lost_keys(since, at) || self.any_failed(since, at))
    }

    /// True if this key was purged by anybody. A purge that was not confirmed may happen any time;
    /// one of everything happens to each node when that goes over to its era.
    pub(crate) fn purged(&self, key: usize, since: At, until: At) -> bool {
        let purges = self.purged.get(&key);
        let mut purges = purges.into_iter().flatten();
        let purges_of_all = &self.notes.purges_of_all;
        purges.any(|(began, done)| *began <= until && *done >= since)
            || (purges_of_all.iter())
                .any(|purge| purge.began <= until && purge.done.unwrap_or(At::MAX) >= since)
            || self
                .eras
                .iter()
                .flatten()
                .any(|(at, _)| (since..=until).contains(at))
    }

    /// True if this node went over to another era.
    pub(crate) fn changed_era(&self, life: Life, since: At, until: At) -> bool {
        let mut eras = self.eras[life].iter();
        eras.any(|(at, _)| (since..=until).contains(at))
    }

    /// True if this node knew of an older era than others, and Redis may have lost the newer one.
    /// What it purges then, it purges in the newer one when it learns of that.
    pub(crate) fn is_behind(&self, life: Life, at: At) -> bool {
        const LOST: At = 10_000 * MILLI;
        let behind = self.known_era(life, at) < self.newest_era(at);
        behind && self.lost_keys(at.saturating_sub(LOST), at)
    }

    /// When what this node purged while it was behind was purged in the newest era of then, too.
    /// `None` if that is not known: it ended before, or Redis did not answer it.
    pub(crate) fn caught_up(&self, life: Life, at: At) -> Option<At> {
        const OWED: At = 500 * MILLI;
        let newest = self.newest_era(at);
        let eras = self.eras[life].iter();
        let over = eras.filter(|(_, era)| *era >= newest);
        let over = over.map(|(when, _)| *when).min()?;
        let until = over + OWED + self.stalled(over, over + OWED);
        (!self.failed(life, over, until)).then_some(until)
    }

    fn newest_era(&self, at: At) -> u64 {
        let lives = 0..self.eras.len();
        lives
            .map(|life| self.known_era(life, at))
            .max()
            .unwrap_or(0)
    }

    fn known_era(&self, life: Life, at: At) -> u64 {
        let until_then = self.eras[life].iter().filter(|(when, _)| *when <= at);
        until_then.map(|(_, era)| *era).max().unwrap_or(0)
    }

    /// The era that a call was made in: what was purged with everything before is nothing to it.
    /// `None` if the node went over to another one at about that time.
    fn era(&self, call: &Call) -> Option<u64> {
        const ABOUT: At = 5 * MILLI;
        let until = call.over.unwrap_or(At::MAX).saturating_add(ABOUT);
        if self.changed_era(call.life, call.sent.saturating_sub(ABOUT), until) {
            return None;
        }
        Some(self.known_era(call.life, call.sent))
    }

    /// True if this node's subscription broke or came back.
    pub(crate) fn gaps(&self, life: Life, since: At, until: At) -> bool {
        let mut heard = self.notes.heard.iter();
        heard.any(|heard| {
            let gap = matches!(heard.event, TierEvent::Lost | TierEvent::Resumed);
            gap && heard.life == life && (since..=until).contains(&heard.at)
        })
    }

    /// The fetch that an answer is of.
    pub(crate) fn fetch(&self, serve: &Serve) -> Option<&'a Fetch> {
        serve.fetch.map(|fetch| &self.notes.fetches[fetch])
    }

    /// True if the tier took the result of this fetch.
    pub(crate) fn stored(&self) -> HashMap<FetchId, At> {
        let stored = self.notes.calls.iter().filter_map(|call| match call.deed {
            Deed::Commit {
                fetch: Some(fetch),
                verdict: Some(Committed::Stored { .. }),
                ..
            } => Some((fetch, call.over.unwrap_or(call.sent))),
            _ => None,
        });
        stored.collect()
    }

    /// The calls about each entry of one era, in the order in which they were sent.
    pub(crate) fn calls_in_eras(&self) -> BTreeMap<(EntryId, u64), Vec<&'a Call>> {
        let mut calls = BTreeMap::<_, Vec<_>>::new();
        for call in &self.notes.calls {
            if let Some(era) = self.era(call) {
                calls.entry((call.id, era)).or_default().push(call);
            }
        }
        calls
    }

    /// The calls about each entry, in the order in which they were sent.
    pub(crate) fn calls(&self) -> BTreeMap<EntryId, Vec<&'a Call>> {
        let mut calls = BTreeMap::<_, Vec<_>>::new();
        for call in &self.notes.calls {
            calls.entry(call.id).or_default().push(call);
        }
        calls
    }

    /// All that happened around one key, one line each, in order of time.
    pub(crate) fn story(&self, key: Option<usize>, id: Option<EntryId>, at: At) -> Vec<String> {
        let notes = self.notes;
        let mut lines = Vec::new();
        let about = |of: usize| key == Some(of);
        for (n, fetch) in notes
            .fetches
            .iter()
            .enumerate()
            .filter(|(_, fetch)| about(fetch.key))
        {
            lines.push((fetch.start, format!("fetch {n} {fetch:?}")));
        }
        for serve in notes.serves.iter().filter(|serve| about(serve.key)) {
            lines.push((serve.asked, format!("{serve:?}")));
        }
        for purge in notes.purges.iter().filter(|purge| about(purge.key)) {
            lines.push((purge.began, format!("{purge:?}")));
        }
        for purge in &notes.purges_of_all {
            lines.push((purge.began, format!("{purge:?}")));
        }
        let of_key = |called: &EntryId| {
            id == Some(*called) || key.is_some() && self.entries.get(called).copied() == key
        };
        for call in notes.calls.iter().filter(|call| of_key(&call.id)) {
            lines.push((call.sent, format!("{call:?}")));
        }
        for struck in &notes.struck {
            lines.push((struck.from, format!("{struck:?}")));
        }
        for heard in &notes.heard {
            let told = match heard.event {
                TierEvent::Committed { id, .. }
                | TierEvent::Released { id, .. }
                | TierEvent::Purged { id, .. } => of_key(&id),
                _ => true,
            };
            if told {
                lines.push((heard.at, format!("{heard:?}")));
            }
        }
        // Stable: what happened at one time stays in order.
        lines.sort_by_key(|(at, _)| *at);
        let violation = lines.partition_point(|(when, _)| *when <= at);
        let first = violation.saturating_sub(26);
        let some = lines.into_iter().skip(first).take(32);
        some.map(|(at, line)| format!("{at:>9} {line}")).collect()
    }
}

/// True if its requests are looked up, and stored under the key's own name.
pub(crate) fn is_plain(key: usize) -> bool {
    !matches!(site::spec(key).kind, Kind::Varying | Kind::Uncacheable)
}
