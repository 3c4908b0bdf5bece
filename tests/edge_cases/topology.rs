//! Masters that are replaced, and slots that move.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::stage::{BACK, Node, Origin, Page, REDIS_BUDGET, ms, until_asked};
use crate::store::{Entry, Store};
use crate::support::redis_cluster::{Cluster, NODE_TIMEOUT, slot_of};
use crate::support::redis_sentinel::{DOWN_AFTER, Sentinels};
use crate::support::redis_server::{RedisServer, run};
use crate::support::report::Stall;
use crate::support::{SECOND, until, within};
use crate::trouble::{RAMP, assert_shared_again, endure};

/// What sentinels take to name another master, beside the time after which they hold one for dead.
const ELECTION: Duration = Duration::from_millis(6_000);

/// > READONLY (demoted master, replica) | surfaced, not swallowed as OOM; supervisor re-resolves |
/// > fail open for ~1–2 s
pub(crate) async fn readonly_demoted_master() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=600"));
    let nodes = [
        Node::join(&redis.url(), &origin).await,
        Node::join(&redis.url(), &origin).await,
    ];
    for node in &nodes {
        node.get("/hit").await.assert_is("v1");
        sleep(ms(50)).await;
    }
    let mut store = Store::of(&redis).await;
    store.run::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let refused = store.attempt(&["SET", "x", "y"]).await;
    assert_eq!(refused.expect_err("a replica").code(), Some("READONLY"));
    let span = ms(1_500);
    for seen in endure(nodes.each_ref(), &origin, "/hit", span, &stall).await {
        assert_eq!(seen.slow(&stall), 0, "it answers, and at once");
    }
    for node in &nodes {
        assert!(!node.tier.is_up(), "an outage, and not a full store");
    }
    store.run::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

/// The one of the masters that has the entry which is there.
async fn home(cluster: &Cluster) -> (usize, Entry) {
    let found = async {
        loop {
            for (number, node) in cluster.nodes.iter().enumerate().take(3) {
                let keys: Vec<String> = run(node, &["KEYS", "*:e"]).await;
                if let Some(key) = keys.into_iter().next() {
                    return (number, Entry(key));
                }
            }
            sleep(ms(5)).await;
        }
    };
    within("an entry", found).await
}

/// > MOVED / ASK / TRYAGAIN / CLUSTERDOWN | client follows once; else fail open | ≤ 150 ms, then
/// > L1-only
pub(crate) async fn moved_ask_tryagain_or_clusterdown() {
    let mut cluster = Cluster::with(&["--cluster-require-full-coverage", "yes"]).await;
    let stall = Stall::watch();
    let origin = Origin::new(Page::new("max-age=600"));
    let first = Node::join(&cluster.url(), &origin).await;
    let second = Node::join(&cluster.url(), &origin).await;
    // These know the slots as they are before the move.
    let late = Node::join(&cluster.url(), &origin).await;
    let later = Node::join(&cluster.url(), &origin).await;
    first.get("/page").await.assert_is("v1");
    let (from, entry) = home(&cluster).await;
    let to = (from + 1) % 3;
    let slot = slot_of(&cluster.nodes[0], &entry.0).await;

    // On the move. With one key of two it may be TRYAGAIN: then each node is on its own, in time.
    cluster.open(slot, from, to).await;
    let seen = second.get("/page").await;
    assert_eq!(seen.status, 200, "{seen:?}");
    seen.assert_within(REDIS_BUDGET, &stall);
    assert!(second.get("/page").await.is_hit());
    cluster.migrate(slot, from, to).await;
    let seen = late.get("/page").await;
    assert_eq!(seen.status, 200, "{seen:?}");
    seen.assert_within(REDIS_BUDGET, &stall);
    assert!(late.get("/page").await.is_hit());
    assert!(
        origin.calls() <= 3,
        "at most one for each node: {}",
        origin.calls()
    );
    cluster.close(slot, from, to).await;
    // Moved: followed, by who does not know of it yet.
    let calls = origin.calls();
    let seen = later.get("/page").await;
    assert!(seen.is_shared(), "{seen:?}");
    seen.assert_within(REDIS_BUDGET, &stall);
    assert_eq!(origin.calls(), calls);
    let nodes = [&first, &second];
    assert!(nodes.iter().all(|node| node.tier.is_up()));

    // Without one master and its replica, none of the others serves.
    let lost: String = run(&cluster.nodes[0], &["CLUSTER", "MYID"]).await;
    let all: String = run(&cluster.nodes[1], &["CLUSTER", "NODES"]).await;
    let replica = all
        .lines()
        .find(|line| line.contains("slave") && line.contains(&lost));
    let replica = replica.expect("it has one").to_owned();
    let gone = |port: u16| replica.contains(&format!(":{port}@"));
    let replica = cluster.nodes.iter().position(|node| gone(node.port()));
    for number in [0, replica.expect("it is one of them")] {
        cluster.nodes[number].kill();
    }
    let version = first.get("/page").await.version;
    for node in nodes {
        node.get("/page").await.assert_is(&version);
    }
    // Until the others agree that it is gone; then they refuse all there is.
    let mut slow = [0; 2];
    let killed = Instant::now();
    loop {
        let endured = endure(nodes, &origin, "/page", SECOND, &stall).await;
        for (slow, seen) in slow.iter_mut().zip(endured) {
            *slow += seen.slow(&stall);
        }
        let state: String = run(&cluster.nodes[1], &["CLUSTER", "INFO"]).await;
        if state.contains("cluster_state:fail") {
            break;
        }
        assert!(killed.elapsed() < 5 * NODE_TIMEOUT, "{state}");
    }
    assert!(slow.iter().all(|slow| *slow <= 5), "{slow:?} waited");
    let mut store = Store::of(&cluster.nodes[1]).await;
    let refused = store.attempt(&["GET", "x"]).await.expect_err("it is down");
    assert_eq!(refused.code(), Some("CLUSTERDOWN"));
    for seen in endure(nodes, &origin, "/page", SECOND, &stall).await {
        assert_eq!(seen.slow(&stall), 0, "then nobody waits");
    }
}

/// > Failover lost lease and f | old holder: `lost`/`superseded`; new holder wins | one extra origin
/// > call
pub(crate) async fn failover_lost_lease_and_fence() {
    let mut sentinels = Sentinels::start().await;
    let stall = Stall::watch();
    let origin = Origin::new(Page::new("max-age=60"));
    let first = Node::join(&sentinels.url(), &origin).await;
    let second = Node::join(&sentinels.url(), &origin).await;
    let [master, replica] = &mut sentinels.servers;
    // Replicas copy after the answer. This one gets nothing more, and it is killed right after: the
    // lease was granted and is nowhere.
    replica.stop();
    run::<()>(master, &["CLIENT", "KILL", "TYPE", "replica"]).await;
    origin.hold();
    let old = first.ask("/page");
    until_asked(&origin, 1).await;
    let lease: Vec<String> = run(master, &["KEYS", "*:l"]).await;
    assert_eq!(lease.len(), 1, "{lease:?}");
    master.kill();
    replica.cont();
    // What was tried when the nodes connected may be there.
    let there: Vec<String> = run(replica, &["KEYS", "*"]).await;
    let tag = lease[0].trim_end_matches(":l");
    assert!(!there.iter().any(|key| key.starts_with(tag)), "{there:?}");
    tokio::join!(first.until_up(false), second.until_up(false));
    let took = tokio::join!(first.until_up(true), second.until_up(true));
    let took = took.0.max(took.1);
    assert!(took <= DOWN_AFTER + ELECTION + BACK, "{took:?}");
    sleep(RAMP).await;
    let new = second.ask("/page");
    until_asked(&origin, 2).await;
    origin.let_go();
    for asking in [old, new] {
        assert_eq!(asking.await.expect("an answer").status, 200);
    }
    let mut store = Store::of(replica).await;
    let entry = store.entry_of("/page", "v2").await;
    until("the old one knows", || {
        let stats = first.cache.stats();
        stats.commits_refused + stats.leases_lost >= 1
    })
    .await;
    sleep(ms(100) + stall.worst()).await;
    for node in [&first, &second] {
        node.get("/page").await.assert_is("v2");
    }
    assert_eq!(store.field(&entry, "b").await.expect("a body"), b"v2");
    assert_eq!(origin.calls(), 2);
}

/// > Two masters for seconds (Sentinel) | two holders, each master consistent in itself; loser's
/// > writes vanish | maybe 2 origin calls
pub(crate) async fn two_masters_for_seconds() {
    let sentinels = Sentinels::start().await;
    let stall = Stall::watch();
    let origin = Origin::new(Page::new("max-age=60"));
    let theirs = Node::join(&sentinels.url(), &origin).await;
    let [old, new] = &sentinels.servers;
    // A node that hears no sentinel, as on the wrong side of a partition: it knows the one server.
    let url = old
        .url()
        .replace("redis://", "redis://bellwether:PASSWORD@");
    let cut_off = Node::join(&url, &origin).await;
    old.stop();
    theirs.until_up(false).await;
    let took = theirs.until_up(true).await;
    assert!(took <= DOWN_AFTER + ELECTION + BACK, "{took:?}");
    sleep(RAMP).await;
    theirs.get("/page").await.assert_is("v1");
    // It does not know yet that it is none any more.
    old.cont();
    let seen = cut_off.get("/page").await;
    seen.assert_is("v2");
    seen.assert_within(REDIS_BUDGET, &stall);
    for _ in 0..20 {
        theirs.get("/page").await.assert_is("v1");
        cut_off.get("/page").await.assert_is("v2");
    }
    assert_eq!(origin.calls(), 2);

    // The sentinels demote it within some twenty seconds; said here in their words, at once. It
    // copies the other: what was stored on it alone is gone.
    let port = new.port().to_string();
    run::<()>(old, &["REPLICAOF", "127.0.0.1", &port]).await;
    let copied = async {
        loop {
            let keys: Vec<String> = run(old, &["KEYS", "*:e"]).await;
            if let [key] = &keys[..]
                && let body = run::<Option<String>>(old, &["HGET", key, "b"]).await
                && body.as_deref() == Some("v1")
            {
                return;
            }
            sleep(ms(20)).await;
        }
    };
    within("the copy", copied).await;
    let body = Store::of(new).await.entry_of("/page", "v1").await;
    assert!(!body.0.is_empty());
    // Back on the right side, that node goes by the fleet's: and nobody asks the origin again.
    let healed = Node::join(&sentinels.url(), &origin).await;
    let seen = healed.get("/page").await;
    seen.assert_is("v1");
    assert!(seen.is_shared(), "{seen:?}");
    theirs.get("/page").await.assert_is("v1");
    assert_eq!(origin.calls(), 2);
}
