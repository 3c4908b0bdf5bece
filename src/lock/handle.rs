//! A lock by its name: how it is asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::lock::error::LockError;
use crate::lock::guard::Guard;
use crate::lock::heartbeat::Timing;
use crate::lock::name::Name;
use crate::lock::tier::{Claim, Claimed, Holder, LockTier};
use crate::shared::Token;

/// The shortest lease, and the longest.
pub(super) const LEASES: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(86_400));
/// Most time for one call, for tiers that have no shorter limit of their own.
pub(super) const CALL: Duration = Duration::from_secs(1);
/// How soon after an unanswered renewal the next one is sent.
const AGAIN: Duration = Duration::from_millis(100);

/// A lock by its name.
///
/// Clones are the same lock with the same settings, and those who [`lock`](Self::lock) it by clones
/// of one value stand in one line.
///
/// ```
/// # tokio_test::block_on(async {
/// use bellwether::lock::{Lock, LockError, MemoryLock};
/// use std::time::Duration;
///
/// let locks = MemoryLock::new(); // or RedisLock::connect("redis://…").await?
/// let seat = Lock::new(locks, "seat 12A");
/// let guard = seat.lock(Duration::from_secs(2)).await?;
/// assert!(seat.try_lock().await.is_err_and(|error| error.is_held()));
/// let sold = guard.run(async { "sold" }).await?; // stopped if the lock is lost
/// guard.release().await?;
/// # assert_eq!(sold, "sold");
/// # Ok::<_, LockError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Lock {
    pub(super) tier: Arc<dyn LockTier>,
    pub(super) name: Name,
    pub(super) lease: Duration,
    longest: Duration,
    renewed: bool,
    owner: Arc<str>,
    pub(super) announce: bool,
    /// Those of this process who wait, in line: the first one alone asks the tier.
    pub(super) line: Arc<tokio::sync::Mutex<()>>,
}

impl Lock {
    /// The lock of this name, with all defaults.
    #[must_use]
    pub fn new(tier: impl LockTier, name: impl AsRef<[u8]>) -> Self {
        Self {
            tier: Arc::new(tier),
            name: Name::new(name),
            lease: Duration::from_secs(10),
            longest: Duration::from_secs(3_600),
            renewed: true,
            owner: "".into(),
            announce: false,
            line: Arc::default(),
        }
    }

    /// For how long it is held without a word: after a crash of the holder, nobody else gets it for
    /// so long. Renewed at a third of it. Too short, and a pause of the process or of the store
    /// loses it; too long, and others wait for one who is dead. From 50 ms to a day; what is outside
    /// of that is cut to it. Default: 10 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(LEASES.0, LEASES.1);
        self
    }

    /// The longest hold, renewals included: after this it is lost, whatever the work does. Bounds
    /// what a hung holder costs the others. Default: 1 h.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Whether it is renewed by itself. If not, it is lost at the end of its lease unless
    /// [`extend`](Guard::extend)ed. Default: true.
    #[must_use]
    pub fn renewed(mut self, renewed: bool) -> Self {
        self.renewed = renewed;
        self
    }

    /// Who holds it, for people and for [`holder`](Self::holder). Default: empty.
    #[must_use]
    pub fn owner(mut self, owner: &str) -> Self {
        self.owner = owner.into();
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Takes it if it is free. Asks once, past all who wait.
    ///
    /// # Errors
    /// [`Held`](LockError::Held) by somebody else; [`Unavailable`](LockError::Unavailable) if the
    /// store did not answer within its limit (`RedisLock`: 100 ms).
    ///
    /// # Cancellation
    /// If the future is dropped, what may have been granted is given back in the background.
    ///
    /// # Panics
    /// Outside a tokio runtime, as all that waits.
    pub async fn try_lock(&self) -> Result<Guard, LockError> {
        match self.ask(false, CALL).await? {
            Asked::Granted(guard) => Ok(guard),
            Asked::Held(left) => Err(LockError::Held { left }),
        }
    }

    /// Takes it, waiting for at most `within` until it is free. A millisecond is the least: in less
    /// than that there is no time to ask. It is not re-entrant: whoever has it already waits for
    /// itself.
    ///
    /// Hears of a release by a message of the store, and looks by itself as well: when the lease of
    /// the holder runs out, and every 0.1 s at first, every second later.
    ///
    /// Fair to this degree: those who wait by clones of this value are served in the order in which
    /// they came, and only the first of them asks the store, so a thousand of them cost no more than
    /// one. Between processes, and between values made apart, there is no order: whoever asks first
    /// after a release gets it. Each is as likely to as any other, none is ever refused for good,
    /// and none waits longer than `within`.
    ///
    /// # Errors
    /// [`TimedOut`](LockError::TimedOut): somebody else had it until the end.
    /// [`Unavailable`](LockError::Unavailable): the store did not answer when it was asked last. It
    /// is asked again until the end, so a failover in between is waited for.
    ///
    /// # Cancellation
    /// As [`try_lock`](Self::try_lock). The place in the line is given up.
    pub async fn lock(&self, within: Duration) -> Result<Guard, LockError> {
        self.wait(Some(within)).await
    }

    /// Who has it now, if anybody.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn holder(&self) -> Result<Option<Holder>, Error> {
        self.tier.look(self.name.clone(), CALL).await
    }

    /// Asks the tier once, with a token of this attempt alone: if an attempt was cut off, its lease
    /// is being given back by that token, which must not hit the next one.
    pub(super) async fn ask(&self, waits: bool, within: Duration) -> Result<Asked, LockError> {
        let token = Token::random();
        let claim = Claim {
            name: self.name.clone(),
            token,
            lease: self.lease,
            owner: Arc::clone(&self.owner),
            waits,
            announce: self.announce,
            within: within.min(CALL),
        };
        let asked = Instant::now();
        Ok(match self.tier.acquire(claim).await? {
            // No await from here on until the guard is there to give it back.
            Claimed::Granted { fence, left } => {
                let timing = Timing {
                    lease: valid(self.lease),
                    longest: self.longest,
                    call: AGAIN,
                };
                let renewed = self.renewed.then_some(self.lease);
                let tier = Arc::clone(&self.tier);
                let name = self.name.clone();
                let guard = Guard::new(
                    tier,
                    name,
                    token,
                    fence,
                    asked,
                    valid(left),
                    timing,
                    renewed,
                );
                Asked::Granted(guard)
            }
            Claimed::Held { left } => Asked::Held(left),
        })
    }
}

/// What came of asking once.
pub(super) enum Asked {
    Granted(Guard),
    Held(Duration),
}

/// How much of a lease may be relied on: two clocks do not run alike.
pub(super) fn valid(lease: Duration) -> Duration {
    lease.saturating_sub(lease / 100 + Duration::from_millis(2))
}
