//! How locks are waited for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::lock::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::patchy::Patchy;
use crate::support::SECOND;
use crate::support::redis_server::{RedisServer, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_heard_long_before_the_next_poll() {
    let server = RedisServer::start();
    let one = RedisLock::connect(&server.url()).await.unwrap();
    let other = RedisLock::connect(&server.url()).await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let guard = one.named("x").lease(60 * SECOND).try_lock().await.unwrap();
        let waiter = other.named("x");
        let waiting = tokio::spawn(async move { (waiter.lock(20 * SECOND).await, Instant::now()) });
        // The polls are a second apart by then.
        sleep(3 * SECOND / 2).await;
        let released = Instant::now();
        guard.release().await.unwrap();
        let (guard, had) = waiting.await.unwrap();
        waits.push(had - released);
        guard.unwrap().release().await.unwrap();
    }
    waits.sort_unstable();
    println!("release to had, over two processes' connections: {waits:?}");
    // By polls alone it would be half a second; and at most so by one of three.
    assert!(waits[4] < SECOND / 10, "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_message_the_lock_is_had_by_the_slow_poll() {
    let server = RedisServer::start();
    let locks = RedisLock::connect(&server.url()).await.unwrap();
    let guard = locks
        .named("x")
        .lease(60 * SECOND)
        .try_lock()
        .await
        .unwrap();
    let waiter = locks.named("x");
    let waiting = tokio::spawn(async move { waiter.lock(20 * SECOND).await });
    sleep(SECOND).await;
    // Taken away without a word.
    let keys: Vec<String> = run(&server, &["KEYS", "*:l"]).await;
    assert_eq!(run::<i64>(&server, &["DEL", &keys[0]]).await, 1);
    let gone = Instant::now();
    let second = waiting.await.unwrap().unwrap();
    let waited = gone.elapsed();
    assert!(waited < 3 * SECOND / 2, "{waited:?}");
    assert!(second.fence() > guard.fence());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_and_the_place_in_the_line_given_up() {
    let lock = MemoryLock::new().named("x");
    let guard = lock.try_lock().await.unwrap();
    let mut all = JoinSet::new();
    for waits in 1..=20 {
        let lock = lock.clone();
        all.spawn(async move {
            let begun = Instant::now();
            let error = lock.lock(waits * SECOND / 10).await.unwrap_err();
            assert!(matches!(error, LockError::TimedOut), "{error}");
            let over = begun.elapsed() - waits * SECOND / 10;
            assert!(over < Duration::from_millis(5), "{over:?}");
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert!(lock.lock(Duration::ZERO).await.unwrap_err().is_held());
    guard.release().await.unwrap();
    lock.lock(SECOND / 100).await.expect("nobody is in the way");
}

#[tokio::test(start_paused = true)]
async fn those_of_one_process_are_served_in_order_and_one_of_them_asks() {
    let store = Patchy::default();
    let lock = Lock::new(store.clone(), "x");
    let guard = lock.try_lock().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut all = JoinSet::new();
    for number in 0..1_000 {
        let (lock, order) = (lock.clone(), Arc::clone(&order));
        all.spawn(async move {
            let guard = lock.lock(1_000 * SECOND).await.unwrap();
            order.lock().unwrap().push(number);
            guard.release().await.unwrap();
        });
    }
    sleep(10 * SECOND).await;
    // The first of them, looking every second.
    let claims = store.claims();
    assert!(claims < 25, "{claims} claims of a thousand who wait");
    guard.release().await.unwrap();
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..1_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_compete_all_get_their_turn() {
    let server = RedisServer::start();
    let mut all = JoinSet::new();
    let end = Instant::now() + 4 * SECOND;
    for _ in 0..8 {
        let locks = RedisLock::connect(&server.url()).await.unwrap();
        all.spawn(async move {
            let (lock, mut turns) = (locks.named("x"), 0);
            while Instant::now() < end {
                let guard = lock.lock(10 * SECOND).await.expect("none is starved");
                turns += 1;
                // Long enough for all others to wait when it is released.
                sleep(SECOND / 1_000).await;
                guard.release().await.unwrap();
            }
            turns
        });
    }
    let mut turns = all.join_all().await;
    turns.sort_unstable();
    println!("turns of eight processes in 4 s: {turns:?}");
    // The release is told to all in the same order each time; that must not decide who is next.
    assert!(turns[0] * 4 > turns[7], "{turns:?}");
    assert!(turns.iter().sum::<usize>() > 100, "{turns:?}");
}

/// Dropped after each poll in turn: whatever had been sent by then, nothing stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_waiting_at_any_await_leaves_no_lock_behind() {
    let server = RedisServer::start();
    let locks = RedisLock::connect(&server.url()).await.unwrap();
    let (mut granted, mut dropped) = (0, 0);
    for round in 0..150 {
        let lock = locks.named(format!("x{round}")).lease(60 * SECOND);
        // Some of them have to wait first.
        let other = match round % 3 {
            0 => Some(lock.try_lock().await.unwrap()),
            _ => None,
        };
        let polls = 1 + round % 5;
        let mut waiting = Box::pin(lock.lock(10 * SECOND));
        let mut count = 0;
        let ended = std::future::poll_fn(|cx| {
            count += 1;
            let polled = waiting.as_mut().poll(cx);
            match polled {
                std::task::Poll::Ready(guard) => std::task::Poll::Ready(Some(guard)),
                std::task::Poll::Pending if count >= polls => std::task::Poll::Ready(None),
                std::task::Poll::Pending => {
                    // Not all polls are for a reason.
                    if round % 2 == 0 {
                        cx.waker().wake_by_ref();
                    }
                    std::task::Poll::Pending
                }
            }
        });
        let ended = tokio::time::timeout(SECOND / 5, ended).await.ok().flatten();
        drop(waiting);
        match ended {
            Some(guard) => {
                granted += 1;
                drop(guard.unwrap());
            }
            None => dropped += 1,
        }
        drop(other);
    }
    println!("{dropped} were dropped while they waited, {granted} had it");
    assert!(dropped > 30 && granted > 10, "{dropped} {granted}");
    let begun = Instant::now();
    loop {
        let left: Vec<String> = run(&server, &["KEYS", "*:l"]).await;
        if left.is_empty() {
            break;
        }
        assert!(begun.elapsed() < 3 * SECOND, "still held: {left:?}");
        sleep(SECOND / 50).await;
    }
}
