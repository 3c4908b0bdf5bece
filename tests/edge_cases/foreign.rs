//! What is not ours, no longer ours, or not permitted.

use tokio::time::sleep;

use crate::stage::{Node, Origin, Page, REDIS_BUDGET, ms};
use crate::store::Store;
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;
use crate::support::{origin, rights, until};

/// > WRONGTYPE | foreign key under our name: count, bypass L2 for it, never delete | L1-only for that
/// > key
pub(crate) async fn wrong_type() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=1"));
    let maker = Node::join(&redis.url(), &origin).await;
    maker.get("/page").await.assert_is("v1");
    let mut store = Store::of(&redis).await;
    let entry = store.entry().await;
    for key in [entry.0.clone(), entry.lease()] {
        store.run::<()>(&["DEL", &entry.0, &entry.lease()]).await;
        store.run::<()>(&["RPUSH", &key, "not ours"]).await;
        let nodes = [
            Node::join(&redis.url(), &origin).await,
            Node::join(&redis.url(), &origin).await,
        ];
        for round in 1..=2 {
            for node in &nodes {
                // Each node for itself, once in each life of the page.
                let calls = origin.calls();
                let seen = node.get("/page").await;
                seen.assert_is(&format!("v{}", calls + 1));
                seen.assert_within(REDIS_BUDGET, &stall);
                sleep(ms(20)).await;
                for _ in 0..20 {
                    let again = node.get("/page").await;
                    again.assert_is(&seen.version);
                    assert!(again.is_hit(), "{again:?}");
                }
                assert_eq!(origin.calls(), calls + 1);
                assert_eq!(node.cache.stats().corrupt_entries, round, "{key}");
            }
            sleep(ms(1_100)).await;
        }
        for node in &nodes {
            assert!(node.purge("/page").await.is_err());
            assert!(node.tier.is_up(), "only this entry is not to be used");
        }
        let left: Vec<String> = store.run(&["LRANGE", &key, "0", "-1"]).await;
        assert_eq!(left, ["not ours"], "{key}");
        // Other pages are shared.
        let page = format!("/other/{key}");
        let made = nodes[0].get(&page).await;
        sleep(ms(50)).await;
        let seen = nodes[1].get(&page).await;
        seen.assert_is(&made.version);
        assert!(seen.is_shared(), "{seen:?}");
    }
}

/// > Corrupt or truncated `m`/`b` | length + checksum in `m`; treat as miss, mode f | one refresh
pub(crate) async fn corrupt_or_truncated_meta_or_body() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=60").long(100));
    let mut store = Store::of(&redis).await;
    for field in ["m", "b"] {
        for truncated in [false, true] {
            store.run::<()>(&["FLUSHALL"]).await;
            let maker = Node::join(&redis.url(), &origin).await;
            let made = maker.get("/page").await;
            let entry = store.entry().await;
            let mut value = store.field(&entry, field).await.expect("it has one");
            if truncated {
                value.truncate(value.len() - 1);
            } else {
                let last = value.len() - 1;
                value[last] ^= 1;
            }
            let key = entry.0.as_bytes();
            store
                .raw::<()>(&[b"HSET", key, field.as_bytes(), &value])
                .await;
            let calls = origin.calls();
            let nodes = [
                Node::join(&redis.url(), &origin).await,
                Node::join(&redis.url(), &origin).await,
            ];
            let version = store.number(&entry, "v").await;
            let seen = nodes[0].get("/page").await;
            assert_ne!(seen.version, made.version, "{field}");
            assert!(seen.is(&format!("v{}", calls + 1)), "{seen:?}");
            seen.assert_within(REDIS_BUDGET, &stall);
            assert_eq!(nodes[0].cache.stats().corrupt_entries, 1);
            store.replaced(&entry, version).await;
            let healed = nodes[1].get("/page").await;
            healed.assert_is(&seen.version);
            assert!(healed.is_shared(), "{healed:?}");
            assert_eq!(origin.calls(), calls + 1, "one refresh");
        }
    }
}

/// > Redis ACL forbids EVAL/PUBLISH | checked at start: warn, run as plain L2 (GET/SET) or L1-only |
/// > documented downgrade
pub(crate) async fn acl_forbids_eval_or_publish() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let mut store = Store::of(&redis).await;
    let denied = [
        ("noeval", &["+eval", "+evalsha"][..], "eval"),
        ("nopublish", &["+publish"], "publish"),
    ];
    for (user, without, named) in denied {
        let rule = rights("bellwether");
        let rule = rule.iter().filter(|word| !without.contains(word)).copied();
        let words: Vec<_> = ["ACL", "SETUSER", user].into_iter().chain(rule).collect();
        store.run::<()>(&words).await;
        let server = origin::Origin::start().await;
        server.serve(
            "/page",
            origin::Page::new("v{n}").cache_control("max-age=60"),
        );
        let url = format!("redis://{user}:PASSWORD@127.0.0.1:{}", redis.port());
        let args = ["--origin", &server.url(), "--redis", &url];
        // It starts, and says in one line what it lacks.
        let proxies = [Proxy::spawn(&args).await, Proxy::spawn(&args).await];
        for proxy in &proxies {
            until("it says so", || {
                let said = proxy.stderr().to_lowercase();
                said.lines().any(|line| {
                    line.contains("warn")
                        && line.contains(named)
                        && line.contains("serving without")
                })
            })
            .await;
        }
        sleep(ms(1_200)).await;
        // Each is a cache of its own, to which Redis is nothing.
        for (number, proxy) in proxies.iter().enumerate() {
            let client = proxy.client();
            let version = format!("v{}", number + 1);
            for round in 0..20 {
                let mut request = client.request("GET", "/page");
                request
                    .headers_mut()
                    .insert("host", "edge.test".parse().expect("a host"));
                let seen = client.send(request).await;
                assert_eq!(
                    (seen.status.as_u16(), seen.text()),
                    (200, &*version),
                    "{user}"
                );
                assert_eq!(seen.header("cache-status").contains("; hit"), round > 0);
                let bound = REDIS_BUDGET + stall.worst();
                assert!(seen.took <= bound, "{user}: {:?}", seen.took);
            }
        }
        assert_eq!(server.requests_to("/page"), 2, "{user}");
    }
}
