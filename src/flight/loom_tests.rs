//! Every interleaving of the flight's primitives, checked by loom.
//!
//! Run with `RUSTFLAGS="--cfg bellwether_loom" cargo test --release --lib loom`.

use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;

use crate::flight::latch::Latch;
use crate::flight::{Flights, Item, Log, Seat};
use crate::key::EntryId;

const URL: EntryId = EntryId::from_bytes([1; 16]);

#[test]
fn loom_no_wake_up_is_lost() {
    loom::model(|| {
        let latch = Arc::new(Latch::new());
        let setter = {
            let latch = Arc::clone(&latch);
            thread::spawn(move || latch.set(7))
        };
        assert_eq!(block_on(latch.wait()), Some(7));
        setter.join().expect("the setter ends");
    });
}

#[test]
fn loom_a_leaving_waiter_disturbs_no_other() {
    loom::model(|| {
        let latch = Arc::new(Latch::new());
        let leaver = {
            let latch = Arc::clone(&latch);
            thread::spawn(move || {
                let mut wait = Box::pin(latch.wait());
                block_on(std::future::poll_fn(|cx| {
                    let _ = wait.as_mut().poll(cx);
                    Poll::Ready(())
                }));
            })
        };
        let setter = {
            let latch = Arc::clone(&latch);
            thread::spawn(move || latch.set(7))
        };
        assert_eq!(block_on(latch.wait()), Some(7));
        leaver.join().expect("the leaver ends");
        setter.join().expect("the setter ends");
    });
}

#[test]
fn loom_two_who_come_at_once_get_one_leader_and_one_result() {
    loom::model(|| {
        let flights = Flights::<u8>::new();
        let come = |flights: Arc<Flights<u8>>| match flights.join(URL, URL) {
            Seat::Lead(lead) => {
                lead.announce(7);
                Some(7)
            }
            Seat::Follow(wait) => block_on(wait),
        };
        let other = {
            let flights = Arc::clone(&flights);
            thread::spawn(move || come(flights))
        };
        assert_eq!(come(flights), Some(7));
        assert_eq!(other.join().expect("it ends"), Some(7));
    });
}

#[test]
fn loom_an_abandoned_flight_always_leaves_a_vacant_seat() {
    loom::model(|| {
        let flights = Flights::<u8>::new();
        let Seat::Lead(lead) = flights.join(URL, URL) else {
            panic!("the seat is vacant")
        };
        let follower = {
            let flights = Arc::clone(&flights);
            thread::spawn(move || {
                loop {
                    match flights.join(URL, URL) {
                        Seat::Lead(lead) => {
                            lead.announce(1);
                            break;
                        }
                        Seat::Follow(wait) => assert_eq!(block_on(wait), None),
                    }
                }
            })
        };
        drop(lead);
        follower.join().expect("it ends");
    });
}

#[test]
fn loom_nothing_purged_stays_stored() {
    loom::model(|| {
        let flights = Flights::<u8>::new();
        let stored = Arc::new(loom::sync::Mutex::new(false));
        let Seat::Lead(lead) = flights.join(URL, URL) else {
            panic!("the seat is vacant")
        };
        let leader = {
            let stored = Arc::clone(&stored);
            thread::spawn(move || lead.store(|| *stored.lock().expect("no one panics") = true))
        };
        flights.purge(URL);
        *stored.lock().expect("no one panics") = false;
        leader.join().expect("it ends");
        assert!(!*stored.lock().expect("no one panics"));
    });
}

#[test]
fn loom_a_reader_sees_all_of_a_body_and_its_end() {
    loom::model(|| {
        let (mut writer, log) = Log::new(100, None);
        let mut reader = log.reader().expect("it is whole");
        let write = thread::spawn(move || {
            writer.push(b"ab");
            writer.finish(None);
        });
        let mut body = Vec::new();
        while let Some(item) = block_on(std::future::poll_fn(|cx| reader.poll_next(cx))) {
            if let Item::Data(bytes) = item.expect("a clean end") {
                body.extend_from_slice(&bytes);
            }
        }
        assert_eq!(body, b"ab");
        write.join().expect("it ends");
    });
}

#[test]
fn loom_a_writer_held_back_by_the_limit_goes_on_when_its_reader_leaves() {
    loom::model(|| {
        let (mut writer, log) = Log::new(1, None);
        let reader = log.reader().expect("it is whole");
        let leave = thread::spawn(move || drop(reader));
        writer.push(&[0; 300 << 10]);
        writer.seal();
        block_on(writer.room());
        writer.finish(None);
        leave.join().expect("it ends");
    });
}

#[test]
fn loom_a_writer_hears_that_its_last_reader_has_left() {
    loom::model(|| {
        let (writer, log) = Log::new(1, None);
        let (one, other) = (log.reader(), log.reader());
        let leave = [one, other].map(|reader| thread::spawn(move || drop(reader)));
        block_on(writer.deserted());
        for left in leave {
            left.join().expect("it ends");
        }
    });
}
