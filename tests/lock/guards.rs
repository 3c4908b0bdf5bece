//! What a holder is told, and when: in virtual time.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bellwether::lock::*;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::patchy::Patchy;
use crate::support::SECOND;

const LEASE: Duration = Duration::from_secs(9);

/// What is taken off a lease for clocks that do not run alike.
fn valid(lease: Duration) -> Duration {
    lease - lease / 100 - Duration::from_millis(2)
}

/// Within a tick of tokio's timer, and never before.
#[track_caller]
fn assert_at(since: Instant, expected: Duration) {
    let at = since.elapsed();
    let late = at.checked_sub(expected);
    let fits = late.is_some_and(|late| late <= Duration::from_millis(2));
    assert!(fits, "at {at:?} instead of {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_renewed_at_a_third_of_its_lease_for_as_long_as_it_is_held() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    for _ in 0..90 {
        sleep(SECOND).await;
        assert!(lock.try_lock().await.unwrap_err().is_held());
        assert!(guard.left() > LEASE / 2, "{:?}", guard.left());
    }
    let renewals = store.renewals();
    assert!((26..=34).contains(&renewals), "{renewals} in ten leases");
    guard.release().await.unwrap();
    sleep(10 * LEASE).await;
    assert_eq!(store.renewals(), renewals);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_it_is_lost_when_its_lease_may_be_over_and_not_before() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let (guard, granted) = (lock.try_lock().await.unwrap(), Instant::now());
    store.silent(true);
    let lost = timeout(10 * LEASE, guard.lost()).await;
    assert_eq!(lost.unwrap(), Loss::Unconfirmed);
    assert_at(granted, valid(LEASE));
    // Not one heartbeat, but as many as there was time for.
    assert!(store.renewals() > 3, "{}", store.renewals());
    assert_eq!(guard.left(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_silence_shorter_than_the_lease_costs_nothing() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    for _ in 0..10 {
        store.silent(true);
        sleep(LEASE / 2).await;
        store.silent(false);
        sleep(LEASE / 2).await;
    }
    assert_eq!(guard.loss(), None);
    guard.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_said_to_be_lost_stays_so_even_if_it_was_renewed() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    store.late();
    assert_eq!(guard.lost().await, Loss::Unconfirmed);
    sleep(10 * LEASE).await;
    assert_eq!(guard.loss(), Some(Loss::Unconfirmed));
    // Nor does the heartbeat keep it for nobody.
    assert_eq!(store.renewals(), 1);
    assert!(guard.extend(LEASE).await.unwrap_err().is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_it_says_so_at_the_next_heartbeat() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let (guard, granted) = (lock.try_lock().await.unwrap(), Instant::now());
    store.forget_all();
    assert_eq!(guard.lost().await, Loss::Refused);
    assert!(granted.elapsed() <= LEASE * 11 / 30 + SECOND / 100);
    let error = guard.release().await.unwrap_err();
    assert!(matches!(error, LockError::Lost(Loss::Refused)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_longest_hold_ends_to_the_moment_and_frees_the_lock() {
    let lock = MemoryLock::new()
        .named("x")
        .lease(LEASE)
        .longest(20 * SECOND);
    let (guard, granted) = (lock.try_lock().await.unwrap(), Instant::now());
    let error = guard.run(std::future::pending::<()>()).await.unwrap_err();
    assert!(matches!(error, LockError::Lost(Loss::Capped)), "{error}");
    assert_at(granted, 20 * SECOND);
    drop(guard);
    lock.lock(SECOND / 100).await.expect("free");
}

#[tokio::test(start_paused = true)]
async fn without_renewal_it_is_lost_at_its_end_unless_extended() {
    let lock = MemoryLock::new().named("x").lease(LEASE).renewed(false);
    let (guard, granted) = (lock.try_lock().await.unwrap(), Instant::now());
    sleep(LEASE / 2).await;
    guard.extend(LEASE).await.unwrap();
    // One that is shorter takes nothing away.
    guard.extend(SECOND).await.unwrap();
    assert_eq!(guard.lost().await, Loss::Unconfirmed);
    assert_at(granted, LEASE / 2 + valid(LEASE));
    assert!(guard.extend(LEASE).await.unwrap_err().is_lost());
}

#[tokio::test(start_paused = true)]
async fn an_extension_is_not_cut_short_by_the_heartbeat() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let (guard, granted) = (lock.try_lock().await.unwrap(), Instant::now());
    guard.extend(10 * LEASE).await.unwrap();
    sleep(2 * LEASE).await;
    store.silent(true);
    assert_eq!(guard.lost().await, Loss::Unconfirmed);
    assert_at(granted, valid(10 * LEASE));
}

/// Counts its polls and its drops, and always has a timer that is due soon.
struct Work(Rc<Cell<usize>>, Rc<Cell<bool>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.1.set(true);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_wakes_up_from_a_pause_takes_no_further_step() {
    let lock = MemoryLock::new().named("x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    let (polls, dropped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let work = Work(Rc::clone(&polls), Rc::clone(&dropped));
    let work = async move {
        loop {
            work.0.set(work.0.get() + 1);
            sleep(SECOND / 10).await;
        }
    };
    let mut run = tokio_test::task::spawn(guard.run(work));
    assert!(run.poll().is_pending());
    assert_eq!(polls.get(), 1);
    // The process stands still: the timer of the work is due, and the lease is over.
    advance(LEASE).await;
    let Poll::Ready(Err(error)) = run.poll() else {
        panic!("not stopped")
    };
    assert!(error.is_lost() && polls.get() == 1, "{} steps", polls.get());
    drop(run);
    assert!(dropped.get());
}

#[tokio::test(start_paused = true)]
async fn work_that_was_done_is_not_lost() {
    let lock = MemoryLock::new().named("x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    let work = async {
        sleep(LEASE * 3).await;
        7
    };
    assert_eq!(guard.run(work).await.unwrap(), 7);
    // Done in the very poll in which the lease ran out.
    let mut polls = 0;
    let work = poll_fn(|_| {
        polls += 1;
        Poll::Ready(polls)
    });
    assert_eq!(guard.run(work).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_gives_the_lock_back_and_says_so_to_those_who_watch() {
    let lock = MemoryLock::new().named("x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    let lost = tokio::spawn(guard.lost());
    tokio::task::yield_now().await;
    let dropped = Instant::now();
    drop(guard);
    assert_eq!(lost.await.unwrap(), Loss::Released);
    let guard = lock.lock(SECOND).await.unwrap();
    assert_at(dropped, Duration::ZERO);
    guard.release().await.unwrap();
    lock.try_lock().await.expect("free");
}

#[test]
fn a_guard_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lock = MemoryLock::new().named("x");
    let guard = runtime.block_on(lock.try_lock()).unwrap();
    drop(runtime);
    assert!(!guard.is_lost());
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_had_at_the_last_moment_is_renewed_as_well_as_any_other() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x").lease(LEASE);
    let first = lock.try_lock().await.unwrap();
    let waiting = lock.clone();
    let waiting = tokio::spawn(async move { waiting.lock(SECOND).await });
    sleep(SECOND - Duration::from_millis(3)).await;
    drop(first);
    let guard = waiting.await.unwrap().expect("in time");
    sleep(LEASE).await;
    // The time that its renewals have is not what was left of the deadline then.
    let (least, _) = store.given();
    assert!(least >= SECOND / 2, "{least:?}");
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_asked_more_than_once_within_a_short_lease() {
    let store = Patchy::default();
    let lease = SECOND / 2;
    let lock = Lock::new(store.clone(), "x").lease(lease);
    let guard = lock.try_lock().await.unwrap();
    for _ in 0..10 {
        // From before a renewal until there is time for one more.
        sleep(lease / 4).await;
        store.silent(true);
        sleep(lease / 3).await;
        store.silent(false);
        sleep(lease).await;
    }
    assert_eq!(guard.loss(), None);
    assert!(store.given().1 < lease / 3, "{:?}", store.given());
}
