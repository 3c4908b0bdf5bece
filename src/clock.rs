//! The only source of time. Everything else takes the time as an argument.
//!
//! [`Moment`] is a point on the local monotonic clock as a plain signed number, so that "fetched
//! before this process began" is representable and no subtraction can panic.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A point on this process's monotonic clock, in microseconds. Never leaves the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Moment(i64);

impl Moment {
    /// The moment so many microseconds after the process's anchor.
    pub(crate) const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds after the process's anchor.
    pub(crate) const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved into the future, saturating.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This moment moved into the past, saturating.
    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// This moment moved by a signed number of milliseconds, saturating.
    pub(crate) const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Time since `earlier`; zero if that is in the future.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_micros(micros.unsigned_abs())
    }

    /// Milliseconds from `self` until `later`; negative if that has passed.
    pub(crate) const fn millis_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0).div_euclid(1_000)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Where time comes from.
pub(crate) trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The monotonic clock.
    fn now(&self) -> Moment;
    /// The wall clock, for `Date` arithmetic only.
    fn wall(&self) -> SystemTime;
}

/// The clocks of the machine. The monotonic one is tokio's, so a paused runtime pauses it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

fn anchor() -> tokio::time::Instant {
    static ANCHOR: OnceLock<tokio::time::Instant> = OnceLock::new();
    #[cfg(test)]
    if let Some(anchor) = OWN_ANCHOR.get() {
        return anchor;
    }
    *ANCHOR.get_or_init(tokio::time::Instant::now)
}

#[cfg(test)]
thread_local! {
    static OWN_ANCHOR: std::cell::Cell<Option<tokio::time::Instant>> =
        const { std::cell::Cell::new(None) };
}

/// From now on the time on this thread counts from one hour ago, so that a simulation sees the
/// same numbers each time it is run.
#[cfg(test)]
pub(crate) fn anchor_here() {
    let hour = Duration::from_secs(3_600);
    OWN_ANCHOR.set(tokio::time::Instant::now().checked_sub(hour));
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let anchor = anchor();
        let now = tokio::time::Instant::now();
        match now.checked_duration_since(anchor) {
            Some(after) => Moment(micros(after)),
            None => Moment(-micros(anchor.duration_since(now))),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A wall clock that moves with tokio's (paused) clock from a fixed date, for tests.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct VirtualClock {
    pub(crate) date: SystemTime,
    pub(crate) at: Moment,
}

#[cfg(test)]
impl VirtualClock {
    /// Starts at 2026-01-01T00:00:00Z.
    pub(crate) fn new() -> Self {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        Self {
            date,
            at: SystemClock.now(),
        }
    }
}

#[cfg(test)]
impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn wall(&self) -> SystemTime {
        self.date + self.now().since(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_process_began_are_representable() {
        let day = Duration::from_secs(86_400);
        let born = Moment::from_micros(5).minus(day);
        assert!(born < Moment::default());
        assert_eq!(Moment::from_micros(5).since(born), day);
        assert_eq!(born.since(Moment::from_micros(5)), Duration::ZERO);
    }

    #[test]
    fn arithmetic_saturates_instead_of_panicking() {
        let far = Moment::from_micros(i64::MAX);
        assert_eq!(far.plus(Duration::MAX), far);
        assert_eq!(
            Moment::from_micros(i64::MIN).minus(Duration::MAX),
            Moment::from_micros(i64::MIN)
        );
        assert_eq!(Moment::from_micros(0).plus_millis(i64::MAX), far);
    }

    #[test]
    fn remaining_millis_are_negative_once_passed() {
        let now = Moment::from_micros(10_000_000);
        assert_eq!(now.millis_until(now.plus_millis(1_500)), 1_500);
        assert_eq!(now.millis_until(now.plus_millis(-1_500)), -1_500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_runtime_pauses_the_clock() {
        let before = SystemClock.now();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(SystemClock.now().since(before), Duration::from_secs(7));
    }
}
