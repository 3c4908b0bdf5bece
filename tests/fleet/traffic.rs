//! What the fleet asks of its Redis: nothing for a hit, one trip for a miss, one event for those
//! who wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::fleet::{Fleet, Node};
use crate::report::row;
use crate::support::origin::Page;
use crate::support::redis_server::{RedisServer, run};
use crate::support::until;

/// The calls that the server has counted, by command; what scripts call counts too.
struct Calls(HashMap<String, u64>);

impl Calls {
    async fn of(redis: &RedisServer) -> Self {
        let text: String = run(redis, &["INFO", "commandstats"]).await;
        let lines = text.lines().filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = figures.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), calls))
        });
        Self(lines.collect())
    }

    /// Calls of `name` from `self` to `later`.
    fn until(&self, later: &Self, name: &str) -> u64 {
        let calls = |of: &Self| of.0.get(name).copied().unwrap_or(0);
        calls(later) - calls(self)
    }
}

/// All that is published, without the heartbeats.
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    async fn of(redis: &RedisServer) -> Self {
        let client = redis::Client::open(redis.url()).expect("a URL");
        let mut events = client.get_async_pubsub().await.expect("it is up");
        events.psubscribe("*").await.expect("anyone may listen");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Some(message) = events.on_message().next().await {
                let text: String = message.get_payload().expect("our events are text");
                if !text.starts_with("a:") {
                    hearing.lock().expect("nobody panics with it").push(text);
                }
            }
        });
        Self(heard)
    }

    fn are_heard(&self) -> bool {
        !self.0.lock().expect("nobody panics with it").is_empty()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics with it"))
    }
}

/// While a node waits for another it looks again this often.
const POLL: Duration = Duration::from_millis(50);

async fn ask(node: &Node, path: &str, clients: usize) {
    let answers = join_all((0..clients).map(|_| node.get(path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_asked_once_for_a_miss_and_never_for_a_hit() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}").cache_control("max-age=60");
    fleet.origin.serve("/page", page.clone());
    fleet
        .origin
        .serve("/cold", page.latency(Duration::from_millis(40)));
    // Each node's connections know the scripts from now on.
    for node in &fleet.nodes {
        ask(node, "/warm-up", 1).await;
    }
    let redis = &fleet.redis;
    let events = Events::of(redis).await;

    // One node leads: it asks and commits. Nobody waits, so nobody is told.
    let before = Calls::of(redis).await;
    ask(&fleet.nodes[0], "/page", 1).await;
    until("it is committed", || fleet.origin.requests_to("/page") == 1).await;
    let mut led = Calls::of(redis).await;
    while before.until(&led, "evalsha") < 2 {
        led = Calls::of(redis).await;
    }
    assert_eq!(before.until(&led, "evalsha"), 2, "acquire, commit");
    assert_eq!(events.take(), Vec::<String>::new());

    // The others find it, with one question each, however many ask.
    for node in &fleet.nodes[1..] {
        let before = Calls::of(redis).await;
        ask(node, "/page", 20).await;
        let found = Calls::of(redis).await;
        assert_eq!(before.until(&found, "evalsha"), 1, "acquire");
        // One within the script, and one for the content, sent with the question.
        assert_eq!(before.until(&found, "hmget"), 2);
    }

    // A thousand hits on each node.
    let before = Calls::of(redis).await;
    let begun = Instant::now();
    for node in &fleet.nodes {
        for _ in 0..20 {
            ask(node, "/page", 50).await;
        }
    }
    let hits = Calls::of(redis).await;
    for command in ["evalsha", "eval", "hmget", "hget", "time"] {
        assert_eq!(before.until(&hits, command), 0, "{command}");
    }
    // With its heartbeat, each node looks whether everything was purged.
    let beats = 3 * (begun.elapsed().as_secs() + 2);
    let looks = before.until(&hits, "get");
    assert!(looks <= beats, "{looks} in {beats} heartbeats");
    assert_eq!(fleet.origin.requests_to("/page"), 1);

    // Where all wait for one: who leads asks and commits, each of the others asks, is told once,
    // and asks again.
    let before = Calls::of(redis).await;
    let begun = Instant::now();
    join_all(fleet.nodes.iter().map(|node| ask(node, "/cold", 20))).await;
    let took = begun.elapsed();
    let waited = Calls::of(redis).await;
    let asked = before.until(&waited, "evalsha");
    until("the event is heard", || events.are_heard()).await;
    let told = events.take();
    row(
        "Redis calls for a cold page, 3 nodes x 20",
        &format!("{asked} scripts, events {told:?}"),
    );
    assert_eq!(fleet.origin.requests_to("/cold"), 1);
    // Two for who leads, two for each of the others; and on a slow day the looks that a lost event
    // would need.
    let looks = 2 * (took.as_millis() / POLL.as_millis());
    assert!(
        (6..=6 + looks).contains(&asked.into()),
        "{asked} scripts in {took:?}"
    );
    assert_eq!(told.len(), 1, "one event for one commit: {told:?}");
    assert!(told[0].starts_with("c:"), "{told:?}");
}
