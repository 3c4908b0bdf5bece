//! Servers that die, freeze, come back empty, and that another one takes the place of.

use std::time::Duration;

use bellwether::lock::*;
use tokio::time::{Instant, sleep, timeout};

use crate::support::SECOND;
use crate::support::redis_sentinel::Sentinels;
use crate::support::redis_server::RedisServer;

const LEASE: Duration = Duration::from_millis(900);

async fn stage() -> (RedisServer, RedisLock) {
    let server = RedisServer::start();
    let locks = RedisLock::connect(&server.url()).await.unwrap();
    assert!(locks.is_up());
    (server, locks)
}

async fn until_up(locks: &RedisLock) {
    while !locks.is_up() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_an_error_at_once_and_the_lock_is_lost_with_its_lease() {
    let (mut server, locks) = stage().await;
    let lock = locks.named("x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    let held = Instant::now();
    server.kill();
    sleep(SECOND / 20).await;
    assert!(!guard.is_lost(), "nobody can have it yet");
    let asked = Instant::now();
    let error = lock.try_lock().await.unwrap_err();
    assert!(
        error.is_unavailable() && asked.elapsed() < SECOND / 5,
        "{error}"
    );
    // To the moment, with nobody to say so.
    let loss = timeout(2 * LEASE, guard.lost()).await.expect("lost");
    let after = held.elapsed();
    println!("server killed, lease {LEASE:?}: lost after {after:?}");
    assert_eq!(loss, Loss::Unconfirmed);
    assert!(after > LEASE / 2 && after < LEASE + SECOND / 5, "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_says_so_and_fences_go_on_rising() {
    let (mut server, locks) = stage().await;
    let lock = locks.named("x").lease(5 * SECOND);
    let guard = lock.try_lock().await.unwrap();
    server.restart();
    until_up(&locks).await;
    // It is gone there, so another one may have it: with a larger fence.
    let second = lock.lock(5 * SECOND).await.unwrap();
    assert!(second.fence() > guard.fence());
    let loss = timeout(3 * SECOND, guard.lost())
        .await
        .expect("by the next renewal");
    assert_eq!(loss, Loss::Refused);
    assert!(!second.is_lost());
    assert!(guard.release().await.is_err_and(|error| error.is_lost()));
    // Which took nothing away.
    assert!(lock.try_lock().await.is_err_and(|error| error.is_held()));
    second.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_shorter_than_the_lease_costs_a_waiter_nothing_but_time() {
    let (mut server, locks) = stage().await;
    server.kill();
    let lock = locks.named("x");
    let waiting = tokio::spawn(async move { lock.lock(10 * SECOND).await });
    sleep(SECOND / 2).await;
    assert!(!waiting.is_finished());
    server.restart();
    waiting.await.unwrap().expect("had after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_holds_nobody_up_beyond_what_is_said() {
    let (server, locks) = stage().await;
    let lock = locks.named("x").lease(LEASE);
    server.stop();
    for _ in 0..8 {
        let asked = Instant::now();
        let error = lock.try_lock().await.unwrap_err();
        let took = asked.elapsed();
        assert!(
            error.is_unavailable() && took < 3 * SECOND / 10,
            "{error} after {took:?}"
        );
    }
    let asked = Instant::now();
    let error = lock.lock(SECOND / 2).await.unwrap_err();
    let took = asked.elapsed();
    assert!(error.is_unavailable(), "{error}");
    assert!(
        took >= SECOND / 2 - SECOND / 100 && took < 3 * SECOND / 4,
        "{took:?}"
    );
    // What was asked for in vain is granted when it thaws, to nobody, and given back.
    server.cont();
    let thawed = Instant::now();
    lock.lock(5 * SECOND).await.expect("free");
    println!("thawed: had after {:?}", thawed.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_freeze_costs_the_holder_nothing() {
    let (server, locks) = stage().await;
    let lock = locks.named("x").lease(3 * SECOND);
    let guard = lock.try_lock().await.unwrap();
    sleep(SECOND / 2).await;
    server.stop();
    sleep(3 * SECOND / 2).await;
    server.cont();
    sleep(3 * SECOND).await;
    assert_eq!(guard.loss(), None);
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_dropped_while_the_server_was_away_is_given_back_later() {
    let (server, locks) = stage().await;
    let lock = locks.named("x").lease(60 * SECOND);
    let guard = lock.try_lock().await.unwrap();
    server.stop();
    while locks.is_up() {
        let _ = lock.try_lock().await;
    }
    drop(guard);
    server.cont();
    let guard = lock
        .lock(10 * SECOND)
        .await
        .expect("long before the lease ends");
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_there_is_one_holder_and_its_fence_is_larger() {
    let mut sentinels = Sentinels::start().await;
    let tier = bellwether::RedisTier::connect(&sentinels.url())
        .await
        .unwrap();
    let locks = RedisLock::new(tier);
    let lock = locks.named("x").lease(LEASE);
    let first = lock.lock(5 * SECOND).await.unwrap();
    sentinels.servers[0].kill();
    let killed = Instant::now();
    let second = lock.lock(20 * SECOND).await.expect("with the new master");
    println!(
        "master killed: had by the next after {:?}",
        killed.elapsed()
    );
    // The outage was longer than the lease, so the first one knew before the second one had it.
    assert_eq!(first.loss(), Some(Loss::Unconfirmed));
    assert!(second.fence() > first.fence());
    drop(first);
    assert!(lock.try_lock().await.is_err_and(|error| error.is_held()));
    second.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_costs_a_holder_nothing_whose_lease_was_copied() {
    let sentinels = Sentinels::start().await;
    let tier = bellwether::RedisTier::connect(&sentinels.url())
        .await
        .unwrap();
    let locks = RedisLock::new(tier);
    let lock = locks.named("x").lease(6 * SECOND);
    let guard = lock.lock(5 * SECOND).await.unwrap();
    // Time to be copied.
    sleep(SECOND / 2).await;
    sentinels.fail_over().await;
    until_up(&locks).await;
    guard
        .extend(6 * SECOND)
        .await
        .expect("still ours with the new master");
    assert!(lock.try_lock().await.is_err_and(|error| error.is_held()));
    guard.release().await.unwrap();
}

/// The cache of the same namespace may be emptied at any time: that is no business of its locks.
#[tokio::test]
async fn a_purge_of_everything_loses_no_lock() {
    let server = RedisServer::start();
    let tier = bellwether::RedisTier::connect(&server.url()).await.unwrap();
    let locks = RedisLock::new(tier.clone());
    let lock = locks.named("x").lease(LEASE);
    let guard = lock.try_lock().await.unwrap();
    bellwether::shared::SharedTier::purge_all(&tier, SECOND)
        .await
        .unwrap();
    // Long enough for it to have been renewed since, or to be lost.
    sleep(LEASE + LEASE / 2).await;
    assert_eq!(guard.loss(), None);
    let other = RedisLock::connect(&server.url()).await.unwrap();
    let asked = other.named("x").try_lock().await;
    assert!(asked.is_err_and(|error| error.is_held()));
    let fence = guard.fence();
    guard.release().await.unwrap();
    assert!(other.named("x").try_lock().await.unwrap().fence() > fence);
}
