//! What Redis forgets, and what it has no room for.

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::stage::{CALL, Node, Origin, Page, ms, until_asked};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;
use crate::support::until;

/// > FLUSHALL / restart empty | `lost` for those in flight; TIME keeps fences rising | misses, one
/// > origin call per key
pub(crate) async fn flushall_or_restart_empty() {
    for restart in [false, true] {
        let mut redis = RedisServer::start();
        let origin = Origin::new(Page::new("max-age=60"));
        let node = Node::join(&redis.url(), &origin).await;
        let paths: Vec<_> = (0..10).map(|number| format!("/page/{number}")).collect();
        for path in &paths {
            node.get(path).await;
        }
        assert_eq!(origin.calls(), 10);
        origin.hold();
        let asking = node.ask("/flight");
        until_asked(&origin, 11).await;
        let mut store = Store::of(&redis).await;
        let lease = store.leased().await.lease();
        let lease: String = store.run(&["GET", &lease]).await;
        let (_, issued) = lease.split_once(':').expect("token and fence");
        let issued: u64 = issued.parse().expect("a fence");
        if restart {
            redis.kill();
            node.until_up(false).await;
            redis.restart();
            node.until_up(true).await;
            store = Store::of(&redis).await;
        } else {
            store.run::<()>(&["FLUSHALL"]).await;
        }
        origin.let_go();
        asking.await.expect("an answer").assert_is("v11");
        until("it is lost", || {
            let stats = node.cache.stats();
            stats.commits_refused + stats.leases_lost >= 1
        })
        .await;
        assert!(store.entries("v").await.is_empty(), "nothing of it is kept");

        // Nodes that have nothing: one call for each page, however many ask.
        let others = [
            Node::join(&redis.url(), &origin).await,
            Node::join(&redis.url(), &origin).await,
        ];
        let asking = others.iter().flat_map(|node| {
            let twice = paths.iter().chain(&paths);
            twice.map(|path| node.get(path))
        });
        for seen in join_all(asking).await {
            assert_eq!(seen.status, 200, "{seen:?}");
        }
        for path in &paths {
            assert_eq!(origin.calls_to(path), 2, "{path}");
            let [first, second] = [others[0].get(path).await, others[1].get(path).await];
            assert_eq!(first.version, second.version, "{path}");
        }
        for entry in store.entries("v").await {
            let fence = store.number(&entry, "v").await;
            assert!(fence > issued, "{fence} after {issued}");
        }
        assert_eq!(origin.calls(), 21);
    }
}

/// > Lease evicted | second holder; first one `superseded` | one extra origin call
pub(crate) async fn lease_evicted() {
    let redis = RedisServer::start();
    let origin = Origin::new(Page::new("max-age=60"));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    origin.hold();
    let mut asking = vec![first.ask("/page")];
    until_asked(&origin, 1).await;
    let mut store = Store::of(&redis).await;
    let lease = store.leased().await.lease();
    // By hand what an eviction does.
    assert_eq!(store.run::<u32>(&["DEL", &lease]).await, 1);
    asking.push(second.ask("/page"));
    until_asked(&origin, 2).await;
    origin.let_go();
    for asking in asking {
        assert_eq!(asking.await.expect("an answer").status, 200);
    }
    until("it is superseded", || {
        first.cache.stats().commits_refused == 1
    })
    .await;
    let entry = store.entry().await;
    let body = store.field(&entry, "b").await.expect("a body");
    assert_eq!(body, b"v2", "the second holder's");
    sleep(ms(50)).await;
    for node in [&first, &second] {
        node.get("/page").await.assert_is("v2");
    }
    assert_eq!(second.cache.stats().commits_refused, 0);
    assert_eq!(origin.calls(), 2);
}

/// > E evicted, lease alive | commit still accepted (lease is evidence) | nothing
pub(crate) async fn entry_evicted_while_the_lease_is_alive() {
    let redis = RedisServer::start();
    let origin = Origin::new(Page::new("max-age=60"));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    origin.hold();
    let asking = first.ask("/page");
    until_asked(&origin, 1).await;
    let mut store = Store::of(&redis).await;
    let key = store.leased().await.0;
    assert_eq!(store.run::<u32>(&["DEL", &key]).await, 1);
    let waiting = second.ask("/page");
    sleep(ms(100)).await;
    origin.let_go();
    for asking in [asking, waiting] {
        asking.await.expect("an answer").assert_is("v1");
    }
    store.entry().await;
    assert_eq!(first.cache.stats().commits_refused, 0);
    let late = Node::join(&redis.url(), &origin).await;
    let seen = late.get("/page").await;
    seen.assert_is("v1");
    assert!(seen.is_shared(), "{seen:?}");
    assert_eq!(origin.calls(), 1);
}

/// > OOM, noeviction | `O` on acquire (stale still returned), `oom` on commit, lease deleted | L1-only
/// > for that key
pub(crate) async fn out_of_memory_without_eviction() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=60"));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    first.get("/fresh").await.assert_is("v1");
    origin.serve(Page::new("max-age=1, stale-while-revalidate=60"));
    first.get("/stale").await.assert_is("v2");
    origin.serve(Page::new("max-age=60"));
    sleep(ms(1_100)).await;
    origin.hold();
    let asking = first.ask("/flight");
    until_asked(&origin, 3).await;
    let mut store = Store::of(&redis).await;
    store.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let seen = second.get("/fresh").await;
    seen.assert_is("v1");
    assert!(seen.is_shared(), "{seen:?}");
    // The origin answers nobody now: what is stale comes out of Redis, at once.
    let seen = second.get("/stale").await;
    seen.assert_is("v2");
    seen.assert_within(CALL, &stall);
    until_asked(&origin, 4).await;
    assert_eq!(store.run::<Vec<String>>(&["KEYS", "*:l"]).await.len(), 1);
    origin.let_go();
    asking.await.expect("an answer").assert_is("v3");
    until("it is in memory here", || {
        first.cache.stats().local_entries == 3
    })
    .await;
    sleep(ms(50)).await;
    assert!(first.get("/flight").await.is_hit());
    let leases: Vec<String> = store.run(&["KEYS", "*:l"]).await;
    assert_eq!(leases.len(), 0, "{leases:?}");
    second.get("/stale").await.assert_is("v4");
    // Each node for itself, once.
    for _ in 0..3 {
        first.get("/flight").await.assert_is("v3");
        second.get("/flight").await.assert_is("v5");
    }
    assert_eq!(origin.calls(), 5);
    assert!(
        first.tier.is_up() && second.tier.is_up(),
        "full is not sick"
    );

    store.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    first.get("/after").await.assert_is("v6");
    sleep(ms(50)).await;
    let seen = second.get("/after").await;
    seen.assert_is("v6");
    assert!(seen.is_shared(), "{seen:?}");
}
