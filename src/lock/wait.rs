//! How a lock is waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::lock::error::LockError;
use crate::lock::guard::Guard;
use crate::lock::handle::{Asked, Lock};

/// How soon a waiter looks by itself: at first, and later.
pub(super) const POLLS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A lease that runs out is looked at so much later, at most: both clocks tick, and not all who
/// wait should ask at once.
pub(super) const AFTER: Duration = Duration::from_millis(10);
/// A release is told to one node after another, always in the same order: asked at once, the first
/// would have the lock each time.
const SPREAD: Duration = Duration::from_millis(2);
/// Less than this is no time to ask in: an answer that comes too late is a lock for nobody.
pub(super) const LEAST: Duration = Duration::from_millis(1);

impl Lock {
    /// Waits for the lock; without a limit, until it is had.
    pub(super) async fn wait(&self, within: Option<Duration>) -> Result<Guard, LockError> {
        let until = within.and_then(|within| Instant::now().checked_add(within));
        // Fair: a tokio mutex is handed on in the order in which it was asked for.
        let _first = match until {
            None => self.line.lock().await,
            Some(until) => match timeout_at(until, self.line.lock()).await {
                Ok(first) => first,
                Err(_) => return Err(LockError::TimedOut),
            },
        };
        let mut poll = POLLS.0;
        let mut unavailable = None;
        loop {
            // Before the question: a release between the answer and the wait is heard.
            let changed = self.tier.changed(&self.name);
            let now = Instant::now();
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now));
            if left < LEAST {
                return Err(unavailable.unwrap_or(LockError::TimedOut));
            }
            let held = match self.ask(true, left).await {
                Ok(Asked::Granted(guard)) => return Ok(guard),
                Ok(Asked::Held(held)) => {
                    unavailable = None;
                    Some(held)
                }
                Err(error) => {
                    unavailable = Some(error);
                    None
                }
            };
            let now = Instant::now();
            let mut next = now + poll.mul_f64(0.75 + 0.5 * fastrand::f64());
            if let Some(end) = held.and_then(|held| now.checked_add(held)) {
                next = next.min(end + AFTER.mul_f64(fastrand::f64()));
            }
            if let Some(until) = until {
                next = next.min(until);
            }
            poll = (poll * 2).min(POLLS.1);
            tokio::select! {
                () = changed => sleep(SPREAD.mul_f64(fastrand::f64())).await,
                () = sleep_until(next) => {}
            }
        }
    }
}
