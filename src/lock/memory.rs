//! Locks in this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::key::EntryId;
use crate::lock::ears::Ears;
use crate::lock::name::Name;
use crate::lock::tier::{Claim, Claimed, Held, Holder, LockTier};
use crate::shared::{BoxFuture, Fence, Token};
use crate::sync::Mutex;

/// How long the last fence of a lock is remembered. After that, the clock keeps fences rising.
const GRACE: Duration = Duration::from_secs(600);
/// No lease is longer.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Locks in this process: for programs that are but one process, and for tests.
///
/// Clones share one state. Leases run on tokio's clock, so a paused runtime pauses them. Fences
/// start from the wall clock, so they go on rising when the program is started again, unless that
/// clock was set back in between. It is never out of reach, and what expired is dropped in passing.
#[derive(Debug, Clone)]
pub struct MemoryLock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    ears: Ears,
    /// The wall clock in microseconds, at this moment of the monotonic one.
    born: (u64, Instant),
}

#[derive(Debug, Default)]
struct State {
    locks: HashMap<EntryId, One>,
    /// The number of locks at which those that expired are dropped.
    full: usize,
}

#[derive(Debug)]
struct One {
    lease: Option<Lease>,
    newest: u64,
    /// The fence is remembered until then.
    until: Instant,
}

#[derive(Debug)]
struct Lease {
    token: Token,
    fence: u64,
    ends: Instant,
    owner: Arc<str>,
}

impl MemoryLock {
    /// A store without any lock.
    #[must_use]
    pub fn new() -> Self {
        let wall = SystemClock.wall().duration_since(UNIX_EPOCH);
        // A clock before 1970 counts as 1970.
        let wall = wall.map_or(0, |since| since.as_micros());
        Self(Arc::new(Inner {
            state: Mutex::default(),
            ears: Ears::default(),
            born: (u64::try_from(wall).unwrap_or(0), Instant::now()),
        }))
    }

    /// A lock of this name, with all defaults.
    #[must_use]
    pub fn named(&self, name: impl AsRef<[u8]>) -> super::Lock {
        super::Lock::new(self.clone(), name)
    }

    /// Loses all locks and fences, as a store that was emptied would. For tests.
    #[doc(hidden)]
    pub fn forget_all(&self) {
        self.0.state.lock().locks.clear();
    }

    /// One atomic step on a lock.
    fn step<T>(&self, name: &Name, act: impl FnOnce(&mut One, Instant) -> T) -> T {
        let now = Instant::now();
        let mut state = self.0.state.lock();
        if state.locks.len() >= state.full {
            state.locks.retain(|_, one| one.until > now);
            state.full = 2 * state.locks.len() + 64;
        }
        let one = state.locks.entry(name.id()).or_insert_with(|| One {
            lease: None,
            newest: 0,
            until: now,
        });
        if one.until <= now {
            one.newest = 0;
        }
        one.lease.take_if(|lease| lease.ends <= now);
        act(one, now)
    }

    /// Acts on a lease if it is the token's own.
    fn if_held(&self, held: &Held, act: impl FnOnce(&mut One, Instant)) -> bool {
        self.step(&held.name, |one, now| {
            let ours = one.lease.as_ref().is_some_and(|l| l.token == held.token);
            if ours {
                act(one, now);
            }
            ours
        })
    }

    fn take(&self, claim: &Claim) -> Claimed {
        let (wall, born) = self.0.born;
        self.step(&claim.name, |one, now| {
            let since = u64::try_from(now.duration_since(born).as_micros()).unwrap_or(0);
            if let Some(lease) = &one.lease {
                let left = lease.ends - now;
                if lease.token != claim.token {
                    return Claimed::Held { left };
                }
                let fence = Fence::new(lease.fence);
                return Claimed::Granted { fence, left };
            }
            let fence = (wall.saturating_add(since)).max(one.newest + 1);
            one.newest = fence;
            one.lease = Some(Lease {
                token: claim.token,
                fence,
                ends: after(now, claim.lease),
                owner: Arc::clone(&claim.owner),
            });
            one.until = after(now, claim.lease.max(GRACE));
            Claimed::Granted {
                fence: Fence::new(fence),
                left: claim.lease,
            }
        })
    }
}

/// At most ten years from now: what is longer is as good as for ever.
fn after(now: Instant, lease: Duration) -> Instant {
    now + lease.min(LONGEST)
}

impl Default for MemoryLock {
    fn default() -> Self {
        Self::new()
    }
}

impl LockTier for MemoryLock {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            let claimed = self.take(&claim);
            if claim.announce && matches!(claimed, Claimed::Granted { .. }) {
                self.0.ears.tell(claim.name.id());
            }
            Ok(claimed)
        })
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            Ok(self.if_held(&held, |one, now| {
                if let Some(own) = &mut one.lease {
                    own.ends = own.ends.max(after(now, lease));
                }
                one.until = one.until.max(after(now, lease.max(GRACE)));
            }))
        })
    }

    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            Ok(self.if_held(&held, |one, _| one.newest = one.newest.max(fence.get())))
        })
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let ours = self.if_held(&held, |one, _| one.lease = None);
            if ours {
                self.0.ears.tell(held.name.id());
            }
            Ok(ours)
        })
    }

    fn look(&self, name: Name, _within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        Box::pin(async move {
            Ok(self.step(&name, |one, now| {
                one.lease.as_ref().map(|lease| Holder {
                    fence: Fence::new(one.newest.max(lease.fence)),
                    left: lease.ends - now,
                    owner: lease.owner.as_ref().to_owned(),
                })
            }))
        })
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        self.0.ears.changed(name.id())
    }
}
