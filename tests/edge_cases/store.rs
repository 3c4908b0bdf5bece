//! A look into Redis, past all nodes.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use crate::support::redis_server::RedisServer;
use crate::support::within;

/// A connection of one who may do everything.
pub(crate) struct Store(MultiplexedConnection);

impl Store {
    pub(crate) async fn of(server: &RedisServer) -> Self {
        let client = redis::Client::open(server.url()).expect("a URL");
        let link = client.get_multiplexed_async_connection().await;
        Self(link.expect("it is up"))
    }

    pub(crate) async fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        self.raw(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
            .await
    }

    pub(crate) async fn raw<T: redis::FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut cmd = redis::Cmd::new();
        for word in words {
            cmd.arg(*word);
        }
        cmd.query_async(&mut self.0).await.expect("a reply")
    }

    /// The one entry that there is, once it is stored: clients have a response a moment before.
    pub(crate) async fn entry(&mut self) -> Entry {
        let stored = async {
            loop {
                if let [entry] = &self.entries("m").await[..] {
                    return entry.clone();
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        within("one entry", stored).await
    }

    /// The entry whose body begins so, once it is stored.
    pub(crate) async fn entry_of(&mut self, path: &str, version: &str) -> Entry {
        let stored = async {
            loop {
                for key in self.run::<Vec<String>>(&["KEYS", "*:e"]).await {
                    let body: Option<String> = self.run(&["HGET", &key, "b"]).await;
                    if body.is_some_and(|body| body.starts_with(version)) {
                        return Entry(key);
                    }
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        within(path, stored).await
    }

    /// Runs what may fail.
    pub(crate) async fn attempt(&mut self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            cmd.arg(*word);
        }
        cmd.query_async(&mut self.0).await
    }

    /// The entry that the one lease is for which there is.
    pub(crate) async fn leased(&mut self) -> Entry {
        let keys: Vec<String> = self.run(&["KEYS", "*:l"]).await;
        let [lease] = &keys[..] else {
            panic!("one lease: {keys:?}");
        };
        let entry = lease.strip_suffix('l').expect("it is a lease");
        Entry(format!("{entry}e"))
    }

    /// The entries that have this field. (Nodes leave others behind for a second, as they try what
    /// they may do.)
    pub(crate) async fn entries(&mut self, with: &str) -> Vec<Entry> {
        let mut entries = vec![];
        for key in self.run::<Vec<String>>(&["KEYS", "*:e"]).await {
            if self.run(&["HEXISTS", &key, with]).await {
                entries.push(Entry(key));
            }
        }
        entries
    }

    /// A field of the entry.
    pub(crate) async fn field(&mut self, entry: &Entry, name: &str) -> Option<Vec<u8>> {
        self.run(&["HGET", &entry.0, name]).await
    }

    /// A field of the entry that is a number.
    pub(crate) async fn number(&mut self, entry: &Entry, name: &str) -> u64 {
        self.run(&["HGET", &entry.0, name]).await
    }

    /// Waits until the entry has another version than `version`, and gives that.
    pub(crate) async fn replaced(&mut self, entry: &Entry, version: u64) -> u64 {
        let other = async {
            loop {
                let now: Option<u64> = self.run(&["HGET", &entry.0, "v"]).await;
                if let Some(now) = now.filter(|now| *now != version) {
                    return now;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        within("another version", other).await
    }

    /// One of the figures of `INFO`.
    pub(crate) async fn info(&mut self, section: &str, name: &str) -> u64 {
        let text: String = self.run(&["INFO", section]).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.strip_prefix(':'));
        value.map_or(0, |value| value.trim().parse().expect("a number"))
    }

    /// How often a command was called so far.
    pub(crate) async fn calls(&mut self, command: &str) -> u64 {
        let text: String = self.run(&["INFO", "commandstats"]).await;
        let begins = format!("cmdstat_{command}:calls=");
        let line = text.lines().find_map(|line| line.strip_prefix(&begins));
        let calls = line.and_then(|line| line.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    }
}

/// The key of an entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry(pub(crate) String);

impl Entry {
    /// The key of its lease.
    pub(crate) fn lease(&self) -> String {
        format!("{}l", self.0.strip_suffix('e').expect("it is an entry"))
    }
}
