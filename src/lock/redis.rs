//! Locks in Redis.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::Error;
use crate::lock::ears::Ears;
use crate::lock::handle::Lock;
use crate::lock::name::Name;
use crate::lock::tier::{Claim, Claimed, Held, Holder, LockTier};
use crate::shared::{
    BoxFuture, Fence, Listener, LockClaim, LockClaimed, LockHeld, RedisTier, TierEvent,
};

/// Locks in Redis (6.0 or later) or Valkey: one server, Sentinel or Cluster, as the URL says; see
/// [`docs::redis`](crate::docs::redis) for all its forms and the rights that its user needs.
///
/// Clones share the connections, and so do all locks of one value. No call takes longer than the
/// timeout (100 ms by default); while the server is known to be out of reach, calls fail at once.
///
/// What a lock is in the store: a lease `SET … NX PX` with a token of 128 random bits, and beside it
/// the last fence, both named by a digest of the lock's [name](Name). Only the holder of the token
/// renews or deletes it, compared and done in one step of a script. In the same step as the grant
/// the fence is minted: the larger of the server's clock (in microseconds) and the last fence plus
/// one. So fences go on rising when a lease ran out, and, by the clock, when the server was emptied
/// or started again without its data. They may fall only if all of this comes together: the last
/// fence is lost (a flush, a restart, a failover before it was copied), and the clock of the server
/// that mints the next one is behind that of the one before, by more than the time in between.
#[derive(Clone)]
pub struct RedisLock {
    tier: RedisTier,
    ear: Arc<Ear>,
}

/// Hears the events of the store.
struct Ear(Ears);

impl Listener for Ear {
    fn event(&self, event: TierEvent) {
        match event {
            TierEvent::Released { id, .. } => self.0.tell(id),
            // Releases may have been missed.
            TierEvent::Resumed => self.0.tell_all(),
            _ => {}
        }
    }
}

impl RedisLock {
    /// Connects with all defaults: namespace `default`, 100 ms a call.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the URL is malformed. A server that cannot
    /// be reached is no error here: see [`RedisTierBuilder::connect`](crate::RedisTierBuilder::connect).
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self::new(RedisTier::connect(url).await?))
    }

    /// Uses these connections, with their namespace and timeout. Locks and a cache may share them.
    #[must_use]
    pub fn new(tier: RedisTier) -> Self {
        let ear = Arc::new(Ear(Ears::default()));
        let listener: Weak<dyn Listener> = Arc::<Ear>::downgrade(&ear);
        tier.lock_listen(listener);
        Self { tier, ear }
    }

    /// A lock of this name, with all defaults.
    #[must_use]
    pub fn named(&self, name: impl AsRef<[u8]>) -> Lock {
        Lock::new(self.clone(), name)
    }

    /// Whether calls go to the server now; if not, they fail at once.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.tier.is_up()
    }
}

impl fmt::Debug for RedisLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisLock").field(&self.tier).finish()
    }
}

fn held(held: &Held) -> LockHeld {
    LockHeld {
        id: held.name.id(),
        token: held.token,
        within: held.within,
    }
}

impl LockTier for RedisLock {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            let claim = LockClaim {
                id: claim.name.id(),
                token: claim.token,
                lease: claim.lease,
                name: claim.name.text(),
                owner: &claim.owner,
                waits: claim.waits,
                announce: claim.announce,
                within: claim.within,
            };
            Ok(match self.tier.lock_claim(claim).await? {
                LockClaimed::Granted { fence, left } => Claimed::Granted { fence, left },
                LockClaimed::Held { left } => Claimed::Held { left },
            })
        })
    }

    fn renew(&self, lease_of: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { self.tier.lock_extend(held(&lease_of), lease).await })
    }

    fn raise(&self, lease_of: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { self.tier.lock_raise(held(&lease_of), fence).await })
    }

    fn release(&self, lease_of: Held) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { self.tier.lock_release(held(&lease_of)).await })
    }

    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        Box::pin(async move {
            let holder = self.tier.lock_look(name.id(), within).await?;
            Ok(holder.map(|(fence, left, owner)| Holder { fence, left, owner }))
        })
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        self.ear.0.changed(name.id())
    }
}
