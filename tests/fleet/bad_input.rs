//! What should not be in Redis, and an origin that does not answer.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bellwether::{Cache, RedisTier};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt};

use crate::fleet::{Fleet, Node, turn};
use crate::report::row;
use crate::support::origin::{Origin, Page};
use crate::support::redis_server::RedisServer;
use crate::support::within;

/// Somebody else's hands in our Redis.
struct Vandal(MultiplexedConnection);

impl Vandal {
    async fn of(fleet: &Fleet) -> Self {
        let client = redis::Client::open(fleet.redis.url()).expect("a URL");
        let link = client.get_multiplexed_async_connection().await;
        Self(link.expect("it is up"))
    }

    async fn run<T: redis::FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut cmd = redis::Cmd::new();
        for word in words {
            cmd.arg(*word);
        }
        cmd.query_async(&mut self.0).await.expect("a reply")
    }

    /// The one entry that there is. Clients have a response a moment before it is stored.
    async fn entry(&mut self) -> String {
        let stored = async {
            loop {
                let keys: Vec<String> = self.run(&[b"KEYS", b"*:e"]).await;
                if let [key] = &keys[..]
                    && self.run(&[b"HEXISTS", key.as_bytes(), b"m"]).await
                {
                    return key.clone();
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        within("one entry", stored).await
    }

    async fn field(&mut self, key: &str, name: &str) -> Vec<u8> {
        self.run(&[b"HGET", key.as_bytes(), name.as_bytes()]).await
    }

    async fn set(&mut self, key: &str, name: &str, value: &[u8]) {
        let words = [b"HSET", key.as_bytes(), name.as_bytes(), value];
        let _: i64 = self.run(&words).await;
    }

    async fn damage(&mut self, how: Damage) {
        let key = self.entry().await;
        let lease = format!("{}l", key.strip_suffix('e').expect("it is an entry"));
        match how {
            Damage::Field(name, value) => self.set(&key, name, value).await,
            Damage::Halved(name) => {
                let value = self.field(&key, name).await;
                self.set(&key, name, &value[..value.len() / 2]).await;
            }
            Damage::Flipped(name) => {
                let mut value = self.field(&key, name).await;
                let middle = value.len() / 2;
                value[middle] ^= 1;
                self.set(&key, name, &value).await;
            }
            Damage::Missing(name) => {
                let words = [b"HDEL", key.as_bytes(), name.as_bytes()];
                let _: i64 = self.run(&words).await;
            }
            Damage::OtherType => {
                let _: i64 = self.run(&[b"DEL", key.as_bytes()]).await;
                let _: String = self.run(&[b"SET", key.as_bytes(), b"a string"]).await;
            }
            Damage::OtherTypeOfLease => {
                let _: i64 = self.run(&[b"DEL", key.as_bytes()]).await;
                self.set(&lease, "a", b"hash").await;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Field(&'static str, &'static [u8]),
    Halved(&'static str),
    Flipped(&'static str),
    Missing(&'static str),
    /// The entry is no hash.
    OtherType,
    /// The entry is gone, and its lease is no string.
    OtherTypeOfLease,
}

impl Damage {
    /// A refresh replaces what it can tell to be a damaged entry. Anything else is left alone, and
    /// each node fetches for itself.
    fn heals(self) -> bool {
        match self {
            Self::Field(name, _) => ["m", "b"].contains(&name),
            Self::Halved(_) | Self::Flipped(_) => true,
            Self::Missing(_) | Self::OtherType | Self::OtherTypeOfLease => false,
        }
    }
}

const DAMAGES: [Damage; 16] = [
    Damage::Field("m", b"not one of ours"),
    Damage::Field("m", b""),
    Damage::Field("m", &[0xff; 64]),
    Damage::Halved("m"),
    Damage::Flipped("m"),
    Damage::Missing("m"),
    Damage::Field("b", b""),
    Damage::Field("b", b"vX: as many bytes as the response has"),
    Damage::Halved("b"),
    Damage::Flipped("b"),
    Damage::Missing("b"),
    Damage::Field("v", b"abc"),
    Damage::Field("f", b"-1"),
    Damage::Field("t", b"abc"),
    Damage::OtherType,
    Damage::OtherTypeOfLease,
];

fn page() -> Page {
    Page::new("v{n}: as many bytes as the response has").cache_control("max-age=60")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_entries_are_misses_that_are_counted_and_healed() {
    let fleet = Fleet::start().await;
    let mut vandal = Vandal::of(&fleet).await;
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        let path = format!("/damaged/{number}");
        fleet.origin.serve(&path, page());
        let _: String = vandal.run(&[b"FLUSHALL"]).await;
        assert!(fleet.get(0, &path).await.text().starts_with("v1"));
        vandal.damage(damage).await;
        let before = fleet.nodes[1].stat("corrupt_entries").await;
        let answer = fleet.get(1, &path).await;
        assert_eq!(answer.status, 200, "{damage:?}");
        assert!(
            answer.text().starts_with("v2"),
            "{damage:?}: {}",
            answer.text()
        );
        let after = fleet.nodes[1].stat("corrupt_entries").await;
        assert!(after > before, "{damage:?} is not counted");
        let third = fleet.get(2, &path).await;
        let healed = third.text().starts_with("v2");
        assert!(healed || !damage.heals(), "{damage:?}: {}", third.text());
        // From here on nobody asks Redis about it.
        assert_eq!(fleet.get(1, &path).await.body, answer.body, "{damage:?}");
    }
    assert!(fleet.nodes.iter().all(|node| !node.panicked()));

    // Sixteen of them did not make anybody give Redis up.
    let _: String = vandal.run(&[b"FLUSHALL"]).await;
    fleet.origin.serve("/sound", page());
    fleet.warm("/sound").await;
    assert_eq!(fleet.origin.requests_to("/sound"), 1);
    row("16 kinds of damage in Redis", "each a miss that is counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_pages_entry_under_our_key_is_never_served() {
    let fleet = Fleet::start().await;
    let mut vandal = Vandal::of(&fleet).await;
    fleet.origin.serve("/ours", page());
    let secret = Page::new("somebody's secret").cache_control("max-age=60");
    fleet.origin.serve("/theirs", secret);
    let _: String = vandal.run(&[b"FLUSHALL"]).await;
    fleet.get(0, "/ours").await;
    let ours = vandal.entry().await;
    let _: String = vandal.run(&[b"RENAME", ours.as_bytes(), b"an aside"]).await;
    fleet.get(0, "/theirs").await;
    let theirs = vandal.entry().await;
    let copied: i64 = vandal
        .run(&[b"COPY", theirs.as_bytes(), ours.as_bytes()])
        .await;
    assert_eq!(copied, 1);
    for node in [1, 2, 1] {
        let answer = fleet.get(node, "/ours").await;
        assert!(answer.text().starts_with("v2"), "{}", answer.text());
    }
    assert_eq!(fleet.nodes[1].stat("corrupt_entries").await, 1);
    assert_eq!(fleet.origin.requests_to("/ours"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_foreign_keys_do_not_make_a_node_give_redis_up() {
    let fleet = Fleet::start().await;
    let mut vandal = Vandal::of(&fleet).await;
    let paths: Vec<_> = (0..12).map(|number| format!("/foreign/{number}")).collect();
    let mut keys = Vec::new();
    for path in &paths {
        fleet.origin.serve(path, page());
        let _: String = vandal.run(&[b"FLUSHALL"]).await;
        fleet.get(0, path).await;
        keys.push(vandal.entry().await);
    }
    for key in keys {
        let _: i64 = vandal.run(&[b"DEL", key.as_bytes()]).await;
        let _: String = vandal.run(&[b"SET", key.as_bytes(), b"foreign"]).await;
    }
    for path in &paths {
        assert_eq!(fleet.get(1, path).await.status, 200);
    }
    fleet.origin.serve("/sound", page());
    fleet.warm("/sound").await;
    assert_eq!(fleet.origin.requests_to("/sound"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_cannot_be_reached_is_a_502_that_says_so() {
    let _turn = turn().await;
    let redis = RedisServer::start();
    // Nothing listens where this one was.
    let origin = Origin::start().await.url();
    let node = Node::start(0, &origin, &redis.url()).await;
    for method in ["GET", "HEAD", "POST"] {
        let answer = node.send(node.request(method, "/")).await;
        assert_eq!(answer.status, 502, "{method}");
        let status = answer.header("cache-status");
        assert!(status.starts_with("bellwether/n0; fwd="), "{status}");
        assert!(status.ends_with("detail=origin-unreachable"), "{status}");
    }
    assert!(!node.panicked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_never_answers_is_a_504_that_says_so() {
    let _turn = turn().await;
    let redis = RedisServer::start();
    let timeout = Duration::from_millis(300);
    let mut clients = JoinSet::new();
    for _node in 0..2 {
        let tier = RedisTier::connect(&redis.url()).await.expect("a good URL");
        let cache = Cache::builder().shared(tier).fetch_timeout(timeout);
        let cache = cache.build().expect("good settings");
        let node =
            ServiceBuilder::new()
                .layer(cache.layer())
                .service_fn(|_: Request<Empty<Bytes>>| {
                    pending::<Result<Response<Full<Bytes>>, Infallible>>()
                });
        for _ in 0..10 {
            let request = Request::get("http://fleet.test/").body(Empty::new());
            clients.spawn(node.clone().oneshot(request.expect("a good request")));
        }
    }
    let begun = tokio::time::Instant::now();
    for response in clients.join_all().await {
        let Ok(response) = response;
        assert_eq!(response.status(), 504);
        let status = &response.headers()["cache-status"];
        let status = status.to_str().expect("it is text");
        // On the other node it is known only that the origin failed.
        let details = ["detail=origin-timeout", "detail=origin-failed"];
        assert!(
            details.iter().any(|detail| status.ends_with(detail)),
            "{status}"
        );
    }
    let took = begun.elapsed();
    row(
        "an origin that never answers",
        &format!("504 for 20 clients of 2 nodes after {took:?}"),
    );
    assert!(took <= timeout * 3, "{took:?}");
}
