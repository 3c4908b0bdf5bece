//! Who leads: an election on the lease of a lock.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::lock::error::LockError;
use crate::lock::guard::Guard;
use crate::lock::handle::Lock;
use crate::lock::heartbeat::Loss;
use crate::lock::tier::{Holder, LockTier};
use crate::lock::wait::{AFTER, POLLS};
use crate::shared::Fence;

/// One of the candidates of an election, of which at most one leads at a time.
///
/// It is a lock that is held for as long as its holder lives, and that says who has it. So all that
/// is said of locks holds here, too: a leader that stood still may take itself for one beyond its
/// term until it looks, and what it writes has to carry the term for the store to refuse it.
///
/// ```
/// # tokio_test::block_on(async {
/// use bellwether::lock::{Election, LockError, MemoryLock};
///
/// let seats = MemoryLock::new();
/// let election = Election::new(seats, "scheduler", "node 1");
/// let leadership = election.campaign().await;
/// assert_eq!(election.leader().await?.unwrap().candidate, "node 1");
/// // Leads until the term is lost; then campaigns again.
/// let work = leadership.run(async { leadership.term() }).await?;
/// leadership.resign().await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Election {
    lock: Lock,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// What it calls itself.
    pub candidate: String,
    /// The number of its term: larger than that of every leader before.
    pub term: Fence,
}

impl Election {
    /// The election of this name, and a candidate with this one. A [`Lock`] of the same name is the
    /// same lock.
    #[must_use]
    pub fn new(tier: impl LockTier, name: impl AsRef<[u8]>, candidate: &str) -> Self {
        let mut lock = Lock::new(tier, name)
            .owner(candidate)
            .longest(Duration::MAX);
        lock.announce = true;
        Self { lock }
    }

    /// For how long a leader that crashed is not replaced; see [`Lock::lease`]. Default: 10 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lock = self.lock.lease(lease);
        self
    }

    /// Waits until this candidate leads, however long that takes and whatever becomes of the store.
    ///
    /// # Cancellation
    /// Dropping the future withdraws the candidate. If it was elected in that moment, it resigns in
    /// the background.
    pub async fn campaign(&self) -> Leadership {
        loop {
            // Without a deadline, it ends by the grant.
            if let Ok(guard) = self.lock.wait(None).await {
                return Leadership { guard };
            }
        }
    }

    /// Leads if nobody else does; asks once.
    ///
    /// # Errors
    /// As of [`Lock::try_lock`].
    pub async fn try_campaign(&self) -> Result<Leadership, LockError> {
        let guard = self.lock.try_lock().await?;
        Ok(Leadership { guard })
    }

    /// Who leads now, if anybody.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn leader(&self) -> Result<Option<Leader>, Error> {
        Ok(self.lock.holder().await?.map(Leader::of))
    }

    /// Follows who leads, from now on.
    #[must_use]
    pub fn observe(&self) -> Observer {
        Observer {
            lock: self.lock.clone(),
            seen: Seen::Nothing,
        }
    }
}

impl Leader {
    fn of(holder: Holder) -> Self {
        Self {
            candidate: holder.owner,
            term: holder.fence,
        }
    }
}

/// A term as leader. Dropped, it ends in the background.
#[derive(Debug)]
pub struct Leadership {
    guard: Guard,
}

impl Leadership {
    /// The number of the term: larger than that of every leader before. It is the fencing token of
    /// all that this leader writes.
    #[must_use]
    pub fn term(&self) -> Fence {
        self.guard.fence()
    }

    /// Whether the term is known to have ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guard.is_lost()
    }

    /// Resolves when the term has ended.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static + use<> {
        self.guard.lost()
    }

    /// Runs `work` for as long as the term lasts: see [`Guard::run`].
    ///
    /// # Errors
    /// [`Lost`](LockError::Lost) before the work was done.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, LockError> {
        self.guard.run(work).await
    }

    /// Ends the term, so that another candidate may lead at once.
    ///
    /// # Errors
    /// As of [`Guard::release`].
    pub async fn resign(self) -> Result<(), LockError> {
        self.guard.release().await
    }

    /// The guard of the lock beneath.
    #[must_use]
    pub fn into_guard(self) -> Guard {
        self.guard
    }
}

/// Follows who leads.
#[derive(Debug)]
pub struct Observer {
    lock: Lock,
    seen: Seen,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Leader(Option<Leader>),
    Failure,
}

impl Observer {
    /// The next change: at first what is, at once. `None`: nobody leads. A change that did not last
    /// may be left out.
    ///
    /// Hears of changes by a message of the store, and looks by itself when the lease of the leader
    /// would run out, and every second.
    ///
    /// # Errors
    /// The store did not answer, so who leads is not known; said once, until it answers again.
    ///
    /// # Cancellation
    /// Nothing is lost: what was not returned is returned by the next call.
    pub async fn next(&mut self) -> Result<Option<Leader>, Error> {
        loop {
            // Before the look, so that no change falls in between.
            let changed = self.lock.tier.changed(&self.lock.name);
            let looked = self.lock.holder().await;
            let now = Instant::now();
            let mut again = now + POLLS.1.mul_f64(0.75 + 0.25 * fastrand::f64());
            match looked {
                Ok(holder) => {
                    if let Some(end) = (holder.as_ref()).and_then(|one| now.checked_add(one.left)) {
                        again = again.min(end + AFTER.mul_f64(fastrand::f64()));
                    }
                    let leader = holder.map(Leader::of);
                    let seen = Seen::Leader(leader.clone());
                    if self.seen != seen {
                        self.seen = seen;
                        return Ok(leader);
                    }
                }
                Err(error) => {
                    if self.seen != Seen::Failure {
                        self.seen = Seen::Failure;
                        return Err(error);
                    }
                }
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(again) => {}
            }
        }
    }
}
