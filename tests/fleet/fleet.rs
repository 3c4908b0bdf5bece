//! Three nodes, their Redis and their origin.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::load::Target;
use crate::report::Stall;
use crate::support::client::{Answer, Client};
use crate::support::origin::Origin;
use crate::support::proxy::{self, Proxy};
use crate::support::redis_server::RedisServer;

/// The site that all clients ask for.
pub(crate) const HOST: &str = "fleet.test";
/// Nodes of a fleet.
pub(crate) const NODES: usize = 3;
/// The lease of a refresh: the library's default, which the proxy runs with.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// The most that one request may pay for Redis.
pub(crate) const REDIS_BUDGET: Duration = Duration::from_millis(150);
/// Beside what a claim states: what a process may wait for a core of a busy machine.
pub(crate) const SLACK: Duration = Duration::from_millis(50);

/// A fleet. Everything in it ends with it.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Node>,
    pub(crate) origin: Origin,
    pub(crate) redis: RedisServer,
    pub(crate) stall: Stall,
    _turn: MutexGuard<'static, ()>,
}

/// One proxy process. Requests say which node they were sent to, and a refresh is made with the
/// request that caused it: so the origin knows which node asks.
pub(crate) struct Node {
    pub(crate) proxy: Proxy,
    pub(crate) admin: Client,
    client: Client,
    number: usize,
}

/// The field by which a request says which node it was sent to.
pub(crate) const TO_NODE: &str = "x-to-node";

/// One test at a time.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: OnceLock<Mutex<()>> = OnceLock::new();
    TURN.get_or_init(Mutex::default).lock().await
}

impl Fleet {
    /// Starts one when it is this test's turn.
    pub(crate) async fn start() -> Self {
        let turn = turn().await;
        // Fails loudly where there is no redis-server: without one nothing here is tested.
        let redis = RedisServer::start();
        let origin = Origin::start().await;
        let mut nodes = Vec::new();
        for number in 0..NODES {
            nodes.push(Node::start(number, &origin.url(), &redis.url()).await);
        }
        Self {
            nodes,
            origin,
            redis,
            stall: Stall::watch(),
            _turn: turn,
        }
    }

    /// Sends `GET path` to one node.
    pub(crate) async fn get(&self, node: usize, path: &str) -> Answer {
        self.nodes[node].get(path).await
    }

    /// All nodes as targets of a load, with the same `Host`.
    pub(crate) fn targets(&self, path: &str) -> Vec<Target> {
        let target = |node: &Node| node.target(path);
        self.nodes.iter().map(target).collect()
    }

    /// The node that made the origin's `number`th request to `path`; the first is 0.
    pub(crate) fn asker(&self, path: &str, number: usize) -> usize {
        asker(&self.origin.heads(path)[number])
    }

    /// When each node asked the origin for `path`.
    pub(crate) fn fetches(&self, path: &str) -> Vec<(Instant, usize)> {
        let begun = self.origin.begun(path).into_iter();
        let heads = self.origin.heads(path);
        begun.zip(heads.iter().map(asker)).collect()
    }

    /// Makes sure that every node has `path` in its own memory.
    pub(crate) async fn warm(&self, path: &str) {
        for node in &self.nodes {
            assert_eq!(node.get(path).await.status, 200);
        }
    }
}

fn asker(head: &http::request::Parts) -> usize {
    let to = head.headers[TO_NODE].to_str().expect("it is a number");
    to.parse().expect("it is a number")
}

impl Node {
    /// Starts the node of this number.
    pub(crate) async fn start(number: usize, origin: &str, redis: &str) -> Self {
        // A port has to be known beforehand: only the proxy's own address is printed.
        let free = TcpListener::bind("127.0.0.1:0").await;
        let admin = free.and_then(|free| free.local_addr());
        let admin = admin.expect("loopback has a free port").to_string();
        let mut command = proxy::command();
        command.args(["--origin", origin, "--redis", redis]).args([
            "--admin",
            &admin,
            "--node",
            &format!("n{number}"),
        ]);
        let proxy = Proxy::start(command).await;
        Self {
            client: proxy.client(),
            admin: Client::new(format!("http://{admin}")),
            proxy,
            number,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// A request for the common site.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
    ) -> http::Request<crate::support::client::Body> {
        let mut request = self.client.request(method, path);
        let headers = request.headers_mut();
        headers.insert("host", HOST.parse().expect("a host is a value"));
        headers.insert(TO_NODE, self.number.into());
        request
    }

    /// Sends a request made by [`request`](Self::request) and leaves the body to be read.
    pub(crate) async fn open(
        &self,
        request: http::Request<crate::support::client::Body>,
    ) -> http::Response<hyper::body::Incoming> {
        self.client.open(request).await
    }

    /// Sends a request made by [`request`](Self::request).
    pub(crate) async fn send(
        &self,
        request: http::Request<crate::support::client::Body>,
    ) -> Answer {
        self.client.send(request).await
    }

    /// Sends `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// This node as a target of a load, asked for the common site.
    pub(crate) fn target(&self, path: &str) -> Target {
        Target::new(self.number, self.address(), HOST, path)
    }

    /// This node as a target of a load, asked by its own address.
    pub(crate) fn by_address(&self, path: &str) -> Target {
        let address = self.address();
        Target::new(self.number, address, &address.to_string(), path)
    }

    /// Purges a page of the common site through this node's admin port.
    pub(crate) async fn purge(&self, path: &str) {
        let purge = format!("/purge?uri=http://{HOST}{path}");
        let answer = self.admin.send(self.admin.request("POST", &purge)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Purges everything through this node's admin port.
    pub(crate) async fn purge_all(&self) {
        let purge = self.admin.request("POST", "/purge-all");
        let answer = self.admin.send(purge).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// One of the counters of `/stats`.
    pub(crate) async fn stat(&self, name: &str) -> u64 {
        let answer = self.admin.get("/stats").await;
        let stats: toml::Table = answer
            .text()
            .trim()
            .trim_matches(['{', '}'])
            .replace(',', "\n")
            .replace(':', "=")
            .parse()
            .expect("a flat object of numbers");
        let stat = stats
            .get(name)
            .unwrap_or_else(|| panic!("/stats has no {name}: {}", answer.text()));
        let stat = stat.as_integer().expect("counters are integers");
        stat.try_into().expect("counters are not negative")
    }

    /// True if a panic was reported on stderr.
    pub(crate) fn panicked(&self) -> bool {
        self.proxy.stderr().contains("panicked")
    }
}
