//! What a Redis that dies, freezes, fills up or forgets does to the calls of `RedisTier`.
#![cfg(feature = "redis")]

mod support;

use std::time::Duration;

use bellwether::ErrorKind;
use bellwether::shared::{
    Committed, EntryId, Fence, Grant, PurgeKind, RedisTier, Renew, SharedTier, TierEvent, Token,
};
use tokio::time::{Instant, sleep};

use support::redis_server::{RedisServer, run};
use support::{Notes, SECOND, ask, commit, fresh_id, leased, release};

async fn connect(server: &RedisServer) -> RedisTier {
    let tier = RedisTier::connect(&server.url()).await.expect("a good URL");
    assert!(tier.is_up());
    tier
}

/// A call that is let through whenever the server is believed to be there.
async fn call(tier: &RedisTier) -> Result<bool, ErrorKind> {
    let renew = Renew {
        id: EntryId::from_bytes([9; 16]),
        token: Token::from_bytes([9; 16]),
        fence: Fence::new(1),
        lease: SECOND,
        within: SECOND,
    };
    tier.renew(renew).await.map_err(|error| error.kind())
}

/// How long it takes until `tier.is_up()` is `up`.
async fn until(tier: &RedisTier, up: bool) -> Duration {
    let start = Instant::now();
    while tier.is_up() != up {
        assert!(start.elapsed() < 10 * SECOND, "still not: up = {up}");
        sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

/// Freezes the server and calls until the breaker is open.
async fn freeze(server: &RedisServer, tier: &RedisTier) {
    server.stop();
    while tier.is_up() {
        call(tier).await.expect_err("it is frozen");
    }
}

async fn store(tier: &RedisTier, body: &str) -> EntryId {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&tier.acquire(ask.clone()).await.unwrap());
    let outcome = tier.commit(commit(id, ask.token, fence, Some(body))).await;
    assert!(matches!(outcome, Ok(Committed::Stored { .. })));
    id
}

/// Asks until the recovering tier lets the question through.
async fn acquire(tier: &RedisTier, id: EntryId) -> bellwether::shared::Answer {
    let start = Instant::now();
    let ask = ask(id);
    loop {
        match tier.acquire(ask.clone()).await {
            Ok(answer) => return answer,
            Err(error) => assert!(start.elapsed() < 5 * SECOND, "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_server_costs_no_time_and_is_in_use_soon_after_it_is_back() {
    let mut server = RedisServer::start();
    let tier = connect(&server).await;
    assert_eq!(call(&tier).await, Ok(false));
    server.kill();
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(call(&tier).await, Err(ErrorKind::Unavailable));
    }
    assert!(start.elapsed() < SECOND / 5, "{:?}", start.elapsed());
    until(&tier, false).await;
    // Long enough for the waits between attempts to have reached their longest.
    sleep(2 * SECOND).await;
    server.restart();
    let took = until(&tier, true).await;
    assert!(took < Duration::from_millis(1_200), "{took:?}");
    assert_eq!(call(&tier).await, Ok(false));
}

#[tokio::test]
async fn a_frozen_server_costs_five_slow_calls_and_is_in_use_soon_after_it_thaws() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    server.stop();
    let (mut slow, mut slowest_fast) = (0, Duration::ZERO);
    for _ in 0..500 {
        let start = Instant::now();
        assert_eq!(call(&tier).await, Err(ErrorKind::Unavailable));
        match start.elapsed() {
            took if took > Duration::from_millis(50) => slow += 1,
            took => slowest_fast = slowest_fast.max(took),
        }
    }
    assert!((1..=5).contains(&slow), "{slow} slow calls");
    assert!(slowest_fast < Duration::from_millis(20), "{slowest_fast:?}");
    sleep(3 * SECOND).await;
    server.cont();
    let took = until(&tier, true).await;
    assert!(took < Duration::from_millis(1_600), "{took:?}");
    // Questions come back in steps, all of them within three seconds.
    sleep(Duration::from_millis(2_100)).await;
    for _ in 0..300 {
        tier.acquire(ask(fresh_id())).await.expect("let through");
    }
}

#[tokio::test]
async fn questions_come_back_in_steps_after_an_outage() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    freeze(&server, &tier).await;
    sleep(SECOND / 2).await;
    server.cont();
    until(&tier, true).await;
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
    until(&tier, true).await;
    assert_eq!(notes.all()[..2], [TierEvent::Lost, TierEvent::Resumed]);
}

#[tokio::test]
async fn a_wrong_password_is_no_error_and_is_never_shown() {
    let server = RedisServer::with(&["--requirepass", "right"]);
    let url = |word: &str| format!("redis://:{word}@127.0.0.1:{}", server.port());
    let tier = RedisTier::connect(&url("s3cret")).await.expect("no error");
    assert!(!tier.is_up());
    let shown = format!("{tier:?} {:?}", RedisTier::builder(&url("s3cret")));
    assert!(!shown.contains("s3cret"), "{shown}");
    let right = RedisTier::connect(&url("right")).await.expect("no error");
    assert!(right.is_up());
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    for (builder, named) in [
        (RedisTier::builder("redis://x:0"), "port"),
        (
            RedisTier::builder("redis://x").namespace("a b"),
            "namespace",
        ),
        (
            RedisTier::builder("redis://x").timeout(11 * SECOND),
            "timeout",
        ),
        (
            RedisTier::builder("redis://x").timeout(SECOND / 9_999),
            "timeout",
        ),
    ] {
        let error = builder.connect().await.expect_err(named);
        assert!(
            error.is_config() && error.to_string().contains(named),
            "{error}"
        );
    }
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
    until(&tier, false).await;
    sleep(SECOND).await;
    assert!(!tier.is_up(), "a replica answers, but does no work");
    run::<()>(&server, &["REPLICAOF", "NO", "ONE"]).await;
    until(&tier, true).await;
}

#[tokio::test]
async fn a_forgotten_script_costs_nothing_but_a_round_trip() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = fresh_id();
    let ask = ask(id);
    let flush = async || run::<()>(&server, &["SCRIPT", "FLUSH"]).await;
    flush().await;
    let fence = leased(&tier.acquire(ask.clone()).await.unwrap());
    flush().await;
    let renew = Renew {
        id,
        token: ask.token,
        fence,
        lease: SECOND,
        within: SECOND,
    };
    assert!(tier.renew(renew).await.unwrap());
    flush().await;
    let outcome = tier.commit(commit(id, ask.token, fence, Some("b"))).await;
    assert_eq!(
        outcome.unwrap(),
        Committed::Stored {
            body_version: fence
        }
    );
    flush().await;
    assert!(!tier.release(release(id, ask.token, None)).await.unwrap());
    flush().await;
    tier.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    assert!(tier.is_up());
}

#[tokio::test]
async fn a_foreign_key_is_an_error_for_its_entry_only_and_stays_as_it_is() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    for (suffix, foreign) in [("e", "SET"), ("l", "LPUSH")] {
        let id = fresh_id();
        let key = format!("{{bw1:default:{id}}}:{suffix}");
        run::<()>(&server, &[foreign, &key, "foreign"]).await;
        for _ in 0..10 {
            let ask = ask(id);
            let kind = |error: bellwether::Error| error.kind();
            let corrupt = Err(ErrorKind::Corrupt);
            let commit = commit(id, ask.token, Fence::new(7), Some("b"));
            assert_eq!(
                tier.acquire(ask.clone()).await.map(drop).map_err(kind),
                corrupt
            );
            assert_eq!(tier.commit(commit).await.map(drop).map_err(kind), corrupt);
            let purged = tier.purge(id, PurgeKind::Hard, SECOND).await;
            assert_eq!(purged.map(drop).map_err(kind), corrupt);
        }
        assert_eq!(run::<i64>(&server, &["EXISTS", &key]).await, 1);
    }
    assert!(tier.is_up(), "the server is well");
    store(&tier, "b").await;
}

#[tokio::test]
async fn fields_that_nobody_of_us_wrote_are_corrupt_and_not_believed() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    for (field, value) in [
        ("t", "soon"),
        ("v", "7x"),
        ("f", "-"),
        ("d", ""),
        ("p", "1e9"),
    ] {
        let id = store(&tier, "b").await;
        let key = format!("{{bw1:default:{id}}}:e");
        run::<()>(&server, &["HSET", &key, field, value]).await;
        let error = tier.acquire(ask(id)).await.expect_err(field);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{field}: {error:?}");
    }
    for field in ["m", "b"] {
        let id = store(&tier, "b").await;
        let key = format!("{{bw1:default:{id}}}:e");
        run::<()>(&server, &["HDEL", &key, field]).await;
        let error = tier.acquire(ask(id)).await.expect_err(field);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{field}: {error:?}");
    }
    assert!(tier.is_up());
}

#[tokio::test]
async fn a_full_store_says_so_still_answers_and_still_purges() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    let (other, waiting) = (store(&tier, "b").await, ask(fresh_id()));
    let fence = leased(&tier.acquire(waiting.clone()).await.unwrap());
    run::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let fresh = tier.acquire(ask(id)).await.unwrap();
    assert_eq!(fresh.grant, Grant::Fresh);
    assert_eq!(fresh.view.unwrap().content.unwrap().body, "b");
    assert_eq!(
        tier.acquire(ask(fresh_id())).await.unwrap().grant,
        Grant::NoMemory
    );
    let late = commit(waiting.id, waiting.token, fence, Some("b"));
    assert_eq!(tier.commit(late).await.unwrap(), Committed::NoMemory);
    tier.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    tier.purge(other, PurgeKind::Soft, SECOND).await.unwrap();
    assert_eq!(tier.acquire(ask(id)).await.unwrap().view, None);
    assert!(tier.is_up(), "full is not sick");
    run::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    // The lease ended with the commit that did not fit.
    leased(&tier.acquire(ask(waiting.id)).await.unwrap());
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
    until(&tier, true).await;
    for id in &ids {
        assert_eq!(acquire(&tier, *id).await.view, None);
    }
    let told = |id| {
        notes
            .about(id)
            .iter()
            .any(|event| matches!(event, TierEvent::Purged { .. }))
    };
    assert!(ids.iter().all(|id| told(*id)));
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
async fn leases_granted_after_a_freeze_longer_than_themselves_are_given_back_too() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let lease = 4 * SECOND;
    let asked = |_| bellwether::shared::Ask {
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
    until(&other, true).await;
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
    let took = until(&tier, false).await;
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
        let hurried = bellwether::shared::Ask {
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
