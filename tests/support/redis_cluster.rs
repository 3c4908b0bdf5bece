//! Three masters with a replica each.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::redis_server::{RedisServer, run, try_run};

/// After this long without an answer, the nodes hold one for dead.
pub const NODE_TIMEOUT: Duration = Duration::from_millis(2_000);

/// All six end with this value. At the start, the first three are the masters.
pub struct Cluster {
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts them and waits until they serve.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(options: &[&str]) -> Self {
        let timeout = NODE_TIMEOUT.as_millis().to_string();
        let mut all = vec![
            "--save",
            "",
            "--appendonly",
            "no",
            "--cluster-enabled",
            "yes",
        ];
        all.extend(["--cluster-node-timeout", &timeout]);
        // With the default, a replica that has just joined again does not take over.
        all.extend(["--cluster-replica-validity-factor", "0"]);
        all.extend(options);
        // All tests are done with the least rights.
        all.extend(["--user", "bellwether"]);
        all.extend(super::rights_in_a_cluster());
        // Their bus has a port that is larger by 10000.
        let nodes: Vec<_> = (0..6)
            .map(|_| RedisServer::of(None, &all, 55_535))
            .collect();
        let cluster = Self { nodes };
        cluster.cli(&["--cluster-replicas", "1", "--cluster-yes"]);
        let start = Instant::now();
        while !cluster.is_whole().await {
            assert!(start.elapsed() < Duration::from_secs(30), "not whole");
            sleep(Duration::from_millis(50)).await;
        }
        cluster
    }

    fn cli(&self, rest: &[&str]) {
        let done = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(self.nodes.iter().map(place))
            .args(rest)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli comes with redis-server");
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}");
    }

    /// Whether all nodes agree and every master has its replica.
    async fn is_whole(&self) -> bool {
        for node in &self.nodes {
            let info: String = run(node, &["CLUSTER", "INFO"]).await;
            let nodes: String = run(node, &["CLUSTER", "NODES"]).await;
            let replicas = nodes.lines().filter(|line| line.contains("slave")).count();
            if !info.contains("cluster_state:ok") || replicas != 3 {
                return false;
            }
        }
        for node in &self.nodes[3..] {
            let info: String = run(node, &["INFO", "replication"]).await;
            if !info.contains("master_link_status:up") {
                return false;
            }
        }
        true
    }

    /// The URL of a user with the least rights, which names two of them.
    pub fn url(&self) -> String {
        let [first, second] = [&self.nodes[0], &self.nodes[4]].map(place);
        format!("redis+cluster://bellwether:PASSWORD@{first},{second}/")
    }

    /// The URLs of the masters, one by one.
    pub fn masters(&self) -> Vec<String> {
        self.nodes[..3].iter().map(RedisServer::url).collect()
    }

    /// The master that has this slot, as it says itself.
    pub async fn owner(&self, slot: u16) -> usize {
        for (number, node) in self.nodes.iter().enumerate().take(3) {
            let nodes: String = run(node, &["CLUSTER", "NODES"]).await;
            let own = nodes.lines().find(|line| line.contains("myself"));
            let has = |part: &str| {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let number = |text: &str| text.parse::<u16>().ok();
                number(first)
                    .zip(number(last))
                    .is_some_and(|(a, b)| (a..=b).contains(&slot))
            };
            if own.unwrap().split(' ').skip(8).any(has) {
                return number;
            }
        }
        panic!("nobody has slot {slot}");
    }

    /// Makes a replica forget what it was, and join again as a master without slots.
    pub async fn become_empty_master(&self, number: usize) -> usize {
        let node = &self.nodes[number];
        let old = self.id(number).await;
        run::<()>(node, &["CLUSTER", "RESET", "HARD"]).await;
        for other in self
            .nodes
            .iter()
            .filter(|other| other.port() != node.port())
        {
            run::<()>(other, &["CLUSTER", "FORGET", &old]).await;
        }
        let port = self.nodes[0].port().to_string();
        run::<()>(node, &["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        let start = Instant::now();
        while !run::<String>(node, &["CLUSTER", "INFO"])
            .await
            .contains("cluster_state:ok")
        {
            assert!(start.elapsed() < Duration::from_secs(20), "it did not join");
            sleep(Duration::from_millis(50)).await;
        }
        number
    }

    /// Begins to move a slot; keys follow by [`migrate`](Self::migrate).
    pub async fn open(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (source, target) = (self.id(from).await, self.id(to).await);
        let set = ["CLUSTER", "SETSLOT", &slot];
        run::<()>(
            &self.nodes[to],
            &[&set[..], &["IMPORTING", &source]].concat(),
        )
        .await;
        run::<()>(
            &self.nodes[from],
            &[&set[..], &["MIGRATING", &target]].concat(),
        )
        .await;
    }

    /// Moves all keys of a slot that is open.
    pub async fn migrate(&self, slot: u16, from: usize, to: usize) {
        let (slot, port) = (slot.to_string(), self.nodes[to].port().to_string());
        let words = ["CLUSTER", "GETKEYSINSLOT", &slot, "1000"];
        for key in run::<Vec<String>>(&self.nodes[from], &words).await {
            let words = ["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"];
            run::<()>(&self.nodes[from], &words).await;
        }
    }

    /// Ends the move.
    pub async fn close(&self, slot: u16, from: usize, to: usize) {
        let (slot, id) = (slot.to_string(), self.id(to).await);
        for number in [to, from] {
            let words = ["CLUSTER", "SETSLOT", &slot, "NODE", &id];
            run::<()>(&self.nodes[number], &words).await;
        }
    }

    async fn id(&self, number: usize) -> String {
        try_run(&self.nodes[number], &["CLUSTER", "MYID"])
            .await
            .expect("it is up")
    }
}

fn place(node: &RedisServer) -> String {
    format!("127.0.0.1:{}", node.port())
}

/// The slot of a key or of its tag, as a node says it.
pub async fn slot_of(node: &RedisServer, key: &str) -> u16 {
    run(node, &["CLUSTER", "KEYSLOT", key]).await
}
