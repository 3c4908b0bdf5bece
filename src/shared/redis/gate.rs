//! Who may call, and on what: the breaker and the connections under one lock.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::breaker::{Breaker, Call};
use super::failure::Failure;
use super::link::Links;
use crate::clock::Moment;
use crate::sync::Mutex;

/// After a loss no longer than this, calls are all let through at once: too few were refused
/// meanwhile to make a herd, and each refused one may cost a call of the origin.
const BLINK: Duration = Duration::from_millis(250);

/// The way to the server: open to calls, or shut.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// Wakes those who are on their way when it is shut.
    shutting: Notify,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    links: Option<Links>,
    /// The number of the connection. A late word about an older one changes nothing.
    generation: u64,
    /// The newest connection is lost, perhaps before it was ever used.
    dead: bool,
    /// Calls went through at some time: what comes is a recovery.
    used: bool,
    shut_at: Moment,
    why: &'static str,
}

impl Gate {
    pub(super) fn new(now: Moment) -> Self {
        let state = State {
            breaker: Breaker::new(),
            links: None,
            generation: 0,
            dead: true,
            used: false,
            shut_at: now,
            why: "not connected yet",
        };
        Self {
            state: Mutex::new(state),
            shutting: Notify::new(),
        }
    }

    pub(super) fn is_shut(&self) -> bool {
        self.state.lock().breaker.is_open()
    }

    /// Why it was shut last.
    pub(super) fn why(&self) -> &'static str {
        self.state.lock().why
    }

    /// Waits until it is shut: whoever is on the way then need not wait for an answer. To be
    /// [enabled](Notified::enable) before [`enter`](Self::enter), or it may be missed.
    pub(super) fn shutting(&self) -> Notified<'_> {
        self.shutting.notified()
    }

    /// The connections to call on, and their number.
    pub(super) fn enter(&self, now: Moment, call: Call) -> Result<(Links, u64), Failure> {
        let state = self.state.lock();
        match &state.links {
            Some(links) if state.breaker.admits(now, call, fastrand::f64()) => {
                Ok((links.clone(), state.generation))
            }
            _ => Err(Failure::Held),
        }
    }

    /// Notes that the server answered a call.
    pub(super) fn answered(&self, generation: u64, now: Moment) {
        let mut state = self.state.lock();
        if state.generation == generation {
            state.breaker.answered(now);
        }
    }

    /// Notes that it did not, or refused. True if this shut the gate.
    pub(super) fn failed(&self, generation: u64, now: Moment) -> bool {
        let links = {
            let mut state = self.state.lock();
            if state.generation != generation || !state.breaker.failed(now) {
                return false;
            }
            state.shut(now, "too many calls failed")
        };
        // Dropped outside the lock: this ends tasks.
        drop(links);
        self.shutting.notify_waiters();
        true
    }

    /// Notes that a connection is gone. True if this shut the gate.
    pub(super) fn lost(&self, generation: u64, now: Moment, why: &'static str) -> bool {
        let links = {
            let mut state = self.state.lock();
            if state.generation != generation || state.dead {
                return false;
            }
            state.shut(now, why)
        };
        self.shutting.notify_waiters();
        links.is_some()
    }

    /// Notes that whatever connection there is, or is being made, must not be used any more.
    pub(super) fn abandon(&self, now: Moment, why: &'static str) {
        let links = {
            let mut state = self.state.lock();
            state.shut(now, why)
        };
        drop(links);
        self.shutting.notify_waiters();
    }

    /// A connection with this number is about to be made.
    pub(super) fn begin(&self, generation: u64) {
        let mut state = self.state.lock();
        state.generation = generation;
        state.dead = false;
    }

    /// Lets calls through on this connection. False if it was lost meanwhile.
    pub(super) fn install(&self, generation: u64, links: Links, now: Moment) -> bool {
        let mut state = self.state.lock();
        if state.generation != generation || state.dead {
            return false;
        }
        // The very first connection ends no outage.
        let gently = state.used && now.since(state.shut_at) > BLINK;
        state.used = true;
        state.links = Some(links);
        state.breaker.close(now, gently);
        true
    }
}

impl State {
    fn shut(&mut self, now: Moment, why: &'static str) -> Option<Links> {
        self.dead = true;
        let links = self.links.take();
        if links.is_some() {
            self.breaker.open();
            self.shut_at = now;
            self.why = why;
        }
        links
    }
}
