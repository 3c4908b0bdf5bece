//! What to do next, as pure functions of what is known.

use std::time::Duration;

use crate::clock::Moment;
use crate::engine::Task;
use crate::entry::{Phase, Record};
use crate::local::Known;
use crate::shared::{BlockKind, Grant};

/// What a look into L1 shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Nothing of use, or only validators.
    Absent,
    Fresh,
    /// Fresh, and its early refresh is due.
    Due,
    /// Stale; may be served while it is refreshed.
    Stale,
    /// Stale; may be served only if the refresh fails.
    OnError,
    /// Stale; may be served only if the origin cannot be reached.
    IfUnreachable,
    /// Known to be uncacheable.
    Verdict,
    /// Was known to be uncacheable, until a storable response was seen.
    Overruled,
}

/// What else matters for a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Situation {
    /// Events may have been missed since the entry was last checked.
    pub(crate) suspect: bool,
    /// Its last refresh failed, and the back-off runs.
    pub(crate) backing_off: bool,
    /// It failed because the origin could not be reached.
    pub(crate) unreachable: bool,
    /// The client wants nothing fetched (`only-if-cached`).
    pub(crate) only_if_cached: bool,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Answer from the entry.
    Serve,
    /// Answer from the entry, and make sure that one refresh is under way.
    ServeAndRefresh(Task),
    /// Answer from the stale entry: the origin has just failed.
    ServeOnError,
    /// Lead or follow the flight of this key.
    Join(Task),
    /// Straight to the origin.
    Pass,
    /// Answer 504: nothing may be fetched.
    Unavailable,
}

/// What is seen of `known` at `now` by a request with or without `Authorization`.
pub(crate) fn sight(known: Option<&Known>, now: Moment, authorized: bool) -> Sight {
    match known {
        None | Some(Known::Rule(_)) => Sight::Absent,
        Some(Known::Verdict(verdict)) => {
            if now >= verdict.until || (verdict.authorized_only && !authorized) {
                Sight::Absent
            } else if verdict.is_overruled() {
                Sight::Overruled
            } else {
                Sight::Verdict
            }
        }
        Some(Known::Record(record)) => match record.windows.phase(now) {
            Phase::Fresh if record.early.is_some_and(|early| now >= early) => Sight::Due,
            Phase::Fresh => Sight::Fresh,
            Phase::Stale => Sight::Stale,
            Phase::OnError => Sight::OnError,
            Phase::IfUnreachable => Sight::IfUnreachable,
            Phase::Kept | Phase::Dead => Sight::Absent,
        },
    }
}

/// What to do with a request.
pub(crate) fn plan(sight: Sight, situation: Situation) -> Step {
    let Situation {
        suspect,
        backing_off,
        unreachable,
        only_if_cached,
    } = situation;
    if only_if_cached {
        return match sight {
            Sight::Fresh | Sight::Due | Sight::Stale if !suspect => Step::Serve,
            _ => Step::Unavailable,
        };
    }
    match sight {
        Sight::Absent => Step::Join(Task::Refresh),
        Sight::Verdict => Step::Pass,
        Sight::Overruled => Step::Join(Task::Insist),
        Sight::Fresh | Sight::Due if suspect => Step::Join(Task::Check),
        Sight::Stale | Sight::OnError | Sight::IfUnreachable if suspect => {
            Step::Join(Task::Refresh)
        }
        Sight::Fresh => Step::Serve,
        Sight::Due | Sight::Stale if backing_off => Step::Serve,
        Sight::Due => Step::ServeAndRefresh(Task::Early),
        Sight::Stale => Step::ServeAndRefresh(Task::Refresh),
        Sight::OnError if backing_off => Step::ServeOnError,
        Sight::IfUnreachable if backing_off && unreachable => Step::ServeOnError,
        Sight::OnError | Sight::IfUnreachable => Step::Join(Task::Refresh),
    }
}

/// What the driver has in hand when the tier has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Nothing that may be served, or validators only.
    Empty,
    Fresh,
    /// May be served while it is refreshed.
    Stale,
    /// May be served if the origin fails.
    OnError,
    /// May be served if the origin cannot be reached.
    IfUnreachable,
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// What is in hand is good.
    Use,
    /// Fetch; the lease is ours.
    Refresh,
    /// Fetch for this node alone; nothing is shared.
    RefreshAlone,
    /// Wait for the other node, no longer than that.
    Wait(Duration),
    /// The origin failed elsewhere: serve what is in hand, try again after that.
    BackOff {
        left: Duration,
        failures: u32,
        unreachable: bool,
    },
    /// The origin failed elsewhere while we waited: share that fate.
    Fail(u16),
    /// Ask again, for the lease: what the tier holds fresh is of no use here.
    Ask,
    /// Ask again, whatever the marks say: there is nothing else to serve.
    Insist,
    /// Everyone alone, for that long.
    PassFor(Duration),
}

/// What to do about the tier's answer. `waited`: this flight was told to wait before.
pub(crate) fn answered(grant: Grant, hand: Hand, task: Task, waited: bool) -> Next {
    match grant {
        Grant::Fresh if hand == Hand::Fresh => Next::Use,
        Grant::Peeked if hand == Hand::Fresh => Next::Use,
        // Fresh by the tier's word and not by ours: it ended on the way, or was corrupt.
        Grant::Fresh | Grant::Peeked => Next::Ask,
        Grant::Lease { .. } => Next::Refresh,
        Grant::Wait { .. } if hand == Hand::Fresh && task != Task::Early => Next::Use,
        Grant::Wait { ttl, .. } => Next::Wait(ttl),
        Grant::NoMemory => Next::RefreshAlone,
        Grant::Blocked {
            kind: BlockKind::Uncacheable,
            left,
        } => match (hand, task) {
            (_, Task::Insist) | (Hand::Fresh, _) => Next::RefreshAlone,
            _ => Next::PassFor(left),
        },
        Grant::Blocked {
            kind:
                BlockKind::Failing {
                    failures,
                    status,
                    unreachable,
                },
            left,
        } => match hand {
            Hand::IfUnreachable if unreachable => Next::BackOff {
                left,
                failures,
                unreachable,
            },
            Hand::Fresh | Hand::Stale | Hand::OnError => Next::BackOff {
                left,
                failures,
                unreachable,
            },
            // Those who came while it was being tried share its end. Who comes later tries again,
            // one at a time: the back-off never refuses someone who has nothing to fall back on.
            Hand::IfUnreachable | Hand::Empty if waited => Next::Fail(status),
            Hand::IfUnreachable | Hand::Empty => Next::Insist,
        },
    }
}

/// What may be done with the record in hand.
pub(crate) fn hand(record: Option<&Record>, now: Moment) -> Hand {
    match record.map(|record| record.windows.phase(now)) {
        Some(Phase::Fresh) => Hand::Fresh,
        Some(Phase::Stale) => Hand::Stale,
        Some(Phase::OnError) => Hand::OnError,
        Some(Phase::IfUnreachable) => Hand::IfUnreachable,
        _ => Hand::Empty,
    }
}

/// How long to leave a failing origin alone: `base` doubled for each failure before, at most
/// `longest`, and up to a quarter less, so that keys which failed together do not return together.
pub(crate) fn back_off(failures: u32, base: Duration, longest: Duration, random: f64) -> Duration {
    let doubled = base.saturating_mul(
        1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX),
    );
    doubled.min(longest).mul_f64(1.0 - 0.25 * random)
}

/// How long before its end a response is refreshed early (XFetch, Vattani et al. 2015), drawn once
/// per entry: `cost * beta * -ln(random)`, but never more than its fetch takes. An earlier refresh
/// would shorten the cycle, which is more load on the origin and nothing gained: it is enough that
/// the new response lands when the old one ends.
pub(crate) fn early_by(cost: Duration, beta: f64, random: f64) -> Duration {
    let factor = beta * -random.max(f64::MIN_POSITIVE).ln();
    cost.mul_f64(factor.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Fence;

    const CALM: Situation = Situation {
        suspect: false,
        backing_off: false,
        unreachable: false,
        only_if_cached: false,
    };
    const SUSPECT: Situation = Situation {
        suspect: true,
        ..CALM
    };
    const BACKING_OFF: Situation = Situation {
        backing_off: true,
        ..CALM
    };
    const GONE: Situation = Situation {
        unreachable: true,
        ..BACKING_OFF
    };
    const ONLY_CACHED: Situation = Situation {
        only_if_cached: true,
        ..CALM
    };

    #[test]
    fn steps_by_sight_and_situation() {
        use Sight::*;
        use Step::*;
        let table = [
            (
                Absent,
                [
                    Join(Task::Refresh),
                    Join(Task::Refresh),
                    Join(Task::Refresh),
                    Unavailable,
                ],
            ),
            (Fresh, [Serve, Join(Task::Check), Serve, Serve]),
            (
                Due,
                [
                    ServeAndRefresh(Task::Early),
                    Join(Task::Check),
                    Serve,
                    Serve,
                ],
            ),
            (
                Stale,
                [
                    ServeAndRefresh(Task::Refresh),
                    Join(Task::Refresh),
                    Serve,
                    Serve,
                ],
            ),
            (
                OnError,
                [
                    Join(Task::Refresh),
                    Join(Task::Refresh),
                    ServeOnError,
                    Unavailable,
                ],
            ),
            (
                IfUnreachable,
                [
                    Join(Task::Refresh),
                    Join(Task::Refresh),
                    Join(Task::Refresh),
                    Unavailable,
                ],
            ),
            (Verdict, [Pass, Pass, Pass, Unavailable]),
            (
                Overruled,
                [
                    Join(Task::Insist),
                    Join(Task::Insist),
                    Join(Task::Insist),
                    Unavailable,
                ],
            ),
        ];
        for (sight, steps) in table {
            let got =
                [CALM, SUSPECT, BACKING_OFF, ONLY_CACHED].map(|situation| plan(sight, situation));
            assert_eq!(got, steps, "{sight:?}");
            let gone = plan(sight, GONE);
            let expected = if sight == IfUnreachable {
                ServeOnError
            } else {
                steps[2]
            };
            assert_eq!(gone, expected, "{sight:?}");
        }
    }

    #[test]
    fn what_is_suspect_is_never_served_unchecked() {
        for sight in [
            Sight::Fresh,
            Sight::Due,
            Sight::Stale,
            Sight::OnError,
            Sight::IfUnreachable,
        ] {
            for backing_off in [false, true] {
                for only_if_cached in [false, true] {
                    let step = plan(
                        sight,
                        Situation {
                            suspect: true,
                            backing_off,
                            unreachable: backing_off,
                            only_if_cached,
                        },
                    );
                    let served = matches!(
                        step,
                        Step::Serve | Step::ServeAndRefresh(_) | Step::ServeOnError
                    );
                    assert!(!served, "{sight:?} {step:?}");
                }
            }
        }
    }

    #[test]
    fn answers_by_grant_and_hand() {
        let second = Duration::from_secs(1);
        let fence = Fence::new(1);
        let blocked = |unreachable| Grant::Blocked {
            kind: BlockKind::Failing {
                failures: 2,
                status: 503,
                unreachable,
            },
            left: second,
        };
        let (failing, unreachable) = (blocked(false), blocked(true));
        let back_off = |unreachable| Next::BackOff {
            left: second,
            failures: 2,
            unreachable,
        };
        let uncacheable = Grant::Blocked {
            kind: BlockKind::Uncacheable,
            left: second,
        };
        let wait = Grant::Wait { fence, ttl: second };
        let table = [
            (Grant::Fresh, Hand::Fresh, false, Next::Use),
            (Grant::Fresh, Hand::Empty, false, Next::Ask),
            (Grant::Fresh, Hand::Stale, true, Next::Ask),
            (Grant::Peeked, Hand::Fresh, false, Next::Use),
            (Grant::Peeked, Hand::Stale, false, Next::Ask),
            (
                Grant::Lease { fence, ttl: second },
                Hand::Stale,
                false,
                Next::Refresh,
            ),
            (wait, Hand::Empty, false, Next::Wait(second)),
            (wait, Hand::Stale, false, Next::Wait(second)),
            (wait, Hand::Fresh, false, Next::Use),
            (Grant::NoMemory, Hand::Stale, false, Next::RefreshAlone),
            (failing, Hand::Stale, false, back_off(false)),
            (failing, Hand::OnError, true, back_off(false)),
            (failing, Hand::IfUnreachable, true, Next::Fail(503)),
            (failing, Hand::IfUnreachable, false, Next::Insist),
            (unreachable, Hand::IfUnreachable, false, back_off(true)),
            (unreachable, Hand::OnError, false, back_off(true)),
            (unreachable, Hand::Empty, false, Next::Insist),
            (failing, Hand::Empty, true, Next::Fail(503)),
            (failing, Hand::Empty, false, Next::Insist),
            (uncacheable, Hand::Empty, false, Next::PassFor(second)),
            (uncacheable, Hand::Stale, true, Next::PassFor(second)),
        ];
        for (grant, hand, waited, next) in table {
            assert_eq!(
                answered(grant, hand, Task::Refresh, waited),
                next,
                "{grant:?} {hand:?} {waited}"
            );
        }
        assert_eq!(
            answered(wait, Hand::Fresh, Task::Early, false),
            Next::Wait(second)
        );
        assert_eq!(
            answered(uncacheable, Hand::Empty, Task::Insist, false),
            Next::RefreshAlone
        );
    }

    #[test]
    fn back_off_doubles_to_its_limit_and_never_exceeds_it() {
        let (base, longest) = (Duration::from_secs(1), Duration::from_secs(30));
        let lengths: Vec<_> = (1..8)
            .map(|n| back_off(n, base, longest, 0.0).as_secs())
            .collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(back_off(u32::MAX, base, longest, 0.0), longest);
        assert_eq!(back_off(1, base, longest, 1.0), base.mul_f64(0.75));
    }

    #[test]
    fn the_early_stretch_is_never_longer_than_the_fetch_it_hides() {
        let cost = Duration::from_millis(200);
        assert_eq!(early_by(cost, 1.0, 1e-300), cost);
        assert_eq!(early_by(cost, 1.0, 1.0), Duration::ZERO);
        assert_eq!(early_by(cost, 0.0, 0.5), Duration::ZERO);
        let half = early_by(cost, 1.0, (-0.5_f64).exp());
        assert!((99..=101).contains(&half.as_millis()));
    }
}
