//! A lock that so many may have at a time.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::lock::error::LockError;
use crate::lock::guard::Guard;
use crate::lock::handle::{Asked, Lock};
use crate::lock::tier::LockTier;
use crate::lock::wait::{AFTER, LEAST, POLLS};

/// Of a fleet, so many at a time: as many locks as there are permits, any one of which will do.
///
/// Each permit is renewed, fenced and lost as a [`Lock`] is, by itself: fences are comparable within
/// one [number](Permit::number) only. Asking costs a round trip for every permit that is taken, so
/// this is for few permits.
///
/// ```
/// # tokio_test::block_on(async {
/// use bellwether::lock::{LockError, MemoryLock, Semaphore};
///
/// let imports = Semaphore::new(MemoryLock::new(), "imports", 2);
/// let (one, two) = (imports.try_acquire().await?, imports.try_acquire().await?);
/// assert!(imports.try_acquire().await.is_err_and(|error| error.is_held()));
/// # Ok::<_, LockError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Semaphore {
    locks: Vec<Lock>,
    /// Those of this process who wait, in line.
    line: Arc<tokio::sync::Mutex<()>>,
}

/// One of the permits of a [`Semaphore`]. Dropped, it is given back in the background.
#[derive(Debug)]
pub struct Permit {
    number: usize,
    guard: Guard,
}

impl Permit {
    /// Which of the permits it is, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The guard of its lock, for all that can be done with one.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The guard, to be given back by itself.
    #[must_use]
    pub fn into_guard(self) -> Guard {
        self.guard
    }
}

impl Semaphore {
    /// The semaphore of this name, with 1 to 64 permits: what is outside of that is cut to it. All
    /// who use a name have to agree on the number.
    #[must_use]
    pub fn new(tier: impl LockTier, name: impl AsRef<[u8]>, permits: usize) -> Self {
        let tier: Arc<dyn LockTier> = Arc::new(tier);
        let lock = |number: usize| {
            let mut name = name.as_ref().to_vec();
            name.extend_from_slice(format!("\0#{number}").as_bytes());
            Lock::new(Arc::clone(&tier), name)
        };
        Self {
            locks: (0..permits.clamp(1, 64)).map(lock).collect(),
            line: Arc::default(),
        }
    }

    /// Settings of the locks: see [`Lock`]. Default: those of a lock.
    #[must_use]
    pub fn with(mut self, settings: impl Fn(Lock) -> Lock) -> Self {
        self.locks = self.locks.into_iter().map(settings).collect();
        self
    }

    /// Takes a permit if there is one. Asks once for each that is taken.
    ///
    /// # Errors
    /// [`Held`](LockError::Held): all are taken, and for how long the first of them is if it is not
    /// renewed. [`Unavailable`](LockError::Unavailable): the store did not answer.
    ///
    /// # Cancellation
    /// As [`Lock::try_lock`].
    pub async fn try_acquire(&self) -> Result<Permit, LockError> {
        self.ask(false, None).await
    }

    /// Takes a permit, waiting for at most `within` until there is one. Told of releases, and in
    /// line within this process, as [`Lock::lock`].
    ///
    /// # Errors
    /// As of [`Lock::lock`].
    ///
    /// # Cancellation
    /// As [`Lock::lock`].
    pub async fn acquire(&self, within: Duration) -> Result<Permit, LockError> {
        let now = Instant::now();
        let until = now
            .checked_add(within)
            .unwrap_or_else(|| now + crate::lock::handle::LEASES.1);
        let Ok(_first) = timeout_at(until, self.line.lock()).await else {
            return Err(LockError::TimedOut);
        };
        let mut poll = POLLS.0;
        loop {
            let mut told: Vec<_> =
                (self.locks.iter().map(|lock| lock.tier.changed(&lock.name))).collect();
            let error = match self.ask(true, Some(until)).await {
                Ok(permit) => return Ok(permit),
                Err(error) => error,
            };
            let now = Instant::now();
            if now >= until {
                return Err(match error {
                    LockError::Held { .. } => LockError::TimedOut,
                    error => error,
                });
            }
            let mut next = now + poll.mul_f64(0.75 + 0.5 * fastrand::f64());
            if let LockError::Held { left } = error {
                next = next.min(now + left + AFTER.mul_f64(fastrand::f64()));
            }
            poll = (poll * 2).min(POLLS.1);
            let changed = poll_fn(|cx| {
                let any = told.iter_mut().any(|one| one.as_mut().poll(cx).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            });
            tokio::select! {
                () = changed => {}
                () = sleep_until(next.min(until)) => {}
            }
        }
    }

    /// Asks for one after the other, from a random one on.
    async fn ask(&self, waits: bool, until: Option<Instant>) -> Result<Permit, LockError> {
        let all = self.locks.len();
        let first = fastrand::usize(..all);
        let mut soonest = Duration::MAX;
        for number in (0..all).map(|step| (first + step) % all) {
            let within = until.map_or(Duration::MAX, |until| until - Instant::now());
            if within < LEAST {
                break;
            }
            match self.locks[number].ask(waits, within).await? {
                Asked::Granted(guard) => return Ok(Permit { number, guard }),
                Asked::Held(left) => soonest = soonest.min(left),
            }
        }
        Err(LockError::Held { left: soonest })
    }
}
