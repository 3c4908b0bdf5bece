//! What a Redis that dies, freezes, fills up or forgets does to the calls of `RedisTier`.

use std::time::Duration;

use bellwether::ErrorKind;
use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::faults::*;
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

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
    until_is(&tier, false).await;
    // Long enough for the waits between attempts to have reached their longest.
    sleep(2 * SECOND).await;
    server.restart();
    let took = until_is(&tier, true).await;
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
    let took = until_is(&tier, true).await;
    assert!(took < Duration::from_millis(1_600), "{took:?}");
    // Questions come back in steps, all of them within three seconds.
    sleep(Duration::from_millis(2_100)).await;
    for _ in 0..300 {
        tier.acquire(ask(fresh_id())).await.expect("let through");
    }
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
async fn the_mark_of_a_purge_lives_as_long_as_what_it_purged_would_have() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let asked = ask(fresh_id());
    let fence = leased(&tier.acquire(asked.clone()).await.unwrap());
    let day = Commit {
        keep: Duration::from_secs(86_400),
        ..commit(asked.id, asked.token, fence, Some("a"))
    };
    tier.commit(day).await.unwrap();
    let purged = tier.purge(asked.id, PurgeKind::Hard, SECOND).await.unwrap();
    let key = format!("{{bw1:default:{}}}:e", asked.id);
    let left: i64 = run(&server, &["PTTL", &key]).await;
    assert!(left > 86_000_000, "{left}");
    // Nor does the next, shorter-lived entry cut it short.
    let next = ask(asked.id);
    let fence = leased(&tier.acquire(next.clone()).await.unwrap());
    tier.commit(commit(next.id, next.token, fence, Some("b")))
        .await
        .unwrap();
    let left: i64 = run(&server, &["PTTL", &key]).await;
    assert!(left > 86_000_000, "{left}");
    let answer = tier.acquire(ask(asked.id)).await.unwrap();
    assert_eq!(answer.purged, Some(purged));
}

#[tokio::test]
async fn what_a_frozen_server_stores_when_it_thaws_is_not_fresh_for_longer() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    // The server knows the script: else it is sent in a second step, which nobody takes here.
    store(&tier, "of another").await;
    let asked = ask(fresh_id());
    let fence = leased(&tier.acquire(asked.clone()).await.unwrap());
    server.stop();
    let late = commit(asked.id, asked.token, fence, Some("a"));
    let fresh_ms = i64::try_from(late.fresh.as_millis()).unwrap();
    let frozen = Duration::from_millis(700);
    let (stored, ()) = tokio::join!(tier.commit(late), sleep(frozen));
    stored.expect_err("it is frozen");
    server.cont();
    // Whatever the call was told: it was on its way, and arrived.
    let shown = async {
        loop {
            if let Some(view) = acquire(&tier, asked.id).await.view {
                return view.fresh_ms;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let left = within("the late commit", shown).await;
    let most = fresh_ms - i64::try_from(frozen.as_millis()).unwrap();
    assert!(left <= most, "{left} ms of at most {most}");
}
