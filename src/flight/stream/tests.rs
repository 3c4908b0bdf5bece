use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;

const PLENTY: u64 = 1 << 30;
const KIB: usize = 1024;

fn log_of(limit: u64) -> (Writer, Arc<Log>) {
    Log::new(limit, None)
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
    let (writer, log) = log_of(100 * KIB as u64);
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    writer.push(&[0; 100 * KIB]);
    assert_eq!(writer.given_up(), None);
    writer.push(&[0; 200 * KIB]);
    assert_eq!(writer.given_up(), Some(GivenUp::TooLarge));
    assert!(writer.collect().is_none());
    drop(log.reader().expect("its start is there until it is sealed"));
    writer.seal();
    assert!(log.reader().is_none(), "its start may go");
    let mut room = task::spawn(writer.room());
    assert_pending!(room.poll());
    assert_eq!(drain(&mut reader), 300 * KIB);
    assert!(room.is_woken());
    assert_ready!(room.poll());
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

/// A log of announced length, and its wait for a share.
async fn admitted(announced: Option<u64>, budget: &Arc<Budget>) -> Writer {
    let (writer, _) = Log::new(PLENTY, announced);
    writer.admit(budget).await;
    writer
}

#[tokio::test(start_paused = true)]
async fn a_body_takes_its_share_before_it_begins_and_gives_it_back_at_its_end() {
    let budget = Budget::new(500 * KIB as u64);
    let mut first = admitted(Some(300 * KIB as u64), &budget).await;
    assert_eq!(budget.used(), 300 * KIB as u64);
    first.push(&[0; 300 * KIB]);
    assert_eq!((first.given_up(), budget.used()), (None, 300 * KIB as u64));
    // The second has to wait, and nobody who comes later overtakes it.
    let second = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { admitted(Some(400 * KIB as u64), &budget).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let third = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { admitted(Some(1), &budget).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished() && !third.is_finished());
    first.finish(None);
    let second = second.await.expect("no panic");
    let third = third.await.expect("no panic");
    assert_eq!((second.given_up(), third.given_up()), (None, None));
    assert_eq!(budget.used(), 401 * KIB as u64);
    drop((second, third));
    assert_eq!(budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn behind_bodies_that_stand_still_nobody_waits_for_long() {
    let budget = Budget::new(500 * KIB as u64);
    let slow = admitted(Some(500 * KIB as u64), &budget).await;
    let begun = tokio::time::Instant::now();
    let refused = admitted(Some(1), &budget).await;
    assert_eq!(refused.given_up(), Some(GivenUp::NoRoom));
    assert!(begun.elapsed() < Duration::from_millis(300));
    drop(slow);
    assert_eq!(admitted(Some(1), &budget).await.given_up(), None);
    // And what can never fit does not wait at all.
    let begun = tokio::time::Instant::now();
    let large = admitted(Some(501 * KIB as u64), &budget).await;
    assert_eq!(large.given_up(), Some(GivenUp::NoRoom));
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn in_a_rush_everyone_waits_for_their_turn() {
    let budget = Budget::new(KIB as u64);
    // Each takes 200 ms: too long for one to wait for all, but one after the other ends.
    let bodies = (0..10).map(|_| {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move {
            let mut body = admitted(Some(1), &budget).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            body.finish(None);
            body.given_up()
        })
    });
    for body in bodies.collect::<Vec<_>>() {
        assert_eq!(body.await.expect("no panic"), None);
    }
    assert_eq!(budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_grows_as_far_as_there_is_room() {
    let budget = Budget::new(300 * KIB as u64);
    let (stays, _) = Log::new(PLENTY, None);
    stays.admit(&budget).await;
    stays.push(&[0; 150 * KIB]);
    let (goes, log) = Log::new(PLENTY, None);
    goes.admit(&budget).await;
    let mut reader = task::spawn(log.reader().expect("it is whole"));
    goes.push(&[0; 100 * KIB]);
    assert_eq!((stays.given_up(), goes.given_up()), (None, None));
    goes.push(&[0; 100 * KIB]);
    assert_eq!(goes.given_up(), Some(GivenUp::NoRoom));
    assert_eq!(budget.used(), 150 * KIB as u64, "its share is free at once");
    goes.seal();
    assert!(
        !goes.has_room(),
        "one chunk at a time while memory is short"
    );
    drain(&mut reader);
    assert!(goes.has_room());
    assert_eq!(stays.given_up(), None);
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
