//! The protocol as a plain state machine: the same steps as the scripts, with time as an argument.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::limits::{GRACE, millis, millis_at_least_one};
use crate::shared::{
    Answer, Ask, BlockKind, Commit, Committed, Content, Grant, PurgeKind, Release, Renew,
    TierEvent, Token, View,
};

/// All entries and leases. They live and end apart from each other, as two keys of the store do.
#[derive(Debug, Default)]
pub(super) struct Model {
    entries: HashMap<EntryId, Entry>,
    leases: HashMap<EntryId, Lease>,
    /// Steps since what expired was last dropped.
    steps: usize,
    /// The last fence of any entry. A real clock moves on between two steps; under a paused one,
    /// this keeps fences rising when an entry was lost.
    minted: u64,
    /// The fence of the last purge of everything.
    purged: Option<Fence>,
}

#[derive(Debug, Default)]
struct Entry {
    newest: Option<Fence>,
    purged: Option<Fence>,
    stored: Option<Stored>,
    /// No lease before this time, and why.
    mark: Option<(u64, BlockKind)>,
    /// Somebody was told to wait.
    waited: bool,
    ends: u64,
}

#[derive(Debug)]
struct Stored {
    version: Fence,
    body_version: Fence,
    fresh_until: u64,
    meta: Bytes,
    body: Bytes,
}

#[derive(Debug)]
struct Lease {
    token: Token,
    fence: Fence,
    ends: u64,
}

impl Entry {
    /// Lives on for at least so many milliseconds.
    fn keep(&mut self, ms: u64, at_least: u64) {
        self.ends = self.ends.max(ms + at_least);
    }
}

impl Model {
    pub(super) fn acquire(&mut self, us: u64, ask: &Ask) -> Answer {
        let grant = self.decide(us, ask);
        let entry = self.entries.get(&ask.id);
        Answer {
            now: us,
            newest: entry.and_then(|entry| entry.newest),
            purged: entry.and_then(|entry| entry.purged).max(self.purged),
            view: entry
                .and_then(|entry| entry.stored.as_ref())
                .map(|stored| stored.view(us / 1_000, ask.have)),
            grant,
        }
    }

    fn decide(&mut self, us: u64, ask: &Ask) -> Grant {
        let ms = us / 1_000;
        self.drop_expired(ms, ask.id);
        let entry = self.entries.get(&ask.id);
        let stored = entry.and_then(|entry| entry.stored.as_ref());
        if ask.peek {
            return Grant::Peeked;
        }
        let fresh = stored.filter(|stored| stored.fresh_until > ms);
        let forced = |version| ask.force && ask.have.is_none_or(|have| have == version);
        if fresh.is_some_and(|stored| !forced(stored.version)) {
            return Grant::Fresh;
        }
        let held = self.leases.get(&ask.id);
        if let Some(lease) = held.filter(|lease| lease.token == ask.token) {
            let (fence, ttl) = (lease.fence, lease.left(ms));
            return Grant::Lease { fence, ttl };
        }
        let mark = entry.and_then(|entry| entry.mark);
        if let Some((until, kind)) = mark.filter(|(until, _)| *until > ms && !ask.insist) {
            let left = Duration::from_millis(until - ms);
            return Grant::Blocked { kind, left };
        }
        let held = held.map(|lease| (lease.fence, lease.left(ms)));
        if let Some((fence, ttl)) = held {
            let entry = self.entries.entry(ask.id).or_default();
            entry.waited = true;
            entry.keep(ms, millis(GRACE));
            return Grant::Wait { fence, ttl };
        }
        let fence = self.mint(us, ask.id, 0);
        let entry = self.entries.entry(ask.id).or_default();
        entry.keep(ms, millis(GRACE));
        entry.newest = Some(fence);
        entry.waited = false;
        let lease = Lease {
            token: ask.token,
            fence,
            ends: ms + millis_at_least_one(ask.lease),
        };
        let ttl = lease.left(ms);
        self.leases.insert(ask.id, lease);
        Grant::Lease { fence, ttl }
    }

    pub(super) fn commit(&mut self, us: u64, commit: Commit) -> (Committed, Option<TierEvent>) {
        let ms = us / 1_000;
        let Commit { id, fence, .. } = commit;
        self.drop_expired(ms, id);
        let mine = self.holds(id, commit.token, Some(fence));
        let entry = self.entries.get(&id);
        let newest = entry.and_then(|entry| entry.newest);
        let purged = entry.and_then(|entry| entry.purged);
        let stored = entry.and_then(|entry| entry.stored.as_ref());
        if let Some(stored) = stored.filter(|stored| stored.version == fence)
            && purged.is_none_or(|purged| purged <= fence)
        {
            let body_version = stored.body_version;
            return (Committed::Stored { body_version }, None);
        }
        if newest.is_some_and(|newest| newest != fence) || self.purged > Some(fence) {
            return (Committed::Superseded, None);
        }
        if newest.is_none() && !mine {
            return (Committed::Lost, None);
        }
        let (body, body_version) = match (commit.body, stored) {
            (Some(body), _) => (body, fence),
            (None, Some(stored)) => (stored.body.clone(), stored.body_version),
            (None, None) => return (Committed::Bodiless, None),
        };
        let entry = self.entries.entry(id).or_default();
        let event = entry.waited.then_some(TierEvent::Committed { id, fence });
        *entry = Entry {
            newest: Some(fence),
            purged: entry.purged,
            stored: Some(Stored {
                version: fence,
                body_version,
                // What was held up on its way is no fresher for that.
                fresh_until: ms.min(fence.get() / 1_000 + millis(commit.held) + 1)
                    + millis(commit.fresh),
                meta: commit.meta,
                body,
            }),
            mark: None,
            waited: false,
            // A purge's mark is not cut short by what comes after it.
            ends: (ms + millis(commit.keep.max(GRACE))).max(entry.purged.map_or(0, |_| entry.ends)),
        };
        if mine {
            self.leases.remove(&id);
        }
        (Committed::Stored { body_version }, event)
    }

    pub(super) fn renew(&mut self, us: u64, renew: &Renew) -> bool {
        let ms = us / 1_000;
        self.drop_expired(ms, renew.id);
        if !self.holds(renew.id, renew.token, Some(renew.fence)) {
            return false;
        }
        if let Some(lease) = self.leases.get_mut(&renew.id) {
            lease.ends = ms + millis_at_least_one(renew.lease);
        }
        if let Some(entry) = self.entries.get_mut(&renew.id) {
            entry.keep(ms, millis(GRACE));
        }
        true
    }

    pub(super) fn release(&mut self, us: u64, release: &Release) -> (bool, Option<TierEvent>) {
        let ms = us / 1_000;
        let id = release.id;
        self.drop_expired(ms, id);
        if !self.holds(id, release.token, None) {
            return (false, None);
        }
        let fence = self.leases.remove(&id).map(|lease| lease.fence);
        if let Some((kind, lasts)) = release.block
            && millis(lasts) > 0
        {
            let entry = self.entries.entry(id).or_default();
            entry.mark = Some((ms + millis(lasts), kind));
            entry.keep(ms, millis(lasts.max(GRACE)));
        }
        let waited = self
            .entries
            .get_mut(&id)
            .is_some_and(|entry| std::mem::take(&mut entry.waited));
        let event = fence
            .filter(|_| waited)
            .map(|fence| TierEvent::Released { id, fence });
        (true, event)
    }

    pub(super) fn purge(&mut self, us: u64, id: EntryId, kind: PurgeKind) -> Fence {
        let ms = us / 1_000;
        self.drop_expired(ms, id);
        // The lease goes, and with the larger fence every right to commit.
        let held = self.leases.remove(&id).map_or(0, |lease| lease.fence.get());
        // The entry may have been evicted from under the lease.
        let fence = self.mint(us, id, held);
        let entry = self.entries.entry(id).or_default();
        if kind == PurgeKind::Hard {
            entry.stored = None;
        }
        if let Some(stored) = &mut entry.stored {
            // What is stale already does not become less so.
            stored.fresh_until = stored.fresh_until.min(ms);
        }
        entry.newest = Some(fence);
        entry.purged = Some(fence);
        entry.mark = None;
        entry.waited = false;
        entry.keep(ms, millis(GRACE));
        fence
    }

    pub(super) fn purge_all(&mut self, us: u64) -> Fence {
        self.minted = us.max(self.minted + 1);
        let fence = Fence::new(self.minted);
        self.forget_all();
        self.purged = Some(fence);
        fence
    }

    /// The time, or one more than the largest fence that is known.
    fn mint(&mut self, us: u64, id: EntryId, held: u64) -> Fence {
        let newest = self.entries.get(&id).and_then(|entry| entry.newest);
        let known = newest.map_or(held, |newest| newest.get().max(held));
        self.minted = us.max(known.max(self.minted) + 1);
        Fence::new(self.minted)
    }

    pub(super) fn forget_all(&mut self) {
        self.entries.clear();
        self.leases.clear();
    }

    pub(super) fn forget_entry(&mut self, id: EntryId) {
        self.entries.remove(&id);
    }

    pub(super) fn forget_lease(&mut self, id: EntryId) {
        self.leases.remove(&id);
    }

    pub(super) fn size(&self) -> usize {
        self.entries.len() + self.leases.len()
    }

    /// Drops all that expired once per as many steps as there is to look at: a constant share of
    /// each step.
    pub(super) fn sweep(&mut self, us: u64) {
        self.steps += 1;
        if self.steps > self.size() {
            let ms = us / 1_000;
            self.steps = 0;
            self.entries.retain(|_, entry| entry.ends > ms);
            self.leases.retain(|_, lease| lease.ends > ms);
        }
    }

    fn drop_expired(&mut self, ms: u64, id: EntryId) {
        if self.entries.get(&id).is_some_and(|entry| entry.ends <= ms) {
            self.entries.remove(&id);
        }
        if self.leases.get(&id).is_some_and(|lease| lease.ends <= ms) {
            self.leases.remove(&id);
        }
    }

    fn holds(&self, id: EntryId, token: Token, fence: Option<Fence>) -> bool {
        self.leases.get(&id).is_some_and(|lease| {
            lease.token == token && fence.is_none_or(|fence| fence == lease.fence)
        })
    }
}

impl Lease {
    fn left(&self, ms: u64) -> Duration {
        Duration::from_millis(self.ends.saturating_sub(ms))
    }
}

impl Stored {
    fn view(&self, ms: u64, have: Option<Fence>) -> View {
        View {
            version: self.version,
            body_version: self.body_version,
            fresh_ms: self.fresh_until.cast_signed() - ms.cast_signed(),
            content: (have != Some(self.version)).then(|| Content {
                meta: self.meta.clone(),
                body: self.body.clone(),
            }),
        }
    }
}
