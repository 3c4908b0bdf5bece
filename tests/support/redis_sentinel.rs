//! A master, its replica, and three sentinels that watch over them.

use std::collections::HashMap;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep};

use super::redis_server::{RedisServer, run, try_run};
use super::redis_version::{CHANNEL_RULES, version};
use super::rights;

/// After this long without an answer, a sentinel holds a server for dead.
pub const DOWN_AFTER: Duration = Duration::from_millis(1_000);

/// All five end with this value.
pub struct Sentinels {
    /// The master at the start, and the replica.
    pub servers: [RedisServer; 2],
    pub sentinels: Vec<RedisServer>,
}

impl Sentinels {
    /// Starts them and waits until a failover is possible.
    pub async fn start() -> Self {
        // All tests are done with the least rights.
        let user = [&["--user", "bellwether"][..], &rights("bellwether")].concat();
        let master = RedisServer::with(&user);
        let port = master.port().to_string();
        let replicates = ["--replicaof", "127.0.0.1", &port];
        let replica = RedisServer::with(&[&user[..], &replicates].concat());
        let file = format!(
            "sentinel monitor mymaster 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds mymaster {}\n\
             sentinel failover-timeout mymaster 5000\n\
             {}\n",
            DOWN_AFTER.as_millis(),
            if have_users() {
                format!("user watcher {}", rights("watcher").join(" "))
            } else {
                String::new()
            }
        );
        let sentinels: Vec<_> = (0..3).map(|_| RedisServer::sentinel(&file)).collect();
        for sentinel in &sentinels {
            let start = Instant::now();
            while !knows_all(sentinel).await {
                assert!(start.elapsed() < Duration::from_secs(20), "not complete");
                sleep(Duration::from_millis(50)).await;
            }
        }
        let servers = [master, replica];
        Self { servers, sentinels }
    }

    /// The URL of the master, by way of them, for users with the least rights.
    pub fn url(&self) -> String {
        let hosts = self.sentinels.iter();
        let hosts: Vec<_> = hosts
            .map(|one| format!("127.0.0.1:{}", one.port()))
            .collect();
        let hosts = hosts.join(",");
        let theirs = if have_users() {
            "?sentinel_user=watcher&sentinel_password=PASSWORD"
        } else {
            ""
        };
        format!("redis+sentinel://bellwether:PASSWORD@{hosts}/mymaster{theirs}")
    }

    /// Has the sentinels make the replica the master, and returns when one of them says it is.
    pub async fn fail_over(&self) {
        let sentinel = &self.sentinels[0];
        let start = Instant::now();
        // They look at the replica every ten seconds, and have to have seen that it is one.
        while let Err(error) = try_run::<()>(sentinel, &["SENTINEL", "FAILOVER", "mymaster"]).await
        {
            assert!(start.elapsed() < Duration::from_secs(20), "{error}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The port of the master, as one of them sees it.
    pub async fn master(&self, sentinel: usize) -> u16 {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        let (_, port): (String, u16) = run(&self.sentinels[sentinel], &words).await;
        port
    }
}

/// Sentinels have users since access rules know channels.
fn have_users() -> bool {
    version().has(CHANNEL_RULES)
}

async fn knows_all(sentinel: &RedisServer) -> bool {
    let state: HashMap<String, Value> = run(sentinel, &["SENTINEL", "MASTER", "mymaster"]).await;
    let number = |name: &str| -> u32 {
        let value = state.get(name).cloned();
        value.map_or(0, |value| redis::from_redis_value(value).unwrap())
    };
    number("num-slaves") == 1 && number("num-other-sentinels") == 2
}
