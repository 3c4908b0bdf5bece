//! What the origin says.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::stage::{Node, Origin, Page, REDIS_BUDGET, ms, until_asked};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;

const LATENCY: Duration = Duration::from_millis(300);

/// > Origin 5xx / timeout | release B with back-off 1 s·2ⁿ ≤ 30 s, jitter | stale-if-error, else the
/// > error; no storm
pub(crate) async fn origin_fails_or_times_out() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=1, stale-if-error=60"));
    let timeout = LATENCY;
    let node = async || {
        Node::with(&redis.url(), &origin, |builder| {
            builder.fetch_timeout(timeout)
        })
        .await
    };
    let nodes = [node().await, node().await];
    for path in ["/fails", "/hangs"] {
        for node in &nodes {
            assert_eq!(node.get(path).await.status, 200);
            sleep(ms(50)).await;
        }
    }
    assert_eq!(origin.calls(), 2);
    sleep(ms(1_100)).await;

    let latency = ms(50);
    origin.serve(Page::new("no-store").status(503).after(latency));
    let begun = Instant::now();
    let mut asked = vec![];
    // Tried at once, after 0.75 to 1 s, and after 1.5 to 2 s more.
    while begun.elapsed() < ms(2_100) {
        for node in &nodes {
            let calls = origin.calls_to("/fails");
            let seen = node.get("/fails").await;
            seen.assert_is("v1");
            // Only who tries waits for it.
            let tries = origin.calls_to("/fails") > calls;
            let bound = if tries {
                latency + REDIS_BUDGET
            } else {
                REDIS_BUDGET
            };
            seen.assert_within(bound, &stall);
            asked.push(seen);
        }
        sleep(ms(5)).await;
    }
    assert!(asked.len() > 100, "{}", asked.len());
    assert_eq!(origin.calls_to("/fails"), 3, "one, and two of the fleet");

    // Who has nothing to be served gets the error, and all who came meanwhile get that one.
    let crowd = join_all((0..40).map(|number| nodes[number % 2].get("/cold"))).await;
    assert!(crowd.iter().all(|seen| seen.status == 503), "{crowd:?}");
    assert!(
        origin.calls_to("/cold") <= 2,
        "{}",
        origin.calls_to("/cold")
    );

    origin.hold();
    let seen = nodes[0].get("/hangs").await;
    seen.assert_is("v2");
    seen.assert_within(timeout + REDIS_BUDGET, &stall);
    let seen = nodes[1].get("/hangs").await;
    seen.assert_is("v2");
    seen.assert_within(REDIS_BUDGET, &stall);
    assert_eq!(origin.calls_to("/hangs"), 2, "one of the fleet");
    let seen = nodes[0].get("/hangs/cold").await;
    assert_eq!(seen.status, 504);
    seen.assert_within(timeout + REDIS_BUDGET, &stall);
}

/// > Response uncacheable / too large | release U (default 10 s) | waiters go to the origin in
/// > parallel, not one by one
pub(crate) async fn response_uncacheable_or_too_large() {
    let private = Page::new("no-store").after(LATENCY);
    let large = Page::new("max-age=60").after(LATENCY).long(200_000);
    for page in [private, large] {
        let (redis, stall) = (RedisServer::start(), Stall::watch());
        let origin = Origin::new(page);
        let node = async || {
            Node::with(&redis.url(), &origin, |builder| {
                builder.max_body_size(100_000)
            })
            .await
        };
        let nodes = [node().await, node().await, node().await];
        let crowd = join_all((0..40).map(|number| nodes[number % 2].get("/page"))).await;
        for seen in &crowd {
            // The one that finds it out, and then all at once.
            seen.assert_within(2 * LATENCY + REDIS_BUDGET, &stall);
        }
        let versions: BTreeSet<_> = crowd.iter().map(|seen| &seen.version).collect();
        assert_eq!(versions.len(), 40, "each has its own");
        assert_eq!(origin.calls(), 40);
        // The fleet knows: nobody has to find it out again.
        let mut store = Store::of(&redis).await;
        let [entry] = &store.entries("k").await[..] else {
            panic!("one mark");
        };
        let mark = store.field(entry, "k").await;
        assert_eq!(mark.as_deref(), Some(&b"U"[..]));
        let late = join_all((0..10).map(|_| nodes[2].get("/page"))).await;
        for seen in &late {
            seen.assert_within(LATENCY + REDIS_BUDGET, &stall);
        }
        assert_eq!(origin.calls(), 50);
    }
}

/// > 304 from origin | commit `keep`: meta and times only | fresh entry, no body transfer
pub(crate) async fn not_modified() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=1").etag("\"a\"").long(200_000));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    first.get("/page").await.assert_is("v1");
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    let version = store.number(&entry, "v").await;
    sleep(ms(1_100)).await;
    origin.serve(Page::new("max-age=60").etag("\"a\"").long(200_000));
    let before = store.info("stats", "total_net_input_bytes").await;
    let seen = second.get("/page").await;
    seen.assert_is("v1");
    assert!(seen.how.contains("fwd-status=304"), "{seen:?}");
    let confirmed = store.replaced(&entry, version).await;
    let sent = store.info("stats", "total_net_input_bytes").await - before;
    assert!(sent < 20_000, "{sent} bytes for 200000 that were there");
    assert!(confirmed > version);
    assert_eq!(store.number(&entry, "d").await, version, "the body's");
    let seen = first.get("/page").await;
    seen.assert_is("v1");
    seen.assert_within(REDIS_BUDGET, &stall);
    assert!(
        seen.is_shared() && seen.body.len() > 200_000,
        "{}",
        seen.how
    );
    assert!(first.get("/page").await.is_hit());
    assert_eq!(origin.calls(), 2);
}

/// > 304 but E evicted | `nobody`; resend with the body if L1 has it, else full GET | slower once
pub(crate) async fn not_modified_but_entry_evicted() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=1").etag("\"a\"").long(200_000));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    first.get("/page").await.assert_is("v1");
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    sleep(ms(1_100)).await;
    origin.serve(Page::new("max-age=60").etag("\"a\"").long(200_000));
    origin.hold();
    let asking = first.ask("/page");
    until_asked(&origin, 2).await;
    // By hand what an eviction does.
    assert_eq!(store.run::<u32>(&["DEL", &entry.0]).await, 1);
    let before = store.info("stats", "total_net_input_bytes").await;
    origin.let_go();
    let let_go = Instant::now();
    let seen = asking.await.expect("an answer");
    seen.assert_is("v1");
    let took = let_go.elapsed();
    assert!(took <= REDIS_BUDGET + stall.worst(), "{took:?}");
    let again = store.entry().await;
    assert!(store.field(&again, "b").await.expect("a body").len() > 200_000);
    let sent = store.info("stats", "total_net_input_bytes").await - before;
    assert!((200_000..300_000).contains(&sent), "{sent}: once");
    let seen = second.get("/page").await;
    seen.assert_is("v1");
    assert!(seen.is_shared(), "{seen:?}");
    assert_eq!(origin.calls(), 2);
    assert_eq!(first.cache.stats().commits_refused, 0);
}
