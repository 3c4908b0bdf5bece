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
    assert!(hub.claim(1));
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
    let number = hub.pulse(1, at(1_000));
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
    let number = hub.pulse(1, at(1_000));
    hub.pulse_back(1, number, at(9_000));
    assert_eq!(notes.take(), [TierEvent::Resumed]);
    let number = hub.pulse(1, at(9_001));
    hub.pulse_back(1, number, at(9_002));
    assert_eq!(notes.take(), [TierEvent::Alive]);
}

#[test]
fn a_process_that_stood_still_has_what_it_holds_checked_and_never_stops_asking() {
    let (hub, notes) = hub();
    assert!(!hub.is_silent(1, at(2_999)) && hub.is_silent(1, at(3_001)));
    hub.paused(at(60_000));
    let number = hub.pulse(1, at(60_000));
    hub.pulse_back(1, number, at(60_001));
    assert_eq!(notes.take(), [TierEvent::Resumed, TierEvent::Alive]);
    // With the connection lost, there is nothing to ask.
    hub.down(1);
    hub.paused(at(120_000));
    assert_eq!(notes.take(), [TierEvent::Lost]);
}

#[test]
fn a_listener_that_comes_while_the_subscription_is_down_is_told() {
    let (hub, notes) = hub();
    hub.down(1);
    hub.down(1);
    assert_eq!(notes.take(), [TierEvent::Lost]);
    let late = Arc::new(Notes::default());
    let listener: Weak<dyn Listener> = Arc::<Notes>::downgrade(&late);
    hub.add(listener);
    assert_eq!(late.take(), [TierEvent::Lost]);
}

/// Two servers: the first one hears.
fn pair() -> (Hub, Arc<Notes>) {
    let (hub, notes) = hub();
    assert!(!hub.claim(2));
    hub.up(2, at(0));
    // What it said while it was out of reach may have been missed.
    assert_eq!(notes.take(), [TierEvent::Resumed]);
    (hub, notes)
}

#[test]
fn alive_is_said_when_the_heartbeats_of_all_servers_are_back() {
    let (hub, notes) = pair();
    let (first, second) = (hub.pulse(1, at(1_000)), hub.pulse(2, at(1_000)));
    hub.pulse_back(1, first, at(1_001));
    assert_eq!(notes.take(), []);
    hub.pulse_back(1, second, at(1_002));
    assert_eq!(notes.take(), [TierEvent::Alive]);
    // One that is out of use is not waited for.
    let first = hub.pulse(1, at(2_000));
    hub.pulse(2, at(2_000));
    assert!(!hub.down(2));
    hub.pulse_back(1, first, at(2_001));
    assert_eq!(notes.take(), [TierEvent::Alive]);
}

#[test]
fn a_server_whose_heartbeats_do_not_come_back_is_silent_alone() {
    let (hub, _notes) = pair();
    let first = hub.pulse(1, at(3_000));
    hub.pulse_back(1, first, at(3_000));
    assert!(!hub.is_silent(1, at(4_000)) && hub.is_silent(2, at(4_000)));
}

#[test]
fn when_the_ear_is_gone_the_next_one_to_claim_it_hears() {
    let (hub, notes) = pair();
    assert!(hub.down(1));
    assert_eq!(notes.take(), [TierEvent::Lost]);
    assert!(hub.claim(2) && !hub.claim(3) && hub.is_ear(2));
    hub.up(2, at(5_000));
    assert_eq!(notes.take(), [TierEvent::Resumed]);
    assert!(!hub.is_silent(2, at(7_000)));
    let number = hub.pulse(2, at(7_000));
    // The old ear may still hear; it does not count.
    hub.pulse_back(1, number, at(7_001));
    assert_eq!(notes.take(), []);
    hub.pulse_back(2, number, at(7_001));
    assert_eq!(notes.take(), [TierEvent::Alive]);
}

#[test]
fn a_connection_that_hears_for_itself_is_waited_for_too() {
    let (hub, notes) = hub();
    hub.up(2, at(0));
    assert_eq!(notes.take(), [TierEvent::Resumed]);
    let (ear, own) = (hub.pulse(1, at(1_000)), hub.pulse(2, at(1_000)));
    hub.pulse_back(1, ear, at(1_001));
    assert_eq!(notes.take(), [], "what it heard last is not known");
    hub.answered(own, at(1_002));
    assert_eq!(notes.take(), [TierEvent::Alive]);
    // An answer that is not the last one's proves nothing.
    hub.pulse(2, at(2_000));
    hub.answered(own, at(2_001));
    assert_eq!(notes.take(), []);
    assert!(hub.is_silent(2, at(4_003)));
    // Without an ear it is well, too, but there is nothing to say.
    hub.down(1);
    assert_eq!(notes.take(), [TierEvent::Lost]);
    let own = hub.pulse(2, at(5_000));
    hub.answered(own, at(5_001));
    assert_eq!(notes.take(), []);
    assert!(!hub.is_silent(2, at(8_000)));
}

#[test]
fn who_is_unsure_says_so_about_once_a_second_while_there_is_anything_to_hear() {
    let (hub, notes) = hub();
    for (ms, told) in [(0, true), (300, false), (600, false), (1_000, true)] {
        hub.unsure(at(ms));
        let told = if told {
            vec![TierEvent::Resumed]
        } else {
            vec![]
        };
        assert_eq!(notes.take(), told, "after {ms} ms");
    }
    hub.down(1);
    assert_eq!(notes.take(), [TierEvent::Lost]);
    hub.unsure(at(2_000));
    assert_eq!(notes.take(), []);
}
