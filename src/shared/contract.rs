//! The operations of the shared tier, and what each adapter has to keep.

use std::fmt;
use std::pin::Pin;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;

use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;

/// A boxed future, as the operations of [`SharedTier`] return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Names one attempt at a refresh: 128 random bits, never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// A token that no one else has.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        Self(bytes)
    }

    /// The token with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// What a node asks before it would go to the origin.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The entry.
    pub id: EntryId,
    /// The caller's token. Asking again with the same one is the same question (a retry).
    pub token: Token,
    /// How long a lease is wanted for.
    pub lease: Duration,
    /// The version that the caller holds already; its content is not sent again.
    pub have: Option<Fence>,
    /// Only look: never grant, never wait.
    pub peek: bool,
    /// That it is fresh is not good enough, if it is the version in `have`, or if there is none in
    /// `have` (what is there is corrupt, or to be replaced).
    pub force: bool,
    /// Ignore marks of failure and of uncacheability: the caller has nothing else to serve.
    pub insist: bool,
    /// Most time the call may take; the tier's own limit applies too.
    pub within: Duration,
}

impl Ask {
    /// A look that asks for nothing. The content of version `have` is not sent.
    pub(crate) fn look(id: EntryId, have: Option<Fence>, within: Duration) -> Self {
        Self {
            id,
            token: Token::random(),
            lease: Duration::ZERO,
            have,
            peek: true,
            force: false,
            insist: false,
            within,
        }
    }
}

/// What the tier says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The shared clock in microseconds, at the time of the answer: the scale of fences.
    pub now: u64,
    /// The newest fence issued for this entry.
    pub newest: Option<Fence>,
    /// The fence of the last purge: nothing fetched before it may be used.
    pub purged: Option<Fence>,
    /// The committed entry, if there is one.
    pub view: Option<View>,
    /// What the caller may do.
    pub grant: Grant,
}

/// The committed entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The fence it was committed under.
    pub version: Fence,
    /// The fence that wrote its body.
    pub body_version: Fence,
    /// Milliseconds of freshness left on the shared clock; negative once stale.
    pub fresh_ms: i64,
    /// Its content; `None` exactly if the caller has this version.
    pub content: Option<Content>,
}

/// The bytes of an entry. Opaque to the tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The encoded head.
    pub meta: Bytes,
    /// The body.
    pub body: Bytes,
}

/// What the caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Use the entry: it is fresh.
    Fresh,
    /// The answer to a peek.
    Peeked,
    /// Refresh: the lease is yours until `ttl` has passed, and the commit is judged by `fence`.
    Lease {
        /// The fencing token of this refresh.
        fence: Fence,
        /// Time left of the lease.
        ttl: Duration,
    },
    /// Somebody else refreshes; wait for that fence, at most until the lease runs out.
    Wait {
        /// The fence to wait for.
        fence: Fence,
        /// Time left of the other's lease.
        ttl: Duration,
    },
    /// No lease is given for a while.
    Blocked {
        /// Why.
        kind: BlockKind,
        /// For how much longer.
        left: Duration,
    },
    /// The store is out of memory: fetch, but nothing can be stored.
    NoMemory,
}

/// Why no lease is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// The origin failed: nobody tries until the back-off ends.
    Failing {
        /// Failures in a row, for the next back-off.
        failures: u32,
        /// The status that stands for the failure (502, 504, or the origin's own 5xx).
        status: u16,
        /// The origin could not be reached at all.
        unreachable: bool,
    },
    /// The response cannot be stored: everyone goes to the origin alone.
    Uncacheable,
}

/// Stores the result of a refresh.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The entry.
    pub id: EntryId,
    /// The token that the lease was asked with.
    pub token: Token,
    /// The fence that the lease came with.
    pub fence: Fence,
    /// Freshness left.
    pub fresh: Duration,
    /// Time since the lease was asked for. The fence tells when that was on the shared clock: so
    /// what is held up on its way, or by a store that stands still, is not fresh for longer.
    pub held: Duration,
    /// Time until the entry may go (from now): freshness, stale windows and keep together.
    pub keep: Duration,
    /// The encoded head.
    pub meta: Bytes,
    /// The body; `None` keeps the one that is there (the origin said 304).
    pub body: Option<Bytes>,
    /// Most time the call may take.
    pub within: Duration,
}

/// What became of a commit. All but `Stored` mean: not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Stored (now, or by an earlier send of this same commit).
    Stored {
        /// The fence that wrote the body that the entry now has.
        body_version: Fence,
    },
    /// A larger fence was issued since: a later refresh, or a purge. Use nothing of it.
    Superseded,
    /// There is no evidence left that this refresh was permitted.
    Lost,
    /// The body to keep is gone; send it whole.
    Bodiless,
    /// The store is out of memory. The lease is gone.
    NoMemory,
}

/// Extends a lease.
#[derive(Debug, Clone, Copy)]
pub struct Renew {
    /// The entry.
    pub id: EntryId,
    /// The token that the lease was asked with.
    pub token: Token,
    /// The fence that the lease came with.
    pub fence: Fence,
    /// The new time left.
    pub lease: Duration,
    /// Most time the call may take.
    pub within: Duration,
}

/// Gives a lease back without a commit.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// The entry.
    pub id: EntryId,
    /// The token that the lease was asked with.
    pub token: Token,
    /// A mark for the others, and how long it lasts.
    pub block: Option<(BlockKind, Duration)>,
    /// Most time the call may take.
    pub within: Duration,
}

/// How much a purge takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeKind {
    /// The entry is gone.
    Hard,
    /// The entry is stale from now on.
    Soft,
}

/// Something that happened on any node. Events are hints: each may be lost, late or doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierEvent {
    /// A refresh that others were told to wait for was committed.
    Committed {
        /// The entry.
        id: EntryId,
        /// Its new version.
        fence: Fence,
    },
    /// A lease that others were told to wait for was given back.
    Released {
        /// The entry.
        id: EntryId,
        /// The fence that was given up.
        fence: Fence,
    },
    /// The entry was purged.
    Purged {
        /// The entry.
        id: EntryId,
        /// Whatever was fetched under a smaller fence is not to be used.
        fence: Fence,
        /// How much of it went.
        kind: PurgeKind,
    },
    /// Everything was purged.
    PurgedAll {
        /// Whatever was fetched under a smaller fence is not to be used.
        fence: Fence,
    },
    /// The subscription is alive: no event up to now is outstanding.
    Alive,
    /// The subscription broke: events are being missed.
    Lost,
    /// The subscription is back (or was late): anything may have been missed before now.
    Resumed,
}

/// Hears events. Called from the tier's own tasks: it must not block.
pub trait Listener: Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: TierEvent);
}

/// What the nodes of a fleet share.
///
/// # Contract
/// - Every operation is atomic for its entry, and idempotent for one token: a call that was cut
///   off may be sent again.
/// - Fences of an entry strictly rise, over expiry, loss and restart of the store.
/// - At most one unexpired lease exists for an entry. It is granted only if the entry is not fresh
///   (or `force`), nobody holds it, and no mark forbids it (or `insist`).
/// - A commit is stored only on evidence: its fence is the newest one issued, or, where the entry
///   was lost, its lease is still there. What was committed under a smaller fence never replaces
///   what was committed under a larger one.
/// - After a purge with fence `p`, no commit with a fence below `p` is stored, and no view older
///   than `p` is returned (a soft purge keeps the view, stale).
/// - After a purge of everything with fence `p` that holds for each entry, and the fences of all
///   entries are larger than `p` from then on. A node that has not heard of it yet may go on for a
///   bounded time (the adapter says for how long) with what was there before; what it stores
///   meanwhile is seen by no node that has.
/// - A release acts only on the token's own lease. Nothing is kept for ever: all state expires.
/// - Bytes are returned as they were committed; what they mean is the caller's business, and the
///   caller does not trust them.
///
/// # Errors
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): the answer did not come within
/// `within`, or the tier is known to be out of reach, which costs no time. The operation may have
/// happened all the same.
///
/// # Cancellation
/// Dropping a future is like an error: the operation may have happened. A lease that was granted
/// to nobody ends by itself.
pub trait SharedTier: Send + Sync + fmt::Debug + 'static {
    /// Looks the entry up and, if it is not fresh, asks for the lease. One round trip when the
    /// content is already at hand.
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>>;

    /// Stores the result of a refresh, ends the lease and tells those who wait.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>>;

    /// Extends the lease. `false`: it is no longer yours.
    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>>;

    /// Gives the lease back and tells those who wait. `false`: it was no longer yours.
    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>>;

    /// Takes the entry away, and the right to commit from every refresh under way.
    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>>;

    /// Takes all entries away, and the right to commit from every refresh under way.
    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>>;

    /// From now on `listener` hears the events of every node, this one included, until it is gone.
    fn subscribe(&self, listener: Weak<dyn Listener>);
}
