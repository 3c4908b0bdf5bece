//! When calls are let through. A plain state machine: time and chance are arguments.

use std::time::Duration;

use crate::clock::Moment;

/// Failures in a row that open it.
const STREAK: u32 = 5;
/// Calls within [`SPAN`] from which on half of them failing opens it.
const CROWD: u32 = 20;
/// The span that the share of failures is taken over, in slots of [`SLOT`].
const SPAN: usize = 10;
const SLOT: Duration = Duration::from_millis(100);
/// After an outage, the share of questions let through rises over this long.
const RAMP: Duration = Duration::from_secs(2);
/// The share it rises from.
const FIRST: f64 = 0.1;

/// What a call is, as far as recovery is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A question (acquire): a refused one costs an origin call at most, so these come back
    /// slowly.
    Question,
    /// The end of something begun: always let through when the server is there.
    Followup,
}

/// Open: nobody calls. Closed: everybody does. In between, questions come back in steps.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    streak: u32,
    slots: [Slot; SPAN],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ramp { since: Moment },
    Closed,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: i64,
    calls: u32,
    failures: u32,
}

impl Breaker {
    /// One that is open: the supervisor closes it when it has reached the server.
    pub(super) fn new() -> Self {
        Self {
            state: State::Open,
            streak: 0,
            slots: [Slot::default(); SPAN],
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether this call may go; `dice` is a number from 0 up to 1.
    pub(super) fn admits(&self, now: Moment, call: Call, dice: f64) -> bool {
        match self.state {
            State::Open => false,
            State::Closed => true,
            State::Ramp { .. } if call == Call::Followup => true,
            State::Ramp { since } => {
                let passed = now.since(since).as_secs_f64() / RAMP.as_secs_f64();
                dice < FIRST + (1.0 - FIRST) * passed
            }
        }
    }

    /// Notes an answer, of whatever content.
    pub(super) fn answered(&mut self, now: Moment) {
        self.streak = 0;
        self.slot(now).calls += 1;
    }

    /// Notes a failure. True if this one opened it.
    pub(super) fn failed(&mut self, now: Moment) -> bool {
        if self.is_open() {
            return false;
        }
        self.streak += 1;
        let slot = self.slot(now);
        slot.calls += 1;
        slot.failures += 1;
        let number = slot.number;
        let (mut calls, mut failures) = (0, 0);
        for slot in &self.slots {
            if number - slot.number < SPAN.cast_signed() as i64 {
                calls += slot.calls;
                failures += slot.failures;
            }
        }
        let open = self.streak >= STREAK || (calls >= CROWD && failures * 2 >= calls);
        if open {
            self.open();
        }
        open
    }

    /// Opens it at once: the connection is gone.
    pub(super) fn open(&mut self) {
        *self = Self::new();
    }

    /// Lets calls through again, in steps if `gently`.
    pub(super) fn close(&mut self, now: Moment, gently: bool) {
        *self = Self::new();
        self.state = if gently {
            State::Ramp { since: now }
        } else {
            State::Closed
        };
    }

    fn slot(&mut self, now: Moment) -> &mut Slot {
        let number = now.as_micros().div_euclid(SLOT.as_micros() as i64);
        let slot = &mut self.slots[number.rem_euclid(SPAN as i64).unsigned_abs() as usize];
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Moment {
        Moment::from_micros(ms * 1_000)
    }

    fn closed() -> Breaker {
        let mut breaker = Breaker::new();
        breaker.close(at(0), false);
        breaker
    }

    /// Feeds `(ms, failed)` and says after which of them it opened.
    fn opens_at(calls: impl IntoIterator<Item = (i64, bool)>) -> Option<usize> {
        let mut breaker = closed();
        calls.into_iter().position(|(ms, failed)| {
            if !failed {
                breaker.answered(at(ms));
            }
            failed && breaker.failed(at(ms))
        })
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        assert_eq!(opens_at((0..9).map(|n| (n * 900, true))), Some(4));
        let with_answers = (0..500).map(|n| (n * 900, n % 5 != 4));
        assert_eq!(opens_at(with_answers), None);
    }

    #[test]
    fn half_of_twenty_within_a_second_open_it() {
        assert_eq!(opens_at((0..40).map(|n| (n * 40, n % 2 == 1))), Some(19));
        // A third is not half of them.
        assert_eq!(opens_at((0..300).map(|n| (n * 10, n % 3 == 0))), None);
        // Nor are nineteen a crowd: the older ones have left the window.
        assert_eq!(opens_at((0..300).map(|n| (n * 60, n % 2 == 1))), None);
    }

    #[test]
    fn while_open_nothing_goes_and_late_failures_change_nothing() {
        let mut breaker = closed();
        breaker.open();
        assert!(breaker.is_open() && !breaker.failed(at(1)));
        assert!(!breaker.admits(at(1), Call::Question, 0.0));
        assert!(!breaker.admits(at(1), Call::Followup, 0.0));
    }

    #[test]
    fn after_an_outage_questions_come_back_in_steps_and_followups_at_once() {
        let mut breaker = Breaker::new();
        breaker.close(at(0), true);
        for (ms, dice, goes) in [
            (0, 0.09, true),
            (0, 0.11, false),
            (1_000, 0.54, true),
            (1_000, 0.56, false),
            (2_000, 0.999, true),
            (9_000, 0.999, true),
        ] {
            assert_eq!(
                breaker.admits(at(ms), Call::Question, dice),
                goes,
                "{ms} {dice}"
            );
            assert!(breaker.admits(at(ms), Call::Followup, dice));
        }
    }

    #[test]
    fn failures_while_it_comes_back_open_it_again() {
        let mut breaker = Breaker::new();
        breaker.close(at(0), true);
        assert_eq!((0..5).filter(|n| breaker.failed(at(*n))).count(), 1);
        assert!(breaker.is_open());
    }

    #[test]
    fn a_short_loss_of_the_connection_does_not_hold_questions_back() {
        assert!(closed().admits(at(0), Call::Question, 0.999));
    }
}
