//! Events that do not arrive.

use tokio::time::{Instant, sleep};

use crate::relay::Relay;
use crate::stage::{CALL, Node, Origin, Page, SLACK, ms, until_asked};
use crate::store::Store;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;
use crate::support::{until, within};

/// > Event lost | poll 100 ms…1 s | ≤ 100 ms more, first time
pub(crate) async fn event_lost() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let relay = Relay::to(&redis).await;
    relay.lose_events("c:");
    let origin = Origin::new(Page::new("max-age=60"));
    let holder = Node::join(&redis.url(), &origin).await;
    let deaf = Node::join(&relay.url(), &origin).await;
    let mut store = Store::of(&redis).await;
    origin.hold();
    let leading = holder.ask("/page");
    until_asked(&origin, 1).await;
    let waiting = deaf.ask("/page");
    let key = store.leased().await.0;
    // Told to wait: whoever commits will say so, once.
    let told = async {
        while !store.run::<bool>(&["HEXISTS", &key, "n"]).await {
            sleep(ms(2)).await;
        }
    };
    within("the mark of a waiter", told).await;
    sleep(ms(200)).await;
    origin.let_go();
    let let_go = Instant::now();
    leading.await.expect("an answer").assert_is("v1");
    let led = let_go.elapsed();
    waiting.await.expect("an answer").assert_is("v1");
    let waited = let_go.elapsed();
    assert!(
        waited <= led + ms(100) + SLACK + stall.worst(),
        "{led:?}, {waited:?}"
    );
    until("the event is lost", || relay.happened() == 1).await;
    assert!(deaf.get("/page").await.is_hit(), "the first time only");
    assert_eq!(deaf.cache.stats().gaps, 0);
    assert_eq!(origin.calls(), 1);
}

/// > Subscriber cut (slow, output buffer limit) | gap → epoch bump, lazy check | one extra L2 look-up
/// > per touched key
pub(crate) async fn subscriber_cut_by_the_output_buffer_limit() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = Origin::new(Page::new("max-age=60"));
    let node = Node::join(&redis.url(), &origin).await;
    let paths = ["/1", "/2", "/3"];
    for path in paths {
        node.get(path).await;
    }
    let mut store = Store::of(&redis).await;
    let limit = ["CONFIG", "SET", "client-output-buffer-limit"];
    store
        .run::<()>(&[&limit[..], &["pubsub 65536 0 0"]].concat())
        .await;
    // More than it takes at once.
    let (channel, noise) = ("bw1:0:default:ev", "?".repeat(100_000));
    let heard: u32 = store.run(&["PUBLISH", channel, &noise]).await;
    assert_eq!(heard, 1);
    until("it is cut", || node.cache.stats().gaps == 1).await;
    node.until_up(true).await;
    sleep(ms(200)).await;

    let calls = store.calls("evalsha").await;
    for round in 0..3 {
        for path in paths {
            let seen = node.get(path).await;
            seen.assert_is(&format!("v{}", &path[1..]));
            seen.assert_within(if round == 0 { CALL } else { ms(0) }, &stall);
        }
        let asked = store.calls("evalsha").await - calls;
        assert_eq!(asked, 3, "one look for each, in round {round}");
    }
    assert_eq!(origin.calls(), 3);
}
