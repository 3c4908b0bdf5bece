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
    received: Moment,
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
        // Up to the next microsecond, in which moments are: else two that are made of this would
        // each lose a part of it, and what has run out would be younger than its freshness.
        let age = lifetime.age.as_nanos().div_ceil(1_000);
        let age = Duration::from_micros(u64::try_from(age).unwrap_or(u64::MAX));
        let overdue = age.saturating_sub(lifetime.fresh);
        let fresh_left = lifetime.fresh.saturating_sub(age);
        let fresh_until = received.plus(fresh_left).minus(overdue);
        let stale_until = fresh_until.plus(lifetime.stale_while_revalidate);
        let error_until = fresh_until.plus(lifetime.stale_if_error);
        let unreachable_until = fresh_until.plus(lifetime.stale_if_unreachable);
        let servable_until = stale_until.max(error_until).max(unreachable_until);
        Self {
            born: received.minus(age),
            received,
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

    /// The same response as if, at `asked`, it had `fresh_ms` of freshness left.
    pub(crate) fn with_remaining(&self, asked: Moment, fresh_ms: i64) -> Self {
        Self::from_remaining(asked, fresh_ms, &self.lifetime())
    }

    /// The lengths that they were made of, to the microsecond: an entry does not hold both.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let stale = |until: Moment| until.since(self.fresh_until);
        let servable_until = self
            .stale_until
            .max(self.error_until)
            .max(self.unreachable_until);
        Lifetime {
            age: self.received.since(self.born),
            fresh: self.fresh_until.since(self.born),
            stale_while_revalidate: stale(self.stale_until),
            stale_if_error: stale(self.error_until),
            stale_if_unreachable: stale(self.unreachable_until),
            keep: self.keep_until.since(servable_until.max(self.received)),
        }
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
mod tests;
