//! Scripts that are forgotten, stuck, or somebody else's; a server that is busy.

use std::time::Duration;

use bellwether::RedisTier;
use tokio::time::sleep;

use crate::stage::{Node, Origin, Page, REDIS_BUDGET, ms};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::redis_version::{KINDS_OF_PAUSE, applies_in_part, version};
use crate::support::report::Stall;
use crate::trouble::{RAMP, assert_shared_again, endure};

/// > SCRIPT FLUSH / new master | NOSCRIPT → EVAL | one more round trip
pub(crate) async fn script_flush_or_new_master() {
    let (mut redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=60"));
    let first = Node::join(&redis.url(), &origin).await;
    let second = Node::join(&redis.url(), &origin).await;
    first.get("/warm-up").await;
    for path in ["/flushed", "/new"] {
        if path == "/new" {
            // An empty server with no scripts, as a new master is. Not before both have seen that
            // the old one is gone: they may be back before we look.
            redis.kill();
            tokio::join!(first.until_up(false), second.until_up(false));
            redis.restart();
            tokio::join!(first.until_up(true), second.until_up(true));
            sleep(RAMP).await;
        }
        let mut store = Store::of(&redis).await;
        store.run::<()>(&["SCRIPT", "FLUSH"]).await;
        let (short, whole) = (store.calls("evalsha").await, store.calls("eval").await);
        let seen = first.get(path).await;
        seen.assert_within(ms(0), &stall);
        let version = seen.version;
        let entry = store.entry_of(path, &version).await;
        // Each was refused once and then sent whole: acquire, commit.
        assert_eq!(store.calls("eval").await - whole, 2);
        assert_eq!(store.calls("evalsha").await - short, 2);
        let seen = second.get(path).await;
        seen.assert_is(&version);
        assert!(seen.is_shared(), "{seen:?}");
        assert_eq!(store.calls("eval").await - whole, 2, "known again");
        store.run::<()>(&["SCRIPT", "FLUSH"]).await;
        second.purge(path).await.expect("one round trip more");
        assert_eq!(store.field(&entry, "v").await, None);
        assert_eq!(origin.calls_to(path), 1);
    }
}

/// > BUSY script, LOADING, CLIENT PAUSE | WRITE pause also blocks EVAL in read mode [M]; timeout →
/// > breaker | ≤ 100 ms once, then L1-only
pub(crate) async fn busy_script_loading_or_client_pause() {
    // Each on a server of its own, beside one another: they mostly wait.
    tokio::join!(busy(), loading(), paused("WRITE"), paused("ALL"));
}

/// For so long, Redis is of no use.
const SPAN: Duration = Duration::from_millis(1_500);

async fn pair(redis: &RedisServer) -> (Origin, [Node; 2]) {
    let origin = Origin::new(Page::new("max-age=600"));
    let nodes = [
        Node::join(&redis.url(), &origin).await,
        Node::join(&redis.url(), &origin).await,
    ];
    for node in &nodes {
        node.get("/hit").await.assert_is("v1");
        sleep(ms(50)).await;
    }
    (origin, nodes)
}

/// At most five calls of each node wait, then none does.
async fn endures(what: &str, nodes: &[Node; 2], origin: &Origin, stall: &Stall) {
    let nodes = nodes.each_ref();
    for seen in endure(nodes, origin, "/hit", SPAN, stall).await {
        let slow = seen.slow(stall);
        assert!(slow <= 5, "{what}: {slow} slow ones");
        let longest = seen.longest();
        assert!(
            longest <= REDIS_BUDGET + stall.worst(),
            "{what}: {longest:?}"
        );
    }
    assert!(
        nodes.iter().all(|node| !node.tier.is_up()),
        "{what}: it was of no use"
    );
}

async fn busy() {
    let (redis, stall) = (
        RedisServer::with(&["--lua-time-limit", "20"]),
        Stall::watch(),
    );
    let (origin, nodes) = pair(&redis).await;
    let mut store = Store::of(&redis).await;
    let (client, mut other) = (redis::Client::open(redis.url()), Store::of(&redis).await);
    let mut link = client
        .expect("a URL")
        .get_multiplexed_async_connection()
        .await
        .expect("it is up");
    let stuck = tokio::spawn(async move {
        let script = redis::cmd("EVAL").arg("while true do end").arg(0).clone();
        script.query_async::<()>(&mut link).await
    });
    sleep(ms(100)).await;
    let refused = other.attempt(&["GET", "x"]).await.expect_err("it is busy");
    assert_eq!(refused.code(), Some("BUSY"));
    endures("BUSY", &nodes, &origin, &stall).await;
    store.run::<()>(&["SCRIPT", "KILL"]).await;
    stuck.await.expect("no panic").expect_err("killed");
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

async fn loading() {
    // A pause for each key of what is read at the start.
    let options = ["--rdbcompression", "no", "--key-load-delay", "100"];
    let (mut redis, stall) = (RedisServer::with(&options), Stall::watch());
    let (origin, nodes) = pair(&redis).await;
    let mut store = Store::of(&redis).await;
    let fill = "for i = 1, 20000 do redis.call('SET', 'k' .. i, string.rep('x', 1000)) end";
    store.run::<()>(&["EVAL", fill, "0"]).await;
    store.run::<()>(&["SAVE"]).await;
    redis.restart();
    // A connection that was made as it began may break off first, without a word of its own.
    let mut refused = None;
    for _ in 0..5 {
        let answer = Store::of(&redis).await.attempt(&["GET", "x"]).await;
        refused = answer.expect_err("it loads").code().map(str::to_owned);
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("LOADING"));
    endures("LOADING", &nodes, &origin, &stall).await;
    crate::support::until("it has loaded", || nodes[0].tier.is_up()).await;
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

async fn paused(what: &str) {
    let kinds = version().has(KINDS_OF_PAUSE);
    if what == "WRITE" && !applies_in_part(KINDS_OF_PAUSE, "CLIENT PAUSE WRITE is known") {
        return;
    }
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let (origin, nodes) = pair(&redis).await;
    let mut store = Store::of(&redis).await;
    let span = (SPAN + ms(300)).as_millis().to_string();
    let mut words = vec!["CLIENT", "PAUSE", &span];
    words.extend(kinds.then_some(what));
    store.run::<()>(&words).await;
    endures(what, &nodes, &origin, &stall).await;
    sleep(ms(300)).await;
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

/// > Two app versions | scripts named by hash, key prefix `bw1`/`sp2` | separate caches, no clash
pub(crate) async fn two_app_versions() {
    let redis = RedisServer::start();
    let origin = Origin::new(Page::new("max-age=60"));
    let next = async || {
        let builder = RedisTier::builder(&redis.url()).namespace("next");
        Node::on(builder.connect().await.expect("a good URL"), &origin, |b| b)
    };
    let old = async || Node::join(&redis.url(), &origin).await;
    let [first, second] = [old().await, next().await];
    first.get("/page").await.assert_is("v1");
    second.get("/page").await.assert_is("v2");
    let mut store = Store::of(&redis).await;
    // A later version of the layout has the same entry under a prefix of its own, whatever it is
    // there; and a script of its own, whose hash is another one.
    let mut ours = store.entries("m").await;
    ours.retain(|entry| entry.0.starts_with("{bw1:default:"));
    let [ours] = &ours[..] else {
        panic!("{ours:?}")
    };
    let theirs = ours.0.replace("bw1:", "bw2:");
    store.run::<()>(&["RPUSH", &theirs, "another layout"]).await;
    let script = include_str!("../../src/shared/redis/scripts/acquire.lua");
    let other = format!("{script}-- Another version.\n");
    store.run::<()>(&["SCRIPT", "LOAD", &other]).await;

    for (made, node, version) in [("old", old().await, "v1"), ("next", next().await, "v2")] {
        let seen = node.get("/page").await;
        seen.assert_is(version);
        assert!(seen.is_shared(), "{made}: {seen:?}");
    }
    // Nor does a purge of the one concern the other.
    first.purge("/page").await.expect("it is up");
    sleep(ms(100)).await;
    let seen = second.get("/page").await;
    seen.assert_is("v2");
    assert!(seen.is_hit(), "{seen:?}");
    next().await.get("/page").await.assert_is("v2");
    first.get("/page").await.assert_is("v3");
    assert_eq!(store.run::<u32>(&["LLEN", &theirs]).await, 1, "left alone");
    assert_eq!(origin.calls(), 3);
}
