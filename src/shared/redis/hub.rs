//! Whether the events of the fleet still reach us.

use std::sync::Weak;
use std::time::Duration;

use crate::clock::Moment;
use crate::shared::listeners::Listeners;
use crate::shared::{Listener, TierEvent};
use crate::sync::Mutex;

/// A heartbeat that takes longer than this proves nothing any more.
const LATE: Duration = Duration::from_secs(3);

/// Passes events on, and says when some may have been missed.
#[derive(Debug)]
pub(super) struct Hub {
    listeners: Listeners,
    beat: Mutex<Beat>,
}

#[derive(Debug)]
struct Beat {
    /// The connection whose heartbeats count; 0 is none.
    generation: u64,
    /// What the listeners were told last: `Resumed` or `Lost`.
    live: bool,
    sent: u64,
    sent_at: Moment,
    back_at: Moment,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            listeners: Listeners::new(),
            beat: Mutex::new(Beat {
                generation: 0,
                live: false,
                sent: 0,
                sent_at: Moment::default(),
                back_at: Moment::default(),
            }),
        }
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
            let live = self.beat.lock().live;
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

    /// The subscription stands, on this connection.
    pub(super) fn up(&self, generation: u64, now: Moment) {
        {
            let mut beat = self.beat.lock();
            beat.generation = generation;
            beat.live = true;
            beat.back_at = now;
        }
        self.tell(TierEvent::Resumed);
    }

    /// The subscription broke.
    pub(super) fn down(&self) {
        let was = {
            let mut beat = self.beat.lock();
            // A heartbeat that a dying connection still brings must not be taken for life.
            beat.generation = 0;
            std::mem::replace(&mut beat.live, false)
        };
        if was {
            self.tell(TierEvent::Lost);
        }
    }

    /// The number of the heartbeat that is sent now.
    pub(super) fn pulse(&self, now: Moment) -> u64 {
        let mut beat = self.beat.lock();
        beat.sent += 1;
        beat.sent_at = now;
        beat.sent
    }

    /// A heartbeat came back. It proves that whatever was published before it has been heard.
    pub(super) fn pulse_back(&self, generation: u64, number: u64, now: Moment) {
        let (gap, late) = {
            let mut beat = self.beat.lock();
            if beat.generation != generation || beat.sent != number {
                return;
            }
            // This process, or the server, stood still in between: what it proves is long ago. The
            // connection is well, though, so that is no reason to stop asking: what is held is
            // checked, at once.
            let late = now.since(beat.sent_at) > LATE;
            let gap = late || now.since(beat.back_at) > LATE;
            beat.back_at = now;
            (gap, late)
        };
        if gap {
            self.tell(TierEvent::Resumed);
        }
        if !late {
            self.tell(TierEvent::Alive);
        }
    }

    /// No heartbeat came back for too long.
    pub(super) fn is_silent(&self, now: Moment) -> bool {
        now.since(self.beat.lock().back_at) > LATE
    }

    /// It was this process that stood still: the connection may be well, but its events come late.
    ///
    /// Not `Lost`: nobody asks the store then, and what changed in the pause would be served on.
    pub(super) fn paused(&self, now: Moment) {
        let live = {
            let mut beat = self.beat.lock();
            beat.back_at = now;
            beat.live
        };
        if live {
            self.tell(TierEvent::Resumed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Default)]
    struct Notes(std::sync::Mutex<Vec<TierEvent>>);

    impl Listener for Notes {
        fn event(&self, event: TierEvent) {
            self.0.lock().unwrap().push(event);
        }
    }

    impl Notes {
        fn take(&self) -> Vec<TierEvent> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn hub() -> (Hub, Arc<Notes>) {
        let hub = Hub::new();
        hub.up(1, at(0));
        let notes = Arc::new(Notes::default());
        let listener: Weak<dyn Listener> = Arc::<Notes>::downgrade(&notes);
        hub.add(listener);
        (hub, notes)
    }

    fn at(ms: i64) -> Moment {
        Moment::from_micros(ms * 1_000)
    }

    #[test]
    fn a_heartbeat_back_in_time_says_alive() {
        let (hub, notes) = hub();
        let number = hub.pulse(at(1_000));
        hub.pulse_back(1, number, at(1_001));
        assert_eq!(notes.take(), [TierEvent::Alive]);
        // Nobody else's, and none of a connection that was given up.
        hub.pulse_back(1, number + 1, at(1_002));
        hub.pulse_back(2, number, at(1_002));
        assert_eq!(notes.take(), []);
    }

    #[test]
    fn a_late_heartbeat_says_resumed_and_only_the_next_one_alive() {
        let (hub, notes) = hub();
        let number = hub.pulse(at(1_000));
        hub.pulse_back(1, number, at(9_000));
        assert_eq!(notes.take(), [TierEvent::Resumed]);
        let number = hub.pulse(at(9_001));
        hub.pulse_back(1, number, at(9_002));
        assert_eq!(notes.take(), [TierEvent::Alive]);
    }

    #[test]
    fn a_process_that_stood_still_has_what_it_holds_checked_and_never_stops_asking() {
        let (hub, notes) = hub();
        assert!(!hub.is_silent(at(2_999)) && hub.is_silent(at(3_001)));
        hub.paused(at(60_000));
        let number = hub.pulse(at(60_000));
        hub.pulse_back(1, number, at(60_001));
        assert_eq!(notes.take(), [TierEvent::Resumed, TierEvent::Alive]);
        // With the connection lost, there is nothing to ask.
        hub.down();
        hub.paused(at(120_000));
        assert_eq!(notes.take(), [TierEvent::Lost]);
    }

    #[test]
    fn a_listener_that_comes_while_the_subscription_is_down_is_told() {
        let (hub, notes) = hub();
        hub.down();
        hub.down();
        assert_eq!(notes.take(), [TierEvent::Lost]);
        let late = Arc::new(Notes::default());
        let listener: Weak<dyn Listener> = Arc::<Notes>::downgrade(&late);
        hub.add(listener);
        assert_eq!(late.take(), [TierEvent::Lost]);
    }
}
