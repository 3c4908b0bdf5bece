//! What happened, noted as it happens, to be judged afterwards. All nodes are in one process, so
//! all of it is on one clock.

use std::sync::{Arc, Mutex, PoisonError};

use bellwether::shared::{Committed, EntryId, Grant, PurgeKind, TierEvent, Token};
use tokio::time::Instant;

use crate::schedule::Blow;

/// Microseconds since the run began.
pub(crate) type At = u64;
/// One node, from its start to its end; a node that was started again has another one.
pub(crate) type Life = usize;
/// One request to the origin. They rise in the order in which the fetches began.
pub(crate) type FetchId = usize;

/// How the origin answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Not yet, or the node went away.
    None,
    Storable,
    /// 304.
    Confirmed,
    Uncacheable,
    Failed,
}

/// One request to the origin.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) life: Life,
    pub(crate) key: usize,
    pub(crate) lang: u8,
    pub(crate) start: At,
    pub(crate) head: Option<At>,
    /// When all of it had gone out, or the node let go of it.
    pub(crate) end: Option<At>,
    pub(crate) reply: Reply,
    /// All of the body went out.
    pub(crate) whole: bool,
}

/// How a client got its answer: the words of `Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Hit,
    Shared,
    Stale,
    StaleOnError,
    Leader,
    Follower,
    RemoteFollower,
    /// From the origin, for this client alone.
    Own,
    /// An answer of the cache's own: 502, 504.
    Failed,
    /// The inner service's own error.
    Error,
    /// No answer before the patience of the test was over.
    Hung,
}

impl How {
    /// True if it came out of what is stored, here or in the shared tier.
    pub(crate) const fn is_stored(self) -> bool {
        matches!(
            self,
            Self::Hit | Self::Shared | Self::Stale | Self::StaleOnError | Self::RemoteFollower
        )
    }
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Whole,
    /// It broke off, and the client could tell.
    Broken,
    /// It is not what the origin made for this request and this fetch.
    Wrong,
}

/// What a client got.
#[derive(Debug, Clone)]
pub(crate) struct Serve {
    pub(crate) life: Life,
    pub(crate) key: usize,
    pub(crate) lang: u8,
    pub(crate) asked: At,
    /// When the body had ended.
    pub(crate) answered: At,
    pub(crate) how: How,
    pub(crate) status: u16,
    /// The fetch that brought or last confirmed it.
    pub(crate) fetch: Option<FetchId>,
    pub(crate) body: BodyEnd,
}

/// One call of `Cache::purge`.
#[derive(Debug, Clone)]
pub(crate) struct Purge {
    pub(crate) life: Life,
    pub(crate) key: usize,
    pub(crate) kind: PurgeKind,
    pub(crate) began: At,
    pub(crate) done: Option<At>,
    pub(crate) confirmed: bool,
}

/// One call of `Cache::purge_all`.
#[derive(Debug, Clone)]
pub(crate) struct PurgeAll {
    pub(crate) life: Life,
    pub(crate) began: At,
    pub(crate) done: Option<At>,
    /// What the tier confirmed it with.
    pub(crate) fence: Option<u64>,
}

/// A node went over to another era of the tier: its calls are about what was stored since that
/// purge of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Era {
    pub(crate) life: Life,
    /// Not after its first call in it.
    pub(crate) at: At,
    pub(crate) era: u64,
}

/// One call of a node to the shared tier. What has no answer failed, or was dropped.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) life: Life,
    pub(crate) id: EntryId,
    pub(crate) sent: At,
    /// When it was over, however it ended.
    pub(crate) over: Option<At>,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Acquire {
        token: Token,
        seen: Option<Seen>,
    },
    Commit {
        token: Token,
        fence: u64,
        fetch: Option<FetchId>,
        verdict: Option<Committed>,
    },
    Renew {
        kept: Option<bool>,
    },
    Release {
        token: Token,
        given: Option<bool>,
    },
    Purge {
        fence: Option<u64>,
    },
}

/// What an acquire said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) grant: Grant,
    pub(crate) version: Option<u64>,
}

impl Call {
    pub(crate) fn failed(&self) -> bool {
        match self.deed {
            Deed::Acquire { seen, .. } => seen.is_none(),
            Deed::Commit { verdict, .. } => verdict.is_none(),
            Deed::Renew { kept, .. } => kept.is_none(),
            Deed::Release { given, .. } => given.is_none(),
            Deed::Purge { fence } => fence.is_none(),
        }
    }
}

/// An event that a node was told; noted when it had been.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) life: Life,
    pub(crate) at: At,
    pub(crate) event: TierEvent,
}

/// One blow of the schedule, as it fell.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    pub(crate) blow: Blow,
    pub(crate) from: At,
    pub(crate) until: At,
}

/// A look at one key of Redis.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: At,
    pub(crate) name: String,
    /// Milliseconds; -1: for ever, -2: gone.
    pub(crate) ttl: i64,
    /// `f` and `v` of an entry.
    pub(crate) fences: (Option<u64>, Option<u64>),
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Notes {
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) serves: Vec<Serve>,
    pub(crate) purges: Vec<Purge>,
    pub(crate) purges_of_all: Vec<PurgeAll>,
    pub(crate) eras: Vec<Era>,
    pub(crate) calls: Vec<Call>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) struck: Vec<Struck>,
    pub(crate) samples: Vec<Sample>,
    /// When this machine did not run us although it should have.
    pub(crate) stalls: Vec<(At, At)>,
    /// Where each life is, and since when.
    pub(crate) lives: Vec<(usize, At)>,
}

/// The notebook of one round.
#[derive(Debug)]
pub(crate) struct History {
    began: Instant,
    notes: Mutex<Notes>,
}

impl History {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            notes: Mutex::new(Notes::default()),
        })
    }

    pub(crate) fn now(&self) -> At {
        u64::try_from(self.began.elapsed().as_micros()).expect("a run is short")
    }

    /// Writes under the lock, at a time that was read under it too: the order of the notes is that
    /// of the times.
    pub(crate) fn note<T>(&self, write: impl FnOnce(&mut Notes, At) -> T) -> T {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        write(&mut notes, now)
    }

    /// All of it, for judgement.
    pub(crate) fn close(&self) -> Notes {
        self.note(|notes, _| std::mem::take(notes))
    }
}
