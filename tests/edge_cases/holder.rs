//! The one who refreshes dies, stands still, or is left by its client.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::stage::{self, Node, SLACK, ms, until_asked};
use crate::store::Store;
use crate::support::client::{Answer, Client};
use crate::support::origin::{Origin, Page};
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::report::Stall;
use crate::support::{SECOND, until};

/// The default.
const LEASE: Duration = Duration::from_secs(3);
/// The most that is added to the end of a lease, so that not all ask at once.
const JITTER: Duration = Duration::from_millis(100);
const LATENCY: Duration = Duration::from_millis(600);

/// A node that can be killed and paused.
struct Process {
    proxy: Proxy,
    client: Client,
}

impl Process {
    async fn start(redis: &RedisServer, origin: &Origin) -> Self {
        let (redis, origin) = (redis.url(), origin.url());
        let proxy = Proxy::spawn(&["--origin", &origin, "--redis", &redis]).await;
        let client = proxy.client();
        Self { proxy, client }
    }

    fn ask(&self, path: &str) -> JoinHandle<Answer> {
        let client = self.client.clone();
        let mut request = client.request("GET", path);
        let host = "edge.test".parse().expect("a host");
        request.headers_mut().insert("host", host);
        tokio::spawn(async move { client.send(request).await })
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(path).await.expect("an answer")
    }
}

fn page(cache_control: &str) -> Page {
    Page::new("v{n}").cache_control(cache_control)
}

/// > Holder SIGKILLed | lease ends by PX; a waiter takes a larger fence | stale at once, or wait ≤
/// > lease left + jitter
pub(crate) async fn holder_killed() {
    let (redis, origin) = (RedisServer::start(), Origin::start().await);
    let (holder, other) = (
        Process::start(&redis, &origin).await,
        Process::start(&redis, &origin).await,
    );
    let stall = Stall::watch();
    origin.serve("/stale", page("max-age=1, stale-while-revalidate=60"));
    for node in [&holder, &other] {
        assert_eq!(node.get("/stale").await.text(), "v1");
        sleep(ms(50)).await;
    }
    sleep(ms(1_100)).await;
    let slow = page("max-age=60").latency(LATENCY);
    for path in ["/stale", "/cold"] {
        origin.serve(path, slow.clone());
        drop(holder.ask(path));
    }
    let asked = |path, times| origin.requests_to(path) == times;
    until("it refreshes both", || {
        asked("/stale", 2) && asked("/cold", 1)
    })
    .await;
    holder.proxy.kill();
    let mut store = Store::of(&redis).await;
    let mut left = Duration::ZERO;
    for lease in store.run::<Vec<String>>(&["KEYS", "*:l"]).await {
        left = left.max(ms(store.run(&["PTTL", &lease]).await));
    }
    assert!(left > LEASE / 2, "{left:?}");

    let waiting = other.ask("/cold");
    while asked("/stale", 2) {
        let answer = other.get("/stale").await;
        assert_eq!(answer.text(), "v1", "stale");
        let bound = SLACK + stall.worst();
        assert!(answer.took <= bound, "at once: {:?}", answer.took);
        sleep(ms(5)).await;
    }
    let answer = waiting.await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "v2"));
    let bound = left + JITTER + LATENCY + SLACK + stall.worst();
    assert!(answer.took <= bound, "{:?}, {left:?} left", answer.took);
    sleep(SECOND).await;
    assert_eq!(other.get("/stale").await.text(), "v3");
    assert!(asked("/stale", 3) && asked("/cold", 2), "one more each");
}

/// > Holder paused beyond TTL, then commits | `superseded` if a newer fence exists; `ok` if nobody
/// > took over | nothing; old data never wins
pub(crate) async fn holder_paused_beyond_its_lease_then_commits() {
    let (redis, origin) = (RedisServer::start(), Origin::start().await);
    let (holder, other) = (
        Process::start(&redis, &origin).await,
        Process::start(&redis, &origin).await,
    );
    let (taken, left) = ("/taken", "/left");
    for path in [taken, left] {
        origin.serve(path, page("max-age=60").latency(LATENCY));
    }
    let [first, second] = [taken, left].map(|path| holder.ask(path));
    let asked = |path, times| origin.requests_to(path) == times;
    until("it fetches both", || asked(taken, 1) && asked(left, 1)).await;
    holder.proxy.stop();
    sleep(LEASE + ms(200)).await;
    origin.serve(taken, page("max-age=60"));
    assert_eq!(other.get(taken).await.text(), "v2");
    // Whoever has seen that sees nothing older any more, on either node.
    sleep(ms(100)).await;
    holder.proxy.cont();
    assert_eq!(first.await.expect("an answer").text(), "v2");
    assert_eq!(second.await.expect("an answer").text(), "v1");
    sleep(ms(100)).await;
    for _ in 0..20 {
        for node in [&holder, &other] {
            assert_eq!(node.get(taken).await.text(), "v2");
            assert_eq!(node.get(left).await.text(), "v1");
        }
    }
    assert!(asked(taken, 2), "one more for the pause");
    assert!(asked(left, 1), "none: what it committed late is shared");
}

/// > Client disconnects | detached task goes on and commits | others get it
pub(crate) async fn client_disconnects() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = stage::Origin::new(stage::Page::new("max-age=60"));
    let node = Node::join(&redis.url(), &origin).await;
    let other = Node::join(&redis.url(), &origin).await;
    origin.hold();
    let leaving = node.ask("/page");
    until_asked(&origin, 1).await;
    let waiting = [node.ask("/page"), other.ask("/page")];
    leaving.abort();
    assert!(leaving.await.expect_err("it left").is_cancelled());
    sleep(ms(50)).await;
    origin.let_go();
    let let_go = Instant::now();
    for waiting in waiting {
        waiting.await.expect("an answer").assert_is("v1");
    }
    let took = let_go.elapsed();
    assert!(took <= ms(100) + SLACK + stall.worst(), "{took:?}");
    for node in [&node, &other] {
        let seen = node.get("/page").await;
        seen.assert_is("v1");
        assert!(seen.is_hit(), "{seen:?}");
    }
    assert_eq!(origin.calls(), 1);
}

/// > Runtime shutdown | guard queues release; else TTL | ≤ one lease of waiting
pub(crate) async fn runtime_shutdown() {
    let (redis, stall) = (RedisServer::start(), Stall::watch());
    let origin = stage::Origin::new(stage::Page::new("max-age=60"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (url, theirs) = (redis.url(), origin.clone());
    let holder = runtime.spawn(async move { Node::join(&url, &theirs).await });
    let holder = holder.await.expect("a node");
    let other = Node::join(&redis.url(), &origin).await;
    origin.hold();
    runtime.spawn(async move { holder.get("/page").await });
    until_asked(&origin, 1).await;
    runtime.shutdown_background();
    let ended = Instant::now();
    origin.let_go();
    let seen = other.get("/page").await;
    seen.assert_is("v2");
    let took = ended.elapsed();
    assert!(took <= LEASE + JITTER + SLACK + stall.worst(), "{took:?}");
    assert_eq!(origin.calls(), 2);
}
