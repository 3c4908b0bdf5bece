//! Purges that meet with something.

use tokio::time::sleep;

use crate::relay::Relay;
use crate::stage::{BACK, Node, Origin, Page, REDIS_BUDGET, ms, until_asked, until_served};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;

/// > Purge during a refresh | fence bumped, lease gone; refresh `superseded` | never the purged body
/// > again
pub(crate) async fn purge_during_a_refresh() {
    let redis = RedisServer::start();
    let origin = Origin::new(Page::new("max-age=1, stale-while-revalidate=60"));
    let holder = Node::join(&redis.url(), &origin).await;
    let other = Node::join(&redis.url(), &origin).await;
    for node in [&holder, &other] {
        node.get("/page").await.assert_is("v1");
        sleep(ms(50)).await;
    }
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    sleep(ms(1_100)).await;
    origin.serve(Page::new("max-age=60"));
    origin.hold();
    holder.get("/page").await.assert_is("v1");
    until_asked(&origin, 2).await;
    // What is under way now, and what is stale, is from before this.
    other.purge("/page").await.expect("it is up");
    assert_eq!(store.run::<u32>(&["EXISTS", &entry.lease()]).await, 0);
    assert_eq!(store.field(&entry, "v").await, None);
    let asking = [holder.ask("/page"), other.ask("/page")];
    until_asked(&origin, 3).await;
    sleep(ms(100)).await;
    origin.let_go();
    for asking in asking {
        asking.await.expect("an answer").assert_is("v3");
    }
    crate::support::until("the late commit is refused", || {
        holder.cache.stats().commits_refused == 1
    })
    .await;
    for _ in 0..50 {
        for node in [&holder, &other] {
            node.get("/page").await.assert_is("v3");
        }
        sleep(ms(2)).await;
    }
    let late = Node::join(&redis.url(), &origin).await;
    late.get("/page").await.assert_is("v3");
    assert_eq!(origin.calls(), 3);
}

/// > Purge while a node is cut off | node's epoch check on reconnect | stale at most until reconnect
/// > or freshness end
pub(crate) async fn purge_while_a_node_is_cut_off() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let relay = Relay::to(&redis).await;
    let origin = Origin::new(Page::new("max-age=60"));
    let node = Node::join(&redis.url(), &origin).await;
    let cut_off = Node::join(&relay.url(), &origin).await;
    node.get("/long").await.assert_is("v1");
    origin.serve(Page::new("max-age=2"));
    node.get("/short").await.assert_is("v2");
    sleep(ms(50)).await;
    cut_off.get("/long").await.assert_is("v1");
    cut_off.get("/short").await.assert_is("v2");
    origin.serve(Page::new("max-age=60"));

    relay.cut();
    cut_off.until_up(false).await;
    for path in ["/long", "/short"] {
        node.purge(path).await.expect("it is up");
    }
    node.get("/long").await.assert_is("v3");
    node.get("/short").await.assert_is("v4");
    // All it can know is what it has, until that ends.
    for (path, version) in [("/long", "v1"), ("/short", "v2")] {
        let seen = cut_off.get(path).await;
        seen.assert_is(version);
        assert!(seen.is_hit(), "{seen:?}");
    }
    sleep(ms(2_000)).await;
    let seen = cut_off.get("/short").await;
    seen.assert_is("v5");
    seen.assert_within(REDIS_BUDGET, &stall);
    cut_off.get("/long").await.assert_is("v1");

    relay.mend();
    let took = until_served(&cut_off, "/long", "v3").await;
    assert!(took <= BACK + stall.worst(), "{took:?}");
    for _ in 0..50 {
        cut_off.get("/long").await.assert_is("v3");
        sleep(ms(2)).await;
    }
    assert_eq!(origin.calls_to("/long"), 2);
    assert_eq!(origin.calls_to("/short"), 3);
}
