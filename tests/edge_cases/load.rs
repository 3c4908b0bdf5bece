//! Many at once, and a Redis that is gone or stands still.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::stage::{Node, Origin, Page, REDIS_BUDGET, ms};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;
use crate::trouble::{assert_shared_again, endure};

const SPAN: Duration = Duration::from_millis(2_500);

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

/// > Redis frozen | timeouts → breaker, connection dropped | ≤ 5 slow calls per node, then none
pub(crate) async fn redis_frozen() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let (origin, nodes) = pair(&redis).await;
    redis.stop();
    let frozen = Instant::now();
    for seen in endure(nodes.each_ref(), &origin, "/hit", SPAN, &stall).await {
        let slow = seen.slow(&stall);
        assert!((1..=5).contains(&slow), "{slow} slow ones");
        // They are the first ones: then none.
        let last = seen
            .cold
            .iter()
            .rposition(|seen| seen.took > ms(50) + stall.worst());
        assert!(last.is_some_and(|last| last < 5), "{last:?}");
    }
    assert!(nodes.iter().all(|node| !node.tier.is_up()));
    assert!(frozen.elapsed() >= SPAN);
    redis.cont();
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

/// > Redis killed | refused in <1 ms | nothing beyond L1-only
pub(crate) async fn redis_killed() {
    let (mut redis, stall) = (RedisServer::start(), Stall::watch());
    let (origin, nodes) = pair(&redis).await;
    redis.kill();
    for seen in endure(nodes.each_ref(), &origin, "/hit", SPAN, &stall).await {
        assert_eq!(seen.slow(&stall), 0);
        let mut took: Vec<_> = seen.cold.iter().map(|seen| seen.took).collect();
        took.sort_unstable();
        let median = took[took.len() / 2];
        assert!(
            median < ms(2),
            "{median:?}: with all else that a request does"
        );
    }
    assert!(nodes.iter().all(|node| !node.tier.is_up()));
    redis.restart();
    assert_shared_again(nodes.each_ref(), &origin, &stall).await;
}

/// > Hot key, 10 k requests per node | one local flight per node | all served from one reply
pub(crate) async fn hot_key_10k_requests_per_node() {
    const CROWD: usize = 10_000;
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    // They are all there before it answers.
    let latency = ms(1_000);
    let origin = Origin::new(Page::new("max-age=60").after(latency));
    let nodes = [
        Node::join(&redis.url(), &origin).await,
        Node::join(&redis.url(), &origin).await,
    ];
    for node in &nodes {
        node.get("/warm-up").await;
    }
    let mut store = Store::of(&redis).await;
    let before = store.calls("evalsha").await;
    let crowd = |node: Node| async move {
        let mut asking = vec![];
        for _ in 0..CROWD {
            asking.push(node.ask("/hot"));
        }
        join_all(asking).await
    };
    let begun = Instant::now();
    let [first, second] = &nodes;
    let (one, two) = tokio::join!(
        tokio::spawn(crowd(first.clone())),
        tokio::spawn(crowd(second.clone()))
    );
    let took = begun.elapsed();
    for seen in [one, two]
        .into_iter()
        .flat_map(|crowd| crowd.expect("no panic"))
    {
        seen.expect("an answer").assert_is("v2");
    }
    let bound = latency + REDIS_BUDGET + ms(1_000) + stall.worst();
    assert!(took <= bound, "{took:?}");
    assert_eq!(origin.calls_to("/hot"), 1);
    // Who leads: acquire and commit. Who waits: asks, and looks again every 50 ms at most.
    let asked = store.calls("evalsha").await - before;
    let looks = u64::try_from(took.as_millis() / 50).expect("a few");
    assert!(
        (3..=4 + looks).contains(&asked),
        "{asked} scripts for 20000 in {took:?}"
    );
    for node in &nodes {
        let stats = node.cache.stats();
        let answers =
            stats.hits + stats.shared_hits + stats.led + stats.followed + stats.remote_followed;
        assert_eq!(answers, 1 + CROWD as u64, "{stats:?}");
    }
}
