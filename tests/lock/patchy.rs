//! A store that does not always answer, in virtual time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::Error;
use bellwether::lock::*;
use tokio::time::sleep;

#[derive(Debug, Clone, Default)]
pub(crate) struct Patchy {
    inner: MemoryLock,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    silent: AtomicBool,
    late: AtomicBool,
    renewals: AtomicUsize,
    claims: AtomicUsize,
    /// The shortest time that a renewal was given, and the longest.
    given: Mutex<Option<(Duration, Duration)>>,
}

impl Patchy {
    /// From now on, it neither hears nor answers, or does so again.
    pub(crate) fn silent(&self, silent: bool) {
        self.state.silent.store(silent, SeqCst);
    }

    /// From now on, it does what it is told, and its answers take a minute.
    pub(crate) fn late(&self) {
        self.state.late.store(true, SeqCst);
    }

    pub(crate) fn renewals(&self) -> usize {
        self.state.renewals.load(SeqCst)
    }

    pub(crate) fn claims(&self) -> usize {
        self.state.claims.load(SeqCst)
    }

    /// The shortest time that any renewal was given for its answer, and the longest.
    pub(crate) fn given(&self) -> (Duration, Duration) {
        self.state.given.lock().unwrap().expect("a renewal")
    }

    pub(crate) fn forget_all(&self) {
        self.inner.forget_all();
    }

    async fn hear(&self, within: Duration) -> Result<(), Error> {
        if self.state.silent.load(SeqCst) {
            sleep(within).await;
            return Err(Error::unavailable("silent"));
        }
        Ok(())
    }

    async fn answer<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if self.state.late.load(SeqCst) {
            sleep(Duration::from_secs(60)).await;
        }
        answer
    }
}

impl LockTier for Patchy {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            self.state.claims.fetch_add(1, SeqCst);
            self.hear(claim.within).await?;
            self.answer(self.inner.acquire(claim).await).await
        })
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.state.renewals.fetch_add(1, SeqCst);
            {
                let mut given = self.state.given.lock().unwrap();
                let (least, most) = given.unwrap_or((held.within, held.within));
                *given = Some((least.min(held.within), most.max(held.within)));
            }
            self.hear(held.within).await?;
            self.answer(self.inner.renew(held, lease).await).await
        })
    }

    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.hear(held.within).await?;
            self.inner.raise(held, fence).await
        })
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.hear(held.within).await?;
            self.inner.release(held).await
        })
    }

    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        Box::pin(async move {
            self.hear(within).await?;
            self.inner.look(name, within).await
        })
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        self.inner.changed(name)
    }
}
