//! A store with delays and losses, with a clock of its own, and, if wanted, with something wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::Error;
use bellwether::lock::*;
use tokio::time::sleep;

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A release takes the lock away from whoever has it.
    ReleasesAnyones,
    /// A renewal is said to have been done, and was not.
    RenewsInWords,
    /// A lock that is held is granted all the same.
    GrantsHeld,
    /// All grants bear the same fence.
    SameFence,
    /// A fence that is to be beaten is not noted.
    ForgetsRaise,
}

/// In virtual time. Clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Shaky {
    inner: MemoryLock,
    mutant: Option<Mutant>,
    /// By how much its clock is ahead, in microseconds.
    ahead: u64,
    /// Whether calls and answers get lost.
    lossy: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    holders: HashMap<Name, Token>,
    fences: HashMap<Name, Fence>,
}

impl Shaky {
    pub(crate) fn new(mutant: Option<Mutant>, ahead: u64, lossy: bool) -> Self {
        Self {
            inner: MemoryLock::new(),
            mutant,
            ahead,
            lossy,
            state: Arc::default(),
        }
    }

    /// The way there, or the way back: most are quick.
    async fn travel(&self, within: Duration) -> Result<(), Error> {
        let within = within.min(Duration::from_millis(100));
        if self.lossy && fastrand::u32(..40) == 0 {
            sleep(within).await;
            return Err(Error::unavailable("lost"));
        }
        let slow = fastrand::u32(..20) == 0;
        let most = within.as_micros() as u64 / if slow { 2 } else { 50 };
        sleep(Duration::from_micros(fastrand::u64(..=most))).await;
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, Error> {
        let mut claimed = self.inner.acquire(claim.clone()).await?;
        if self.mutant == Some(Mutant::GrantsHeld) && matches!(claimed, Claimed::Held { .. }) {
            self.take_away(&claim.name, claim.within).await?;
            claimed = self.inner.acquire(claim.clone()).await?;
        }
        let Claimed::Granted { fence, left } = claimed else {
            return Ok(claimed);
        };
        let mut fence = Fence::new(fence.get() + self.ahead);
        let mut state = self.state.lock().unwrap();
        state.holders.insert(claim.name.clone(), claim.token);
        if self.mutant == Some(Mutant::SameFence) {
            fence = *state.fences.entry(claim.name.clone()).or_insert(fence);
        }
        Ok(Claimed::Granted { fence, left })
    }

    async fn take_away(&self, name: &Name, within: Duration) -> Result<bool, Error> {
        let token = self.state.lock().unwrap().holders.get(name).copied();
        let Some(token) = token else { return Ok(false) };
        let name = name.clone();
        self.inner
            .release(Held {
                name,
                token,
                within,
            })
            .await
    }
}

impl LockTier for Shaky {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            self.travel(claim.within).await?;
            let claimed = self.claim(&claim).await;
            self.travel(claim.within).await?;
            claimed
        })
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.travel(held.within).await?;
            let within = held.within;
            let renewed = match self.mutant {
                Some(Mutant::RenewsInWords) => Ok(true),
                _ => self.inner.renew(held, lease).await,
            };
            self.travel(within).await?;
            renewed
        })
    }

    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.travel(held.within).await?;
            let within = held.within;
            // To beat it, its own clock's lead taken off, is to beat it.
            let mut fence = Fence::new(fence.get().saturating_sub(self.ahead));
            if self.mutant == Some(Mutant::ForgetsRaise) {
                fence = Fence::new(0);
            }
            let raised = self.inner.raise(held, fence).await;
            self.travel(within).await?;
            raised
        })
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.travel(held.within).await?;
            if self.mutant == Some(Mutant::ReleasesAnyones) {
                return self.take_away(&held.name, held.within).await;
            }
            self.inner.release(held).await
        })
    }

    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        self.inner.look(name, within)
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        self.inner.changed(name)
    }
}
