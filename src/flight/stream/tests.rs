use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;

const PLENTY: u64 = 1 << 30;
const KIB: usize = 1024;

fn log_of(limit: u64) -> (Writer, Arc<Log>) {
    Log::new(limit, None, &Budget::new(PLENTY))
}

fn next(reader: &mut task::Spawn<Reader>) -> Poll<Option<Result<Item, Broken>>> {
    reader.enter(|cx, mut reader| reader.poll_next(cx))
}

fn data(poll: Poll<Option<Result<Item, Broken>>>) -> Bytes {
    match poll {
        Poll::Ready(Some(Ok(Item::Data(bytes)))) => bytes,
        other => panic!("expected data, got {other:?}"),
    }
}

/// Reads until there is nothing more now; how many bytes that were.
fn drain(reader: &mut task::Spawn<Reader>) -> usize {
    let mut read = 0;
    while let Poll::Ready(Some(Ok(Item::Data(bytes)))) = next(reader) {
        read += bytes.len();
    }
    read
}

fn push(writer: &Writer, text: &'static str) {
    writer.push(text.as_bytes());
}

#[test]
fn readers_get_each_piece_as_it_comes_and_late_ones_all_of_it() {
    let (mut writer, log) = log_of(100);
    let mut early = task::spawn(log.reader().expect("it is whole"));
    assert_pending!(next(&mut early));
    push(&writer, "ab");
    assert!(early.is_woken());
    assert_eq!(data(next(&mut early)), "ab");
    push(&writer, "c");
    let mut late = task::spawn(log.reader().expect("it is whole"));
    assert_eq!(data(next(&mut late)), "ab");
    assert_eq!(data(next(&mut late)), "c");
    assert_eq!(writer.collect().expect("within the limit").whole(), "abc");
    writer.finish(None);
    assert!(late.is_end());
    assert!(matches!(next(&mut late), Poll::Ready(None)));
}

#[test]
fn a_writer_that_goes_away_breaks_the_body_and_never_ends_it() {
    let (writer, log) = log_of(100);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    push(&writer, "ab");
    drop(writer);
    assert_eq!(data(next(&mut reader)), "ab");
    assert!(!reader.is_end());
    assert!(matches!(next(&mut reader), Poll::Ready(Some(Err(Broken)))));
}

#[test]
fn trailers_come_last() {
    let (mut writer, log) = log_of(100);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().expect("a value"));
    writer.finish(Some(trailers));
    assert!(!reader.is_end());
    assert!(matches!(
        next(&mut reader),
        Poll::Ready(Some(Ok(Item::Trailers(_))))
    ));
    assert!(matches!(next(&mut reader), Poll::Ready(None)));
}

#[test]
fn all_readers_and_the_store_share_one_copy() {
    let (writer, log) = log_of(PLENTY);
    let mut early = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[7; 2_000]);
    assert_eq!(drain(&mut early), 2_000);
    writer.push(&[7; 600 * KIB]);
    let stored = writer.collect().expect("within the limit");
    for _ in 0..3 {
        let mut late = task::spawn(log.reader().expect("it is whole"));
        for piece in stored.pieces() {
            assert_eq!(data(next(&mut late)).as_ptr(), piece.as_ptr());
        }
    }
}

#[test]
fn sealed_the_slowest_reader_sets_the_pace_and_memory_is_returned() {
    let budget = Budget::new(PLENTY);
    let (writer, log) = Log::new(100 * KIB as u64, None, &budget);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[0; 100 * KIB]);
    assert_eq!(writer.given_up(), None);
    writer.push(&[0; 200 * KIB]);
    assert_eq!(writer.given_up(), Some(GivenUp::TooLarge));
    assert!(writer.collect().is_none());
    assert_eq!(budget.used(), 300 * KIB as u64);
    drop(log.reader().expect("its start is there until it is sealed"));
    writer.seal();
    assert!(log.reader().is_none(), "its start may go");
    let mut room = task::spawn(writer.room());
    assert_pending!(room.poll());
    assert_eq!(drain(&mut reader), 300 * KIB);
    assert!(room.is_woken());
    assert_ready!(room.poll());
    assert_eq!(budget.used(), 0);
    assert_eq!(log.state.lock().pieces.held(), 0);
}

#[test]
fn of_several_readers_the_slowest_may_be_behind_by_as_much_as_could_have_been_stored() {
    let (writer, log) = log_of(1 << 20);
    let mut quick = task::spawn(log.reader().expect("it is whole"));
    let mut slow = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[0; (1 << 20) + 1]);
    writer.seal();
    drain(&mut quick);
    drain(&mut slow);
    writer.push(&[0; 600 * KIB]);
    drain(&mut quick);
    assert!(writer.has_room());
    writer.push(&[0; 500 * KIB]);
    drain(&mut quick);
    assert!(!writer.has_room());
    assert!(writer.keeps_somebody_waiting());
    drop(slow);
    assert!(writer.has_room(), "the quick one has read all");
    writer.push(&[0; 300 * KIB]);
    assert!(!writer.has_room(), "alone, one needs no such room");
    assert!(!writer.keeps_somebody_waiting());
    drop(quick);
    writer.push(&[0; 300 * KIB]);
    assert!(writer.has_room(), "nobody is waited for who has left");
}

#[test]
fn without_room_for_all_bodies_the_one_that_takes_too_much_is_given_up() {
    let budget = Budget::new(500 * KIB as u64);
    let (mut stays, _log) = Log::new(PLENTY, None, &budget);
    let (goes, log) = Log::new(PLENTY, None, &budget);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    stays.push(&[0; 300 * KIB]);
    goes.push(&[0; 200 * KIB]);
    assert_eq!((stays.given_up(), goes.given_up()), (None, None));
    goes.push(&[0; 1]);
    assert_eq!(goes.given_up(), Some(GivenUp::NoRoom));
    goes.seal();
    drain(&mut reader);
    assert_eq!(budget.used(), 300 * KIB as u64);
    stays.push(&[0; 250 * KIB]);
    assert_eq!(stays.given_up(), Some(GivenUp::NoRoom));
    goes.push(&[0; 100 * KIB]);
    assert!(!goes.has_room(), "a small window while memory is short");
    stays.finish(None);
    assert_eq!(budget.used(), 100 * KIB as u64);
    assert!(goes.has_room());
    drop(goes);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_was_given_up_is_no_longer_in_the_budget_once_it_has_ended() {
    let budget = Budget::new(PLENTY);
    let (mut writer, log) = Log::new(1, None, &budget);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[0; 10]);
    writer.seal();
    writer.finish(None);
    assert_eq!(budget.used(), 0);
    assert_eq!(drain(&mut reader), 10);
    drop((reader, log, writer));
    assert_eq!(budget.used(), 0, "nothing is given back twice");
}

#[test]
fn a_reader_that_leaves_frees_the_writer() {
    let (writer, log) = log_of(1);
    let reader = log.reader().expect("it is whole");
    writer.push(&[0; 300 * KIB]);
    writer.seal();
    let mut room = task::spawn(writer.room());
    assert_pending!(room.poll());
    drop(reader);
    assert!(room.is_woken());
    assert_ready!(room.poll());
    assert!(!writer.has_readers());
}

#[test]
fn the_writer_hears_that_all_have_left_and_that_somebody_came() {
    let (writer, log) = log_of(100);
    let (one, other) = (log.reader(), log.reader());
    let mut deserted = task::spawn(writer.deserted());
    assert_pending!(deserted.poll());
    drop(one);
    assert_pending!(deserted.poll());
    drop(other);
    assert!(deserted.is_woken());
    assert_ready!(deserted.poll());
    let mut again = task::spawn(writer.read_again());
    assert_pending!(again.poll());
    let _reader = log.reader();
    assert!(again.is_woken());
    assert_ready!(again.poll());
}

#[test]
fn a_reader_that_stands_still_is_left_behind_and_its_body_breaks() {
    let (writer, log) = log_of(3);
    let mut still = task::spawn(log.reader().expect("it is whole"));
    let mut quick = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[0; 300 * KIB]);
    writer.seal();
    assert!(!writer.keeps_somebody_waiting(), "both are behind");
    drain(&mut quick);
    assert_pending!(task::spawn(writer.room()).poll());
    assert!(writer.keeps_somebody_waiting());
    writer.leave_slowest_behind();
    assert_ready!(task::spawn(writer.room()).poll());
    assert!(!still.is_end());
    assert!(matches!(next(&mut still), Poll::Ready(Some(Err(Broken)))));
    push(&writer, "e");
    assert_eq!(data(next(&mut quick)), "e");
    assert!(!writer.keeps_somebody_waiting(), "nobody is behind");
}

#[test]
fn a_kept_place_holds_the_start_and_is_given_up_by_a_client_that_leaves() {
    let (writer, log) = log_of(1);
    let (berth, claim) = Berth::new();
    berth.keep(log.reader().expect("it is whole"));
    push(&writer, "abc");
    writer.seal();
    let mut reader = task::spawn(claim.take().expect("it was kept"));
    assert_eq!(data(next(&mut reader)), "abc");

    let (berth, claim) = Berth::new();
    let (writer, log) = log_of(1);
    berth.keep(log.reader().expect("it is whole"));
    drop(claim);
    assert!(!writer.has_readers());
    berth.keep(log.reader().expect("it is whole"));
    assert!(!writer.has_readers(), "who has left gets no place");
}
