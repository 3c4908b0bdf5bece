//! The Redis of an example: one that runs, or one of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bellwether::lock::RedisLock;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::Outcome;

/// Where a Redis usually is.
const USUAL: &str = "redis://127.0.0.1:6379";

/// A Redis. If it was started here, it ends with this value.
pub(crate) struct Redis {
    pub(crate) url: String,
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// The one at this URL; without one, that of this machine, or else one of our own.
    pub(crate) async fn find(given: Option<String>) -> Outcome<Self> {
        let known = |url: String| Self {
            url,
            port: 0,
            process: None,
        };
        if let Some(url) = given {
            if !RedisLock::connect(&url).await?.is_up() {
                return Err(format!(
                    "nobody answers at {url}: start a redis-server there, or leave --redis out"
                )
                .into());
            }
            return Ok(known(url));
        }
        let usual = TcpStream::connect((Ipv4Addr::LOCALHOST, 6379));
        if let Ok(Ok(_)) = timeout(Duration::from_secs(1), usual).await {
            eprintln!("redis: the one that runs at {USUAL}");
            return Ok(known(USUAL.to_owned()));
        }
        let own = Self::own().await?;
        eprintln!("redis: nobody at {USUAL}, so one of our own at {}", own.url);
        Ok(own)
    }

    /// A server of our own, empty.
    pub(crate) async fn own() -> Outcome<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let mut server = Self {
            url: format!("redis://127.0.0.1:{port}"),
            port,
            process: None,
        };
        server.launch().await?;
        Ok(server)
    }

    /// Kills the server and starts it again, without its data. Only for one of our own.
    pub(crate) async fn lose_everything(&mut self) -> Outcome<()> {
        self.kill();
        self.launch().await
    }

    async fn launch(&mut self) -> Outcome<()> {
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "there is no redis-server to start ({error}). Install it \
                     (apt-get install redis-server, dnf install redis, brew install redis), or \
                     name one that runs: --redis redis://HOST:6379"
                )
            })?;
        self.process = Some(process);
        for _ in 0..200 {
            let answers = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
            if answers.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(25)).await;
        }
        Err("redis-server was started, but does not answer".into())
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
