//! The stretches of a stored response's life.
//!
//! ```text
//! born ── received ──────── fresh_until ──── stale_until ──── error_until ──── keep_until
//!   │ age  │      fresh          │  stale, served  │ stale, served if │  not served, its  │
//!   │      │                     │ while refreshed │ the origin fails │  validators used  │
//! ```
//!
//! Beside the window for failures of any kind there is one for an origin that cannot be reached at
//! all, which RFC 9111 §4.2.4 lets a cache grant by itself; whichever is longer counts then.

use std::time::Duration;

use crate::clock::Moment;

/// No freshness in the shared tier is longer than ten years: sums of it stay exact there.
pub(crate) const LONGEST_SHARED: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long a response may be used, as lengths: what the semantics decide and the codec stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lifetime {
    /// Age when it was received (RFC 9111 §4.2.3, `corrected_initial_age`).
    pub(crate) age: Duration,
    /// Freshness lifetime, counted from age zero (RFC 9111 §4.2.1).
    pub(crate) fresh: Duration,
    /// How long past freshness it may be served while it is refreshed (RFC 5861 §3, or grace).
    pub(crate) stale_while_revalidate: Duration,
    /// How long past freshness it may be served when the origin fails (RFC 5861 §4).
    pub(crate) stale_if_error: Duration,
    /// How long past freshness it may be served when the origin cannot be reached (RFC 9111
    /// §4.2.4).
    pub(crate) stale_if_unreachable: Duration,
    /// How long past all of these it is kept for its validators.
    pub(crate) keep: Duration,
}

impl Lifetime {
    /// Time from receipt until it is no longer fresh.
    pub(crate) fn fresh_left(&self) -> Duration {
        self.fresh.saturating_sub(self.age)
    }

    /// Time from receipt until it may no longer be served, whatever happens.
    pub(crate) fn stale_left(&self) -> Duration {
        let stale = self
            .stale_while_revalidate
            .max(self.stale_if_error)
            .max(self.stale_if_unreachable);
        self.fresh.saturating_add(stale).saturating_sub(self.age)
    }

    /// Time from receipt until nothing of it is of use.
    pub(crate) fn kept_left(&self) -> Duration {
        self.stale_left().saturating_add(self.keep)
    }
}

/// The same as points on this process's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    /// When its age was zero; may lie before the process began.
    pub(crate) born: Moment,
    pub(crate) fresh_until: Moment,
    pub(crate) stale_until: Moment,
    pub(crate) error_until: Moment,
    pub(crate) unreachable_until: Moment,
    pub(crate) keep_until: Moment,
}

/// What may be done with a stored response now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Served.
    Fresh,
    /// Served, while one refresh is under way.
    Stale,
    /// Served only if the refresh fails.
    OnError,
    /// Served only if the origin cannot be reached.
    IfUnreachable,
    /// Its validators are of use, its body only once the origin has confirmed it.
    Kept,
    /// Of no use.
    Dead,
}

impl Windows {
    /// The windows of a response received at `received`.
    ///
    /// All are counted from its birth: what other caches have used up of its freshness, or of the
    /// time for which it may be served stale, is not granted once more (RFC 5861 §3, §4).
    pub(crate) fn from_receipt(received: Moment, lifetime: &Lifetime) -> Self {
        let overdue = lifetime.age.saturating_sub(lifetime.fresh);
        let fresh_until = received.plus(lifetime.fresh_left()).minus(overdue);
        let stale_until = fresh_until.plus(lifetime.stale_while_revalidate);
        let error_until = fresh_until.plus(lifetime.stale_if_error);
        let unreachable_until = fresh_until.plus(lifetime.stale_if_unreachable);
        let servable_until = stale_until.max(error_until).max(unreachable_until);
        Self {
            born: received.minus(lifetime.age),
            fresh_until,
            stale_until,
            error_until,
            unreachable_until,
            keep_until: servable_until.max(received).plus(lifetime.keep),
        }
    }

    /// The windows of a shared entry that, at `asked`, had `fresh_ms` of freshness left: which
    /// says when it was received.
    ///
    /// The shared clock may have jumped, so more is never believed than the response itself had.
    pub(crate) fn from_remaining(asked: Moment, fresh_ms: i64, lifetime: &Lifetime) -> Self {
        // Up to the next microsecond: what has nothing left is not fresh for the rest of a
        // millisecond, and its age is no smaller than that of what has run out.
        let at_first = lifetime.fresh_left().min(LONGEST_SHARED);
        let at_first = at_first.as_nanos().div_ceil(1_000);
        let at_first = i64::try_from(at_first).unwrap_or(i64::MAX);
        let passed = at_first.saturating_sub(fresh_ms.saturating_mul(1_000));
        let passed = Duration::from_micros(passed.max(0).unsigned_abs());
        Self::from_receipt(asked.minus(passed), lifetime)
    }

    /// What may be done at `now`. Each window is closed at its end: at `fresh_until` it is stale.
    pub(crate) fn phase(&self, now: Moment) -> Phase {
        if now < self.fresh_until {
            Phase::Fresh
        } else if now < self.stale_until {
            Phase::Stale
        } else if now < self.error_until {
            Phase::OnError
        } else if now < self.unreachable_until {
            Phase::IfUnreachable
        } else if now < self.keep_until {
            Phase::Kept
        } else {
            Phase::Dead
        }
    }

    /// True if it may be served in place of an answer that the origin failed to give, or, if it
    /// is `unreachable`, could not give.
    pub(crate) fn usable_on_error(&self, now: Moment, unreachable: bool) -> bool {
        match self.phase(now) {
            Phase::Fresh | Phase::Stale | Phase::OnError => true,
            Phase::IfUnreachable => unreachable,
            Phase::Kept | Phase::Dead => false,
        }
    }

    /// `current_age` (RFC 9111 §4.2.3) in whole seconds.
    pub(crate) fn age_secs(&self, now: Moment) -> u64 {
        now.since(self.born).as_secs()
    }

    /// Whole seconds of freshness left, for `ttl` of RFC 9211; negative once stale.
    pub(crate) fn ttl_secs(&self, now: Moment) -> i64 {
        now.millis_until(self.fresh_until).div_euclid(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn lifetime() -> Lifetime {
        Lifetime {
            age: secs(3),
            fresh: secs(10),
            stale_while_revalidate: secs(5),
            stale_if_error: secs(20),
            stale_if_unreachable: secs(30),
            keep: secs(60),
        }
    }

    #[test]
    fn phases_follow_each_other_at_their_ends() {
        let received = Moment::from_micros(0);
        let windows = Windows::from_receipt(received, &lifetime());
        let at = |secs: i64| windows.phase(received.plus_millis(secs * 1_000));
        assert_eq!(at(0), Phase::Fresh);
        assert_eq!(windows.phase(received.plus_millis(6_999)), Phase::Fresh);
        assert_eq!(at(7), Phase::Stale);
        assert_eq!(at(12), Phase::OnError);
        assert_eq!(at(27), Phase::IfUnreachable);
        assert_eq!(at(37), Phase::Kept);
        assert_eq!(at(97), Phase::Dead);
    }

    #[test]
    fn age_counts_from_birth_and_ttl_goes_negative() {
        let received = Moment::from_micros(0);
        let windows = Windows::from_receipt(received, &lifetime());
        assert_eq!(windows.age_secs(received.plus_millis(2_500)), 5);
        assert_eq!(windows.ttl_secs(received.plus_millis(2_500)), 4);
        assert_eq!(windows.ttl_secs(received.plus_millis(8_000)), -1);
    }

    #[test]
    fn remaining_time_gives_the_windows_that_receipt_gave() {
        let received = Moment::from_micros(1_000_000);
        let direct = Windows::from_receipt(received, &lifetime());
        for passed in [0, 1_500, 6_999, 7_000, 30_000] {
            let asked = received.plus_millis(passed);
            assert_eq!(
                Windows::from_remaining(asked, 7_000 - passed, &lifetime()),
                direct
            );
        }
    }

    #[test]
    fn remaining_time_is_never_believed_beyond_the_responses_own_lifetime() {
        let asked = Moment::from_micros(0);
        let windows = Windows::from_remaining(asked, i64::MAX, &lifetime());
        assert_eq!(windows.fresh_until, asked.plus(secs(7)));
    }

    #[test]
    fn a_response_that_was_stale_on_receipt_keeps_its_age_and_has_used_up_what_it_has() {
        let late = Lifetime {
            age: secs(30),
            fresh: secs(10),
            ..lifetime()
        };
        let received = Moment::from_micros(0);
        let direct = Windows::from_receipt(received, &late);
        // Of 5, 20 and 30 seconds, 20 had passed.
        assert_eq!(direct.phase(received), Phase::IfUnreachable);
        assert_eq!(direct.phase(received.plus(secs(10))), Phase::Kept);
        assert_eq!(direct.phase(received.plus(secs(70))), Phase::Dead);
        assert_eq!(late.stale_left(), secs(10));
        assert_eq!(direct.age_secs(received), 30);
        assert_eq!(direct.ttl_secs(received), -20);
        assert_eq!(Windows::from_remaining(received, 0, &late), direct);
    }

    #[test]
    fn a_lifetime_beyond_what_can_be_shared_makes_nothing_older() {
        let long = Lifetime {
            fresh: secs(1 << 31),
            ..lifetime()
        };
        let asked = Moment::from_micros(0);
        let shared = i64::try_from(LONGEST_SHARED.as_millis()).unwrap();
        let windows = Windows::from_remaining(asked, shared - 60_000, &long);
        assert_eq!(windows.age_secs(asked), 63);
    }
}
