//! A lock over five real servers, some of which are down.

use std::time::Duration;

use bellwether::RedisTier;
use bellwether::lock::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::SECOND;
use crate::support::redis_server::{RedisServer, run};

const LEASE: Duration = Duration::from_millis(1_500);
/// Most time for a server to answer.
const SLOW: Duration = Duration::from_millis(250);

fn servers() -> Vec<RedisServer> {
    (0..5).map(|_| RedisServer::start()).collect()
}

async fn connect(servers: &[RedisServer]) -> Redlock {
    let mut nodes = Vec::new();
    for server in servers {
        // The machine is shared: what is late is to be what is down.
        let tier = RedisTier::builder(&server.url()).timeout(SLOW);
        nodes.push(RedisLock::new(tier.connect().await.unwrap()));
    }
    Redlock::new(nodes).unwrap().timeout(SLOW)
}

async fn leases(server: &RedisServer) -> usize {
    run::<Vec<String>>(server, &["KEYS", "*:l"]).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_of_five_servers_down_it_works() {
    let mut servers = servers();
    let (one, other) = (connect(&servers).await, connect(&servers).await);
    servers[0].kill();
    servers[1].stop();
    let lock = one.named("x").lease(LEASE);
    let guard = lock
        .lock(5 * SECOND)
        .await
        .expect("three of five are a majority");
    assert!(other.named("x").try_lock().await.unwrap_err().is_held());
    // By renewals of the three.
    let (end, mut held) = (Instant::now() + 3 * LEASE, 0);
    while Instant::now() < end {
        let error = other.named("x").try_lock().await.unwrap_err();
        held += usize::from(error.is_held());
        sleep(SECOND / 20).await;
    }
    assert!(held > 20, "{held} times");
    assert_eq!(guard.loss(), None);
    let asked = Instant::now();
    guard.release().await.unwrap();
    let second = other
        .named("x")
        .lock(SECOND)
        .await
        .expect("released on all");
    println!("release and grant with two down: {:?}", asked.elapsed());
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_three_of_five_servers_down_it_refuses_and_leaves_nothing_behind() {
    let mut servers = servers();
    let redlock = connect(&servers).await;
    let lock = redlock.named("x").lease(60 * SECOND);
    servers[0].kill();
    servers[1].kill();
    servers[2].stop();
    for _ in 0..8 {
        let asked = Instant::now();
        let error = lock.try_lock().await.unwrap_err();
        let took = asked.elapsed();
        assert!(
            error.is_unavailable() && took < SECOND,
            "{error} after {took:?}"
        );
        // Not even for a moment after it said so.
        assert_eq!(
            (leases(&servers[3]).await, leases(&servers[4]).await),
            (0, 0)
        );
    }
    let asked = Instant::now();
    assert!(lock.lock(SECOND / 2).await.unwrap_err().is_unavailable());
    assert!(asked.elapsed() < SECOND, "{:?}", asked.elapsed());
    // The one that was frozen hears of the claims when it thaws, and then that they are given back.
    servers[2].cont();
    let guard = lock.lock(5 * SECOND).await.expect("three are up");
    guard.release().await.unwrap();
    let thawed = Instant::now();
    while leases(&servers[2]).await > 0 {
        assert!(
            thawed.elapsed() < 5 * SECOND,
            "still leased where it was frozen"
        );
        sleep(SECOND / 50).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_majority_goes_the_holder_is_told_in_time() {
    let mut servers = servers();
    let redlock = connect(&servers).await;
    let guard = redlock.named("x").lease(LEASE).try_lock().await.unwrap();
    let held = Instant::now();
    for server in &mut servers[..3] {
        server.kill();
    }
    assert_eq!(guard.lost().await, Loss::Unconfirmed);
    assert!(held.elapsed() < LEASE + SECOND / 10, "{:?}", held.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_majority_comes_back_empty_the_holder_is_told_by_its_next_renewal() {
    let mut servers = servers();
    let redlock = connect(&servers).await;
    let lock = redlock.named("x").lease(4 * SECOND);
    let guard = lock.try_lock().await.unwrap();
    // Two are outvoted.
    for server in &mut servers[..2] {
        server.restart();
    }
    sleep(2 * SECOND).await;
    guard.extend(4 * SECOND).await.expect("three have it");
    servers[2].restart();
    assert_eq!(guard.lost().await, Loss::Refused);
    let second = lock.lock(5 * SECOND).await.unwrap();
    assert!(second.fence() > guard.fence());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_it_at_once_all_get_it_in_turn() {
    let servers = servers();
    let mut all = JoinSet::new();
    for _ in 0..6 {
        let lock = connect(&servers).await.named("x").lease(LEASE);
        all.spawn(async move {
            let mut fences = Vec::new();
            for _ in 0..5 {
                let guard = lock.lock(20 * SECOND).await.expect("none is starved");
                fences.push(guard.fence());
                sleep(SECOND / 100).await;
                guard.release().await.unwrap();
            }
            fences
        });
    }
    let begun = Instant::now();
    let mut fences = all.join_all().await.concat();
    println!("30 holds by six processes: {:?}", begun.elapsed());
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), 30, "each has a fence of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_dropped_half_way_is_given_back_on_all() {
    let servers = servers();
    let redlock = connect(&servers).await;
    for round in 0..60 {
        let lock = redlock.named(format!("x{round}")).lease(60 * SECOND);
        let mut asking = Box::pin(lock.try_lock());
        for _ in 0..=round % 6 {
            let once = std::future::poll_fn(|cx| {
                let ready = asking.as_mut().poll(cx).is_ready();
                std::task::Poll::Ready(ready)
            });
            if once.await {
                break;
            }
            sleep(Duration::from_micros(100)).await;
        }
    }
    let begun = Instant::now();
    for server in &servers {
        while leases(server).await > 0 {
            assert!(begun.elapsed() < 5 * SECOND, "still leased");
            sleep(SECOND / 50).await;
        }
    }
}

#[tokio::test]
async fn two_servers_are_too_few() {
    let nodes = [MemoryLock::new(), MemoryLock::new()];
    assert!(Redlock::new(nodes).unwrap_err().is_config());
}
