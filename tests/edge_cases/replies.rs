//! Replies that do not come, and requests that come twice.

use tokio::time::{Instant, sleep};

use crate::relay::{Relay, Trouble};
use crate::stage::{CALL, Node, Origin, Page, REDIS_BUDGET, SLACK, ms, until_asked, until_served};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;

/// By what a request for the lease is known.
fn acquire() -> String {
    let script = include_str!("../../src/shared/redis/scripts/acquire.lua");
    redis::Script::new(script).get_hash().to_owned()
}

/// > Same commit sent twice | `already` | nothing
pub(crate) async fn same_commit_sent_twice() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let relay = Relay::to(&redis).await;
    let origin = Origin::new(Page::new("max-age=60").long(50));
    let node = Node::join(&relay.url(), &origin).await;
    let other = Node::join(&redis.url(), &origin).await;
    let mut store = Store::of(&redis).await;
    // The server knows the script from now on.
    node.get("/warm-up").await;
    let warm = store.entry().await;
    store.run::<()>(&["DEL", &warm.0]).await;

    // Of all that is sent, only a commit holds the body.
    relay.trouble(&"x".repeat(50), Trouble::SentTwice);
    let calls = store.calls("evalsha").await;
    let seen = node.get("/page").await;
    seen.assert_is("v2");
    seen.assert_within(REDIS_BUDGET, &stall);
    let entry = store.entry().await;
    crate::support::until("it came twice", || relay.happened() == 1).await;
    sleep(ms(100)).await;
    assert_eq!(
        store.calls("evalsha").await - calls,
        3,
        "acquire, commit, commit"
    );
    let fence = store.number(&entry, "v").await;
    assert_eq!(store.number(&entry, "f").await, fence);
    let stats = node.cache.stats();
    assert_eq!((stats.commits_refused, stats.shared_unavailable), (0, 0));
    assert!(node.get("/page").await.is_hit());
    let seen = other.get("/page").await;
    seen.assert_is("v2");
    assert!(seen.is_shared(), "{seen:?}");
    assert_eq!(origin.calls_to("/page"), 1);
}

/// > Acquire reply lost, retried | same fence again (re-entrant token) | nothing
pub(crate) async fn acquire_reply_lost_and_retried() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let relay = Relay::to(&redis).await;
    let origin = Origin::new(Page::new("max-age=60"));
    let node = Node::join(&relay.url(), &origin).await;
    let other = Node::join(&redis.url(), &origin).await;
    let mut store = Store::of(&redis).await;
    let calls = store.calls("evalsha").await;
    origin.hold();
    relay.trouble(&acquire(), Trouble::SentTwice);
    let begun = Instant::now();
    let asking = node.ask("/page");
    until_asked(&origin, 1).await;
    let took = begun.elapsed();
    assert!(took <= SLACK + stall.worst(), "{took:?}");
    assert_eq!(relay.happened(), 1);
    assert_eq!(store.calls("evalsha").await - calls, 2, "asked twice");
    let entry = store.leased().await;
    let issued = store.number(&entry, "f").await;
    let lease: String = store.run(&["GET", &entry.lease()]).await;
    assert!(lease.ends_with(&format!(":{issued}")), "{lease}, {issued}");
    // Another node sees the one lease.
    let waiting = other.ask("/page");
    sleep(ms(100)).await;
    assert_eq!(origin.calls(), 1);
    origin.let_go();
    for asking in [asking, waiting] {
        asking.await.expect("an answer").assert_is("v1");
    }
    let entry = store.entry().await;
    assert_eq!(store.number(&entry, "v").await, issued, "the one fence");
    assert_eq!(node.cache.stats().commits_refused, 0);
    assert_eq!(origin.calls(), 1);
}

/// > Acquire timed out, never retried | ghost lease until PX; node posts release-by-token when back |
/// > one lease of stale/wait
pub(crate) async fn acquire_timed_out_and_never_retried() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let relay = Relay::to(&redis).await;
    let origin = Origin::new(Page::new("max-age=1, stale-while-revalidate=60"));
    let node = Node::join(&relay.url(), &origin).await;
    let other = Node::join(&redis.url(), &origin).await;
    node.get("/stale").await.assert_is("v1");
    sleep(ms(50)).await;
    other.get("/stale").await.assert_is("v1");
    sleep(ms(1_100)).await;
    origin.serve(Page::new("max-age=60"));

    // Stale: nobody notices anything. Both nodes refresh, the second once the lease was given back.
    relay.trouble(&acquire(), Trouble::ReplyLate(ms(300)));
    let seen = node.get("/stale").await;
    seen.assert_is("v1");
    seen.assert_within(ms(0), &stall);
    until_asked(&origin, 2).await;
    assert_eq!(relay.happened(), 1);
    let seen = other.get("/stale").await;
    assert!(["v1", "v3"].contains(&&*seen.version), "{seen:?}");
    seen.assert_within(ms(0), &stall);
    let took = until_served(&other, "/stale", "v3").await;
    assert!(took <= ms(1_000) + stall.worst(), "{took:?} of 3 s");
    sleep(ms(300)).await;

    // Cold: the one waits for a call and then goes to the origin, the other for the ghost.
    let calls = origin.calls();
    relay.trouble(&acquire(), Trouble::ReplyLate(ms(300)));
    let seen = node.get("/cold").await;
    seen.assert_is("v4");
    assert!(seen.took >= CALL, "{seen:?}");
    seen.assert_within(CALL, &stall);
    let seen = other.get("/cold").await;
    seen.assert_is("v5");
    seen.assert_within(ms(1_000), &stall);
    assert_eq!(origin.calls(), calls + 2);
    assert!(node.tier.is_up());
}
