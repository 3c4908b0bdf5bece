//! Where locks are kept: the operations, and what each kind of store has to keep.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::lock::name::Name;
use crate::shared::{BoxFuture, Fence, Token};

/// Asks for a lock.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The lock.
    pub name: Name,
    /// The caller's token, of this attempt alone. Asking again with the same one is the same
    /// question.
    pub token: Token,
    /// How long a lease is wanted for.
    pub lease: Duration,
    /// Who asks: shown to whoever looks. May be empty.
    pub owner: Arc<str>,
    /// The caller will wait if somebody else has it, and wants to hear of its release.
    pub waits: bool,
    /// Whoever looks at this lock wants to hear of the grant as well.
    pub announce: bool,
    /// Most time the call may take; the tier's own limit applies too.
    pub within: Duration,
}

/// What the tier says to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is yours until `left` has passed, counted from before the call.
    Granted {
        /// The fencing token.
        fence: Fence,
        /// Time left of the lease.
        left: Duration,
    },
    /// Somebody else has it.
    Held {
        /// Time left of the other's lease, if that is not renewed.
        left: Duration,
    },
}

/// Names a lease that was granted: by its token.
#[derive(Debug, Clone)]
pub struct Held {
    /// The lock.
    pub name: Name,
    /// The token that it was claimed with.
    pub token: Token,
    /// Most time the call may take; the tier's own limit applies too.
    pub within: Duration,
}

/// Who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The fencing token it was granted with.
    pub fence: Fence,
    /// Time left of the lease, if it is not renewed.
    pub left: Duration,
    /// What the holder said it is.
    pub owner: String,
}

/// Where locks are kept: `RedisLock`, [`Redlock`](super::Redlock) or
/// [`MemoryLock`](super::MemoryLock). These are the operations of the protocol; what you hold a lock
/// with is a [`Lock`](super::Lock).
///
/// # Contract
/// - Every operation is atomic for its lock, and idempotent for one token: a call that was cut off
///   may be sent again.
/// - At most one unexpired lease exists for a name, as long as the store keeps what it has and its
///   clock does not jump. A `Redlock` keeps this where fewer than half of its servers do not.
/// - The fences of a name strictly rise in the order of the grants, over expiry, loss and restart of
///   the store.
/// - Renewal, raise and release act only on the token's own lease. A renewal never shortens it.
/// - Nothing is kept for ever: all state expires.
///
/// # Errors
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): the answer did not come within
/// `within`, or the tier is known to be out of reach, which costs no time. The operation may have
/// happened all the same.
///
/// # Cancellation
/// Dropping a future is like an error: the operation may have happened. A lease that was granted to
/// nobody is given back as soon as the tier can, and ends by itself at the latest.
pub trait LockTier: Send + Sync + fmt::Debug + 'static {
    /// Asks for the lock. One round trip (two for a `Redlock`).
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>>;

    /// Has the lease last for `lease` from now at least. `false`: it is no longer yours.
    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>>;

    /// Has all later fences be larger than this one. `false`: the lease is no longer yours, so
    /// nothing was done.
    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>>;

    /// Gives the lease back and tells those who wait. `false`: it was no longer yours.
    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>>;

    /// Who has it now; whoever looks hears of its end.
    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>>;

    /// Resolves when something may have happened to the lock since this was called (not since it
    /// was first polled). A hint: it may be lost or late, so callers look by themselves, too.
    fn changed(&self, name: &Name) -> BoxFuture<'static, ()>;
}

impl<T: LockTier + ?Sized> LockTier for Arc<T> {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        (**self).acquire(claim)
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        (**self).renew(held, lease)
    }

    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        (**self).raise(held, fence)
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        (**self).release(held)
    }

    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        (**self).look(name, within)
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        (**self).changed(name)
    }
}
