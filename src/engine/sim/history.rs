//! What happened, noted as it happens, to be judged afterwards.

use std::sync::Arc;

use tokio::time::Instant;

use crate::engine::Failure;
use crate::shared::{Committed, EntryId, Fence, PurgeKind, TierEvent};
use crate::sync::Mutex;

/// Microseconds since the run began.
pub(super) type At = u64;

/// What a request to the origin was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// By a flight.
    Refresh,
    /// By one client, past the cache.
    Pass,
}

/// How the origin answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Not yet, or the node went away.
    None,
    Storable,
    Confirmed,
    Refused,
    Failed,
}

/// One request to the origin.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) node: usize,
    pub(super) key: usize,
    pub(super) kind: u8,
    pub(super) purpose: Purpose,
    /// The content, as it stood at `start`.
    pub(super) version: u64,
    pub(super) start: At,
    /// When the head went out.
    pub(super) head: Option<At>,
    /// When all of it had gone out, or the node let go of it.
    pub(super) end: Option<At>,
    pub(super) reply: Reply,
    /// All of the body went out.
    pub(super) whole: bool,
}

/// How a client got its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// At once, from what the node held.
    Held,
    /// From a flight.
    Flight,
    /// From the origin, for this client alone.
    Own,
    /// There was none.
    Failed(Failure),
}

/// What a client got.
#[derive(Debug, Clone)]
pub(super) struct Serve {
    pub(super) node: usize,
    pub(super) key: usize,
    pub(super) kind: u8,
    pub(super) asked: At,
    pub(super) answered: At,
    pub(super) how: How,
    /// The fetch that brought or last confirmed it.
    pub(super) fetch: Option<usize>,
    /// Past its freshness.
    pub(super) stale: bool,
    /// No call of this node to the tier failed meanwhile.
    pub(super) reachable: bool,
    /// The body is what the origin has under that version, to its end. `None`: it broke off, and
    /// the client could tell.
    pub(super) body: Option<bool>,
}

impl Serve {
    pub(super) fn waited(&self) -> u64 {
        self.answered - self.asked
    }
}

/// One call of `Engine::purge`, or what one of `Engine::purge_all` means for a key.
#[derive(Debug, Clone)]
pub(super) struct Purge {
    pub(super) node: usize,
    pub(super) key: usize,
    pub(super) kind: PurgeKind,
    pub(super) began: At,
    /// When it returned; `None` if the node died first.
    pub(super) done: Option<At>,
    /// The fence, if the tier confirmed it.
    pub(super) confirmed: bool,
}

/// What the tier did.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "some of it only tells the story of a failure")]
pub(super) enum Deed {
    Granted {
        id: EntryId,
        at: At,
    },
    Committed {
        id: EntryId,
        at: At,
        fence: Fence,
        fetch: Option<usize>,
        verdict: Committed,
    },
    Purged {
        id: EntryId,
        at: At,
        fence: Fence,
        kind: PurgeKind,
    },
    PurgedAll {
        at: At,
        fence: Fence,
    },
}

/// An event that reached a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) node: usize,
    pub(super) event: TierEvent,
}

/// Something that the scenario did to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Killed,
    Paused,
    Resumed,
    CutOff,
    BackAgain,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Notes {
    pub(super) fetches: Vec<Fetch>,
    pub(super) serves: Vec<Serve>,
    pub(super) purges: Vec<Purge>,
    pub(super) deeds: Vec<Deed>,
    pub(super) heard: Vec<(At, Heard)>,
    pub(super) blows: Vec<(At, usize, Blow)>,
    /// Requests that began and did not end: (node, key, when).
    pub(super) open: Vec<(usize, usize, At)>,
}

/// The notebook of one run.
pub(super) struct History {
    began: Instant,
    notes: Mutex<Notes>,
}

impl History {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            notes: Mutex::new(Notes::default()),
        })
    }

    pub(super) fn now(&self) -> At {
        u64::try_from(self.began.elapsed().as_micros()).expect("a run is short")
    }

    pub(super) fn note<T>(&self, write: impl FnOnce(&mut Notes, At) -> T) -> T {
        write(&mut self.notes.lock(), self.now())
    }

    pub(super) fn hear(&self, heard: Heard) {
        if heard.event != TierEvent::Alive {
            self.note(|notes, now| notes.heard.push((now, heard)));
        }
    }

    pub(super) fn strike(&self, node: usize, blow: Blow) {
        self.note(|notes, now| notes.blows.push((now, node, blow)));
    }

    /// All of it, for judgement.
    pub(super) fn close(&self) -> Notes {
        self.notes.lock().clone()
    }
}

impl Notes {
    /// All that happened around one URL from `since` to `until`, one line each, in order of time.
    pub(super) fn story(&self, key: usize, since: At, until: At) -> String {
        let mut lines = Vec::new();
        for (n, fetch) in self
            .fetches
            .iter()
            .enumerate()
            .filter(|(_, fetch)| fetch.key == key)
        {
            lines.push((fetch.start, format!("fetch {n} {fetch:?}")));
        }
        for deed in &self.deeds {
            let (at, of_key) = match deed {
                Deed::Granted { at, .. } | Deed::Purged { at, .. } | Deed::PurgedAll { at, .. } => {
                    (*at, true)
                }
                Deed::Committed { at, fetch, .. } => (
                    *at,
                    fetch.is_none_or(|fetch| self.fetches[fetch].key == key),
                ),
            };
            if of_key {
                lines.push((at, format!("{deed:?}")));
            }
        }
        lines.extend(
            self.heard
                .iter()
                .map(|(at, heard)| (*at, format!("{heard:?}"))),
        );
        lines.extend(
            self.blows
                .iter()
                .map(|(at, node, blow)| (*at, format!("{node} {blow:?}"))),
        );
        for purge in self.purges.iter().filter(|purge| purge.key == key) {
            lines.push((purge.began, format!("{purge:?}")));
        }
        lines.retain(|(at, _)| (since..=until).contains(at));
        // Stable: what happened at one time stays in order.
        lines.sort_by_key(|(at, _)| *at);
        lines
            .iter()
            .map(|(at, line)| format!("\n  {at:>9} {line}"))
            .collect()
    }
}
