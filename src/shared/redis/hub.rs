//! Whether the events of the fleet still reach us.
//!
//! One connection hears them, the *ear*: in a cluster every node passes on what any node was told.
//! Each server in use sends heartbeats, which come back by the ear like all else: so a server whose
//! events do not reach us is noticed as much as an ear that hears nothing at all. What a cluster
//! does not pass on is heard server by server, each with heartbeats of its own
//! ([`shards`](super::shards)).

#[cfg(test)]
mod tests;

use std::sync::Weak;
use std::time::Duration;

use crate::clock::Moment;
use crate::shared::listeners::Listeners;
use crate::shared::{Listener, TierEvent};
use crate::sync::Mutex;

/// A heartbeat that takes longer than this proves nothing any more.
const LATE: Duration = Duration::from_secs(3);
/// As long as something may be missed, the listeners are told so this often. A bit less than the
/// time between two heartbeats of a server: each of several may say so.
const UNSURE: Duration = Duration::from_millis(900);

/// Passes events on, and says when some may have been missed.
#[derive(Debug)]
pub(super) struct Hub {
    listeners: Listeners,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last number that was given to a connection or a heartbeat.
    last: u64,
    /// The connection that hears; 0 is none.
    ear: u64,
    /// What the listeners were told last: `Resumed` or `Lost`.
    live: bool,
    /// When they were told last that something may be missed at any time.
    unsure: Option<Moment>,
    /// Of each connection in use.
    beats: Vec<Beat>,
}

#[derive(Debug)]
struct Beat {
    generation: u64,
    /// The number of the heartbeat sent last.
    sent: u64,
    sent_at: Moment,
    back: u64,
    back_at: Moment,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            listeners: Listeners::new(),
            state: Mutex::new(State::default()),
        }
    }

    /// The number of a new connection: no other one of this tier has it.
    pub(super) fn number(&self) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        state.last
    }

    pub(super) fn tell(&self, event: TierEvent) {
        self.listeners.tell(event);
    }

    /// Adds a listener, and tells it if there is nothing to hear for now.
    pub(super) fn add(&self, listener: Weak<dyn Listener>) {
        self.listeners.add(Weak::clone(&listener));
        let mut told = true;
        // The state may change between the look and the telling; the last word has to be true.
        loop {
            let live = self.state.lock().live;
            let Some(listener) = listener.upgrade().filter(|_| live != told) else {
                return;
            };
            told = live;
            listener.event(if live {
                TierEvent::Resumed
            } else {
                TierEvent::Lost
            });
        }
    }

    /// Makes this connection the ear if there is none. True if it is now to subscribe, and then to
    /// say [`up`](Self::up).
    pub(super) fn claim(&self, generation: u64) -> bool {
        let mut state = self.state.lock();
        let free = state.ear == 0;
        if free {
            state.ear = generation;
        }
        free
    }

    /// This connection is in use, and if it is the ear, it hears.
    pub(super) fn up(&self, generation: u64, now: Moment) {
        let live = {
            let mut state = self.state.lock();
            state.live |= state.ear == generation;
            state.beats.retain(|beat| beat.generation != generation);
            state.beats.push(Beat {
                generation,
                sent: 0,
                sent_at: now,
                back: 0,
                back_at: now,
            });
            if state.ear == generation {
                // What the ear before this one did not hear of them is no fault of theirs.
                for beat in &mut state.beats {
                    beat.back_at = now;
                    beat.back = beat.sent;
                }
            }
            state.live
        };
        // Also where another one is the ear: what this server said while it was out of reach may
        // not have got through to that one either.
        if live {
            self.tell(TierEvent::Resumed);
        }
    }

    /// This connection is gone. True if it was the ear: there is none now.
    pub(super) fn down(&self, generation: u64) -> bool {
        let (was_ear, was_live) = {
            let mut state = self.state.lock();
            state.beats.retain(|beat| beat.generation != generation);
            let was_ear = state.ear == generation;
            // A heartbeat that a dying connection still brings must not be taken for life.
            (was_ear, was_ear && state.deafen())
        };
        if was_live {
            self.tell(TierEvent::Lost);
        }
        was_ear
    }

    /// The number of the heartbeat that this connection sends now.
    pub(super) fn pulse(&self, generation: u64, now: Moment) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        if let Some(beat) = state.beat(generation) {
            beat.sent = number;
            beat.sent_at = now;
        }
        number
    }

    /// A heartbeat was heard on this connection. It proves that whatever its sender published
    /// before it has been heard; once all have come back, that nothing is outstanding.
    pub(super) fn pulse_back(&self, generation: u64, number: u64, now: Moment) {
        self.back(Some(generation), number, now);
    }

    /// The same of a connection that hears for itself alone: the server answered by it.
    pub(super) fn answered(&self, number: u64, now: Moment) {
        self.back(None, number, now);
    }

    fn back(&self, ear: Option<u64>, number: u64, now: Moment) {
        let (gap, late, all) = {
            let mut state = self.state.lock();
            let live = state.live;
            let heard = ear.is_none_or(|ear| live && state.ear == ear);
            let beat = state.beats.iter_mut().find(|beat| beat.sent == number);
            let Some(beat) = beat.filter(|_| heard) else {
                return;
            };
            // This process, or the server, stood still in between: what it proves is long ago. The
            // connection is well, though, so that is no reason to stop asking: what is held is
            // checked, at once.
            let late = now.since(beat.sent_at) > LATE;
            let gap = late || now.since(beat.back_at) > LATE;
            beat.back_at = now;
            beat.back = number;
            let all = state.beats.iter().all(|beat| beat.back == beat.sent);
            (live && gap, late, live && all)
        };
        if gap {
            self.tell(TierEvent::Resumed);
        }
        if all && !late {
            self.tell(TierEvent::Alive);
        }
    }

    /// Something may be missed at any time: what is held has to be checked again and again.
    pub(super) fn unsure(&self, now: Moment) {
        let due = {
            let mut state = self.state.lock();
            let told = state.unsure.is_some_and(|told| now.since(told) < UNSURE);
            let due = state.live && !told;
            if due {
                state.unsure = Some(now);
            }
            due
        };
        if due {
            self.tell(TierEvent::Resumed);
        }
    }

    /// No heartbeat of this connection came back for too long.
    pub(super) fn is_silent(&self, generation: u64, now: Moment) -> bool {
        let mut state = self.state.lock();
        (state.beat(generation)).is_some_and(|beat| now.since(beat.back_at) > LATE)
    }

    /// Whether this connection is the one that hears.
    pub(super) fn is_ear(&self, generation: u64) -> bool {
        self.state.lock().ear == generation
    }

    /// The ear is cut off from what others are told: somebody else has to be it.
    pub(super) fn deafen(&self) {
        let was_live = self.state.lock().deafen();
        if was_live {
            self.tell(TierEvent::Lost);
        }
    }

    /// It was this process that stood still: the connection may be well, but its events come late.
    ///
    /// Not `Lost`: nobody asks the store then, and what changed in the pause would be served on.
    pub(super) fn paused(&self, now: Moment) {
        let live = {
            let mut state = self.state.lock();
            for beat in &mut state.beats {
                beat.back_at = now;
            }
            state.live
        };
        if live {
            self.tell(TierEvent::Resumed);
        }
    }
}

impl State {
    fn beat(&mut self, generation: u64) -> Option<&mut Beat> {
        let mut beats = self.beats.iter_mut();
        beats.find(|beat| beat.generation == generation)
    }

    /// True if the listeners have to be told.
    fn deafen(&mut self) -> bool {
        self.ear = 0;
        std::mem::replace(&mut self.live, false)
    }
}
