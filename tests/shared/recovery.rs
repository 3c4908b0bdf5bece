//! How `RedisTier` comes back, and what it makes good for then.

use std::time::Duration;

use bellwether::ErrorKind;
use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::faults::*;
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

#[tokio::test]
async fn questions_come_back_in_steps_after_an_outage() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    freeze(&server, &tier).await;
    sleep(SECOND / 2).await;
    server.cont();
    until_is(&tier, true).await;
    let mut through = 0;
    for _ in 0..200 {
        through += usize::from(tier.acquire(ask(fresh_id())).await.is_ok());
    }
    assert!((1..150).contains(&through), "{through} of 200 at once");
    assert_eq!(call(&tier).await, Ok(false), "a follow-up is never held");
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_no_error_and_is_found_later() {
    let mut server = RedisServer::start();
    server.kill();
    let start = Instant::now();
    let tier = RedisTier::connect(&server.url()).await.expect("no error");
    assert!(start.elapsed() < 2 * SECOND && !tier.is_up());
    let notes = Notes::hear(&tier);
    assert_eq!(notes.all(), [TierEvent::Lost]);
    assert_eq!(call(&tier).await, Err(ErrorKind::Unavailable));
    server.restart();
    until_is(&tier, true).await;
    assert_eq!(notes.all()[..2], [TierEvent::Lost, TierEvent::Resumed]);
}

#[tokio::test]
async fn a_replica_is_not_used_until_it_is_a_master_again() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    run::<()>(&server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    for _ in 0..5 {
        let error = tier
            .purge(id, PurgeKind::Soft, SECOND)
            .await
            .expect_err("read-only");
        assert!(error.is_unavailable(), "{error:?}");
    }
    until_is(&tier, false).await;
    sleep(SECOND).await;
    assert!(!tier.is_up(), "a replica answers, but does no work");
    run::<()>(&server, &["REPLICAOF", "NO", "ONE"]).await;
    until_is(&tier, true).await;
}

#[tokio::test]
async fn a_purge_that_was_not_delivered_comes_before_the_first_call_after_recovery() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let mut ids = vec![];
    for _ in 0..250 {
        ids.push(store(&tier, "b").await);
    }
    freeze(&server, &tier).await;
    for id in &ids {
        let purged = tier.purge(*id, PurgeKind::Hard, SECOND).await;
        assert!(purged.expect_err("frozen").is_unavailable());
    }
    let notes = Notes::hear(&other);
    server.cont();
    until_is(&tier, true).await;
    // Before any call of this node: others must not read it either.
    for id in &ids {
        let key = format!("{{bw1:default:{id}}}:e");
        assert_eq!(run::<i64>(&server, &["HEXISTS", &key, "v"]).await, 0);
    }
    assert_eq!(acquire(&tier, ids[0]).await.view, None);
    let told = |id| {
        notes
            .about(id)
            .iter()
            .any(|event| matches!(event, TierEvent::Purged { .. }))
    };
    assert!(ids.iter().all(|id| told(*id)));
}

#[tokio::test]
async fn a_purge_that_timed_out_comes_before_the_next_call_about_its_entry() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    // No time at all: the purge is not even sent, but it is owed.
    let purged = tier.purge(id, PurgeKind::Hard, Duration::ZERO).await;
    assert!(purged.expect_err("no time").is_unavailable());
    assert_eq!(tier.acquire(ask(id)).await.unwrap().view, None);
}

#[tokio::test]
async fn a_lease_that_nobody_heard_of_is_given_back() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let (timed_out, dropped) = (fresh_id(), fresh_id());
    server.stop();
    tier.acquire(ask(timed_out)).await.expect_err("frozen");
    let cut = tier.acquire(ask(dropped));
    tokio::time::timeout(Duration::from_millis(10), cut)
        .await
        .expect_err("frozen");
    // Thawed, the server grants both leases to nobody.
    server.cont();
    for id in [timed_out, dropped] {
        let start = Instant::now();
        loop {
            let answer = acquire(&other, id).await;
            if matches!(answer.grant, Grant::Lease { .. }) {
                break;
            }
            assert!(start.elapsed() < 5 * SECOND, "of ten seconds: {answer:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_cut_connection_says_lost_then_resumed_then_alive_and_loses_no_later_event() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let notes = Notes::hear(&tier);
    sleep(Duration::from_millis(1_500)).await;
    assert!(notes.all().contains(&TierEvent::Alive) && !notes.all().contains(&TierEvent::Lost));
    let before = notes.all().len();
    run::<()>(&server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let start = Instant::now();
    while !notes.all()[before..].contains(&TierEvent::Alive) {
        assert!(start.elapsed() < 3 * SECOND);
        sleep(Duration::from_millis(5)).await;
    }
    let heard = &notes.all()[before..];
    assert_eq!(
        heard[..3],
        [TierEvent::Lost, TierEvent::Resumed, TierEvent::Alive]
    );
    until_is(&other, true).await;
    let id = fresh_id();
    other.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(notes.about(id).len(), 1);
}

#[tokio::test]
async fn an_idle_node_notices_a_frozen_server_by_its_heartbeat() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let notes = Notes::hear(&tier);
    server.stop();
    let took = until_is(&tier, false).await;
    assert!(took < 6 * SECOND, "{took:?}");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(notes.all().last(), Some(&TierEvent::Lost));
}

#[tokio::test]
async fn a_call_takes_no_longer_than_its_caller_has_and_hurry_is_no_failure() {
    let server = RedisServer::start();
    let builder = RedisTier::builder(&server.url()).timeout(2 * SECOND);
    let tier = builder.connect().await.unwrap();
    server.stop();
    let start = Instant::now();
    for _ in 0..20 {
        let within = Duration::from_millis(5);
        let hurried = Ask {
            within,
            ..ask(fresh_id())
        };
        assert!(
            tier.acquire(hurried)
                .await
                .expect_err("frozen")
                .is_unavailable()
        );
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    assert!(tier.is_up());
}

#[tokio::test]
async fn the_last_clone_ends_the_connections_and_the_supervisor() {
    let server = RedisServer::start();
    let clients = async || {
        run::<String>(&server, &["CLIENT", "LIST"])
            .await
            .lines()
            .count()
    };
    let tier = connect(&server).await;
    let clone = tier.clone();
    drop(tier);
    assert_eq!(call(&clone).await, Ok(false));
    assert_eq!(clients().await, 3);
    drop(clone);
    let start = Instant::now();
    while clients().await > 1 {
        assert!(start.elapsed() < 2 * SECOND);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn leases_granted_after_a_freeze_longer_than_themselves_are_given_back_too() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let lease = 4 * SECOND;
    let asked = |_| Ask {
        lease,
        ..ask(fresh_id())
    };
    let asked: Vec<_> = (0..8).map(asked).collect();
    server.stop();
    // Enough of them to open the breaker: nothing can be given back on this connection.
    let failed = asked.iter().map(|ask| tier.acquire(ask.clone()));
    for result in futures_util::future::join_all(failed).await {
        result.expect_err("frozen");
    }
    assert!(!tier.is_up());
    sleep(lease + SECOND / 2).await;
    // Only now are they granted, for their whole length.
    server.cont();
    let start = Instant::now();
    for ask in &asked {
        while !matches!(acquire(&other, ask.id).await.grant, Grant::Lease { .. }) {
            assert!(start.elapsed() < 5 * SECOND / 2, "as long as the lease");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
