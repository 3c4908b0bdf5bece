//! A lock that is held.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::lock::error::LockError;
use crate::lock::handle::{CALL, LEASES, valid};
use crate::lock::heartbeat::{Heartbeat, Loss, Timing, Watch};
use crate::lock::name::Name;
use crate::lock::tier::{Held, LockTier};
use crate::shared::{Fence, Token};

/// A lock that is held. A task renews it at a third of its lease, until the guard is dropped or the
/// lock is lost; see the [module](super) for what can and cannot be known of that.
///
/// Dropped, it gives the lock back in the background, without blocking; [`release`](Self::release)
/// waits until it is done and says whether the lock was held to the end. When the runtime is shut
/// down meanwhile, the lock ends with its lease.
pub struct Guard {
    tier: Arc<dyn LockTier>,
    held: Held,
    fence: Fence,
    watch: Watch,
    beat: Option<JoinHandle<()>>,
    runtime: Handle,
    settled: bool,
}

impl Guard {
    #[expect(
        clippy::too_many_arguments,
        reason = "all of what makes one up, in one place"
    )]
    pub(super) fn new(
        tier: Arc<dyn LockTier>,
        name: Name,
        token: Token,
        fence: Fence,
        asked: Instant,
        left: Duration,
        timing: Timing,
        renewed: Option<Duration>,
    ) -> Self {
        let held = Held {
            name,
            token,
            within: CALL,
        };
        let heartbeat = Heartbeat::new(asked, left, timing);
        let watch = heartbeat.watch().clone();
        let runtime = Handle::current();
        let beat = renewed.map(|lease| {
            let (tier, mut held) = (Arc::clone(&tier), held.clone());
            // So that there is time for more than one within a lease.
            held.within = CALL.min(lease / 4);
            runtime.spawn(async move {
                heartbeat.beat(|| tier.renew(held.clone(), lease)).await;
            })
        });
        Self {
            tier,
            held,
            fence,
            watch,
            beat,
            runtime,
            settled: false,
        }
    }

    /// The fencing token: larger than that of every earlier holder. Store it with what you write
    /// under the lock, and refuse what comes with a smaller one; see the [module](super).
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// The name of the lock.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.held.name
    }

    /// Why it is lost, if it is known to be. `None` is no promise: it is what was known last.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        self.watch.loss()
    }

    /// Whether it is known to be lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.loss().is_some()
    }

    /// For how much longer it is surely held, by the clock of this process, if no renewal comes.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.watch.left()
    }

    /// Resolves when the lock is lost, or given back. Not bound to the guard.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static + use<> {
        self.watch.clone().lost()
    }

    /// Runs `work` as long as the lock is held. When it is lost, `work` is dropped where it stands:
    /// it is not polled again. (What it has begun elsewhere goes on: a task it spawned, a query that
    /// it has sent.)
    ///
    /// # Errors
    /// [`Lost`](LockError::Lost) before the work was done.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, LockError> {
        let mut work = pin!(work);
        let mut lost = pin!(self.lost());
        // The loss comes first. Whoever wakes up from a pause must not take another step before it
        // has looked at the clock; and work that is done has returned already.
        tokio::select! {
            biased;
            loss = &mut lost => Err(LockError::Lost(loss)),
            output = &mut work => Ok(output),
        }
    }

    /// Has the lock last for `lease` (a day at most) from now at least, in one call; it is never cut
    /// short by this. Also a way to ask whether it is still there, before a step that matters.
    ///
    /// # Errors
    /// [`Lost`](LockError::Lost), or [`Unavailable`](LockError::Unavailable) if the store did not
    /// answer.
    pub async fn extend(&self, lease: Duration) -> Result<(), LockError> {
        if let Some(loss) = self.loss() {
            return Err(LockError::Lost(loss));
        }
        let lease = lease.min(LEASES.1);
        let sent = Instant::now();
        if self.tier.renew(self.held.clone(), lease).await? {
            self.watch.confirm(sent, valid(lease));
        } else {
            self.watch.lose(Loss::Refused);
        }
        // Lost in any case if the answer took too long.
        self.loss()
            .map_or(Ok(()), |loss| Err(LockError::Lost(loss)))
    }

    /// Gives the lock back, and waits until that is done.
    ///
    /// # Errors
    /// [`Lost`](LockError::Lost): it was not ours any more, so what was done last may have been done
    /// beside another holder. [`Unavailable`](LockError::Unavailable): no answer; it is given back
    /// when the store can be reached, or ends with its lease.
    ///
    /// # Cancellation
    /// Dropping the future gives the lock back in the background.
    pub async fn release(mut self) -> Result<(), LockError> {
        let loss = self.end();
        let released = self.tier.release(self.held.clone()).await;
        self.settled = true;
        match (released?, loss) {
            (_, Some(loss)) => Err(LockError::Lost(loss)),
            (false, None) => Err(LockError::Lost(Loss::Refused)),
            (true, None) => Ok(()),
        }
    }

    /// Ends the heartbeat, and says whether the lock was lost before.
    fn end(&mut self) -> Option<Loss> {
        if let Some(beat) = self.beat.take() {
            beat.abort();
        }
        let loss = self.watch.loss().filter(|loss| *loss != Loss::Released);
        self.watch.lose(Loss::Released);
        loss
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
        if !self.settled {
            // A drop cannot wait, so a task does. Also if the lock is lost: the store may not know.
            let (tier, held) = (Arc::clone(&self.tier), self.held.clone());
            self.runtime.spawn(async move {
                // Unanswered, it ends by itself.
                let _ = tier.release(held).await;
            });
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("name", &self.held.name)
            .field("fence", &self.fence)
            .field("loss", &self.loss())
            .finish_non_exhaustive()
    }
}
