//! A master whose clock is wrong.
//!
//! `TIME` cannot be bent from outside, so what such a master *left behind* is written by hand: an
//! entry as it commits one, with fences and times of its own clock. The server of the test then is
//! the one after it, whose clock is right: the same one after a step back, or the one that took
//! over.

use tokio::time::sleep;

use crate::stage::{Node, Origin, Page, REDIS_BUDGET, ms};
use crate::store::{Entry, Store};
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;

const HOUR: u64 = 3_600;

/// Lifts all that the entry bears of a clock by so many seconds.
async fn skew(store: &mut Store, entry: &Entry, seconds: u64) -> u64 {
    let mut lifted = 0;
    for (field, unit) in [
        ("f", 1_000_000),
        ("v", 1_000_000),
        ("d", 1_000_000),
        ("t", 1_000),
    ] {
        let value = store.number(entry, field).await + seconds * unit;
        store
            .run::<()>(&["HSET", &entry.0, field, &value.to_string()])
            .await;
        if field == "f" {
            lifted = value;
        }
    }
    lifted
}

/// > Master clock steps back | f+1 while E lives; else harmless (grace) | nothing
pub(crate) async fn master_clock_steps_back() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=1"));
    let maker = Node::join(&redis.url(), &origin).await;
    maker.get("/page").await.assert_is("v1");
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    let before = skew(&mut store, &entry, HOUR).await;

    // Whoever takes it takes it for as long as it lives, and not for an hour.
    let node = Node::join(&redis.url(), &origin).await;
    let seen = node.get("/page").await;
    seen.assert_is("v1");
    assert!(seen.is_shared(), "{seen:?}");
    sleep(ms(1_100)).await;
    let seen = node.get("/page").await;
    seen.assert_is("v2");
    seen.assert_within(REDIS_BUDGET, &stall);
    sleep(ms(50)).await;
    // The fleet's again, under a fence above the lost future's.
    let version = store.number(&entry, "v").await;
    assert!(version > before, "{version} after {before}");
    let other = Node::join(&redis.url(), &origin).await;
    other.get("/page").await.assert_is("v2");
    assert_eq!(origin.calls(), 2);
    for node in [&node, &other] {
        assert_eq!(node.cache.stats().commits_refused, 0);
    }

    // Nor does it stop a purge.
    node.purge("/page").await.expect("it is up");
    sleep(ms(50)).await;
    other.get("/page").await.assert_is("v3");
    sleep(ms(50)).await;
    node.get("/page").await.assert_is("v3");

    // With the entry lost, fences begin below: whoever holds a larger one is no worse off than
    // without the fleet, once.
    store.run::<()>(&["FLUSHALL"]).await;
    sleep(ms(1_100)).await;
    let calls = origin.calls();
    for round in 0..2 {
        for node in [&other, &node] {
            let seen = node.get("/page").await;
            assert!(seen.version.as_str() > "v3", "{seen:?}");
            seen.assert_within(REDIS_BUDGET, &stall);
            sleep(ms(50)).await;
        }
        let asked = origin.calls() - calls;
        assert!(
            asked <= 2 * (round + 1),
            "{asked}: at most one of each node"
        );
        sleep(ms(1_100)).await;
    }
    // And then the fleet is one again.
    let calls = origin.calls();
    let seen = node.get("/page").await;
    sleep(ms(50)).await;
    other.get("/page").await.assert_is(&seen.version);
    assert_eq!(origin.calls(), calls + 1);
}

/// > Master clock far ahead | fences large but rising; t/s computed and read on that clock; after
/// > failover freshness is off by the skew → clamp `fresh` to the entry's own lifetime in `m` |
/// > nothing
pub(crate) async fn master_clock_far_ahead() {
    const YEARS: u64 = 20 * 365 * 24 * HOUR;
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=2"));
    let maker = Node::join(&redis.url(), &origin).await;
    maker.get("/page").await.assert_is("v1");
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    let before = skew(&mut store, &entry, YEARS).await;
    let nodes = [
        Node::join(&redis.url(), &origin).await,
        Node::join(&redis.url(), &origin).await,
    ];
    for node in &nodes {
        let seen = node.get("/page").await;
        seen.assert_is("v1");
        seen.assert_within(REDIS_BUDGET, &stall);
        let ttl = seen
            .how
            .split("; ttl=")
            .nth(1)
            .expect("it says for how long");
        let ttl = ttl.split(';').next().expect("there is a first");
        assert!(["0", "1", "2"].contains(&ttl), "{seen:?}");
    }
    // One life later, and no more: one refresh of the fleet, under a fence above all before.
    let mut last = before;
    for version in ["v2", "v3"] {
        sleep(ms(2_100)).await;
        for node in &nodes {
            let seen = node.get("/page").await;
            seen.assert_is(version);
            seen.assert_within(REDIS_BUDGET, &stall);
            sleep(ms(50)).await;
        }
        let now = store.number(&entry, "v").await;
        assert!(now > last, "{now} after {last}");
        last = now;
    }
    assert_eq!(origin.calls(), 3);
    nodes[0].purge("/page").await.expect("it is up");
    assert!(store.number(&entry, "f").await > last);
    sleep(ms(50)).await;
    for node in [&nodes[1], &nodes[0]] {
        node.get("/page").await.assert_is("v4");
        sleep(ms(50)).await;
    }
    assert_eq!(origin.calls(), 4);
}
