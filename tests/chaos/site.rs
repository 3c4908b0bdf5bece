//! The site: what each of its keys is like.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bellwether::Cache;
use bellwether::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Listener, MemoryTier, PurgeKind,
    Release, Renew, SharedTier,
};
use http::Uri;

pub(crate) const KEYS: usize = 200;
pub(crate) const LANGS: [&str; 3] = ["de", "en", "fr"];

/// What a key is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// May be served stale while it is refreshed.
    Usual,
    /// May not: all wait.
    Cold,
    /// Lives longer than most faults.
    Long,
    /// One response for each language.
    Varying,
    /// The origin takes longer than a lease lasts.
    Slow,
    /// The body does.
    Dripping,
    /// Every third request to the origin fails.
    Failing,
    /// Has a validator, and seldom changes.
    Validated,
    Uncacheable,
}

/// For how long its responses may be used, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) fresh: u64,
    pub(crate) stale: u64,
    pub(crate) on_error: u64,
}

/// What the key with this number is like.
pub(crate) fn spec(key: usize) -> Spec {
    let (kind, fresh, stale, on_error) = match key {
        0..72 => (Kind::Usual, 1, 2, 0),
        72..100 => (Kind::Cold, 1, 0, 0),
        100..124 => (Kind::Long, 5, 1, 0),
        124..140 => (Kind::Varying, 1, 2, 0),
        140..158 => (Kind::Slow, 2, 2, 0),
        158..172 => (Kind::Dripping, 2, 2, 0),
        172..184 => (Kind::Failing, 1, 0, 3),
        184..194 => (Kind::Validated, 1, 1, 0),
        _ => (Kind::Uncacheable, 0, 0, 0),
    };
    Spec {
        kind,
        fresh: fresh * 1_000,
        stale: stale * 1_000,
        on_error: on_error * 1_000,
    }
}

impl Spec {
    pub(crate) fn cache_control(&self) -> String {
        let secs = |ms: u64| ms / 1_000;
        match self.kind {
            Kind::Uncacheable => "no-store".into(),
            _ => {
                let mut text = format!("max-age={}", secs(self.fresh));
                if self.stale > 0 {
                    text += &format!(", stale-while-revalidate={}", secs(self.stale));
                }
                if self.on_error > 0 {
                    text += &format!(", stale-if-error={}", secs(self.on_error));
                }
                text
            }
        }
    }
}

/// Some that live longer than most faults, of the hot ones and the others.
pub(crate) const LASTING: [usize; 8] = [100, 101, 102, 103, 108, 112, 116, 120];

/// Some that the origin takes its time for, and that are seldom asked for.
pub(crate) const SLOW: [usize; 12] = [146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157];

/// A key for a request: half of them go to the few hot keys, of each kind some.
pub(crate) fn draw(rng: &mut fastrand::Rng) -> usize {
    const HOT: [usize; 28] = [
        0, 1, 2, 3, 72, 73, 74, 100, 101, 102, 103, 124, 125, 140, 141, 142, 143, 158, 159, 160,
        161, 162, 172, 173, 184, 185, 194, 141,
    ];
    if rng.bool() {
        HOT[rng.usize(..HOT.len())]
    } else {
        rng.usize(..KEYS)
    }
}

pub(crate) fn uri(key: usize) -> Uri {
    let uri = format!("http://site.example/page/{key}");
    uri.parse().expect("it is one")
}

/// Which entry is that of which key. The names are the cache's own affair, so one is asked.
pub(crate) async fn entries() -> HashMap<EntryId, usize> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ear = Ear(MemoryTier::new(), Arc::clone(&asked));
    let cache = Cache::builder().shared(ear).build().expect("the defaults");
    for key in 0..KEYS {
        cache.purge(&uri(key)).await.expect("memory answers");
    }
    let asked = std::mem::take(&mut *asked.lock().expect("nobody panicked"));
    asked.into_iter().zip(0..).collect()
}

/// Notes what is purged.
#[derive(Debug)]
struct Ear(MemoryTier, Arc<Mutex<Vec<EntryId>>>);

impl SharedTier for Ear {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, bellwether::Error>> {
        self.0.acquire(ask)
    }
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, bellwether::Error>> {
        self.0.commit(commit)
    }
    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, bellwether::Error>> {
        self.0.renew(renew)
    }
    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, bellwether::Error>> {
        self.0.release(release)
    }
    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, bellwether::Error>> {
        self.1.lock().expect("nobody panicked").push(id);
        self.0.purge(id, kind, within)
    }
    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, bellwether::Error>> {
        self.0.purge_all(within)
    }
    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.0.subscribe(listener);
    }
}
