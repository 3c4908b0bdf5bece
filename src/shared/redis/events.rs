//! The events of the fleet, and whether they still reach us.

use std::sync::Weak;
use std::time::Duration;

use redis::Value;

use super::reply::number;
use crate::clock::Moment;
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::listeners::Listeners;
use crate::shared::{Listener, PurgeKind, TierEvent};
use crate::sync::Mutex;

/// A heartbeat that takes longer than this proves nothing any more.
const LATE: Duration = Duration::from_secs(3);

/// What came in by the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Event(TierEvent),
    /// This node's own heartbeat, by its number.
    Pulse(u64),
}

/// Reads a message: `c:<id>:<fence>`, `r:<id>:<fence>`, `p:<id>:<fence>:<h|s>` on the shared
/// channel, `a:<number>` on our own. `None` for anything else.
pub(super) fn read(data: &[Value], pulse: &str) -> Option<Heard> {
    let [Value::BulkString(channel), Value::BulkString(payload)] = data else {
        return None;
    };
    let text = std::str::from_utf8(payload).ok()?;
    let (tag, rest) = text.split_once(':')?;
    if channel.as_slice() == pulse.as_bytes() {
        return (tag == "a").then(|| number(rest).ok().map(Heard::Pulse))?;
    }
    let (id, rest) = rest.split_once(':')?;
    let id = EntryId::parse(id)?;
    let fence = |text| number(text).ok().map(Fence::new);
    let event = match tag {
        "c" => TierEvent::Committed {
            id,
            fence: fence(rest)?,
        },
        "r" => TierEvent::Released {
            id,
            fence: fence(rest)?,
        },
        "p" => {
            let (number, kind) = rest.split_once(':')?;
            let kind = match kind {
                "h" => PurgeKind::Hard,
                "s" => PurgeKind::Soft,
                _ => return None,
            };
            let fence = fence(number)?;
            TierEvent::Purged { id, fence, kind }
        }
        _ => return None,
    };
    Some(Heard::Event(event))
}

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

    fn message(payload: &str) -> Option<Heard> {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        read(&[bulk("ev"), bulk(payload)], "ev:1")
    }

    #[test]
    fn messages_are_read_and_strange_ones_ignored() {
        let id = EntryId::from_bytes([0xab; 16]);
        let fence = Fence::new(7);
        let purged = |kind| Some(Heard::Event(TierEvent::Purged { id, fence, kind }));
        assert_eq!(
            message(&format!("c:{id}:7")),
            Some(Heard::Event(TierEvent::Committed { id, fence }))
        );
        assert_eq!(
            message(&format!("r:{id}:7")),
            Some(Heard::Event(TierEvent::Released { id, fence }))
        );
        assert_eq!(message(&format!("p:{id}:7:h")), purged(PurgeKind::Hard));
        assert_eq!(message(&format!("p:{id}:7:s")), purged(PurgeKind::Soft));
        for strange in [
            "",
            "c",
            "c:",
            "c:ab:7",
            &format!("c:{id}:"),
            &format!("c:{id}:x"),
            &format!("p:{id}:7"),
            &format!("p:{id}:7:x"),
            &format!("z:{id}:7"),
            // On the shared channel, a heartbeat is nobody's.
            "a:1",
        ] {
            assert_eq!(message(strange), None, "{strange}");
        }
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
