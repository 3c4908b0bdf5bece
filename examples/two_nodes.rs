//! Two caches, one Redis: however many clients ask on either, the origin is asked once.
//!
//! `cargo run --example two_nodes [REDIS_URL]`. Without a URL, and without `REDIS_URL` in the
//! environment, it starts a `redis-server` of its own and stops it again.

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellwether::{Cache, RedisTier};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt};

/// Clients on each of the two nodes.
const CLIENTS: u64 = 200;
/// How long the origin takes for a page.
const LATENCY: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let given = std::env::args().nth(1).or(std::env::var("REDIS_URL").ok());
    // Kept until the end: dropping it stops the server.
    let (url, _server) = match given {
        Some(url) => (url, None),
        None => {
            let server = OwnRedis::start().await?;
            (server.url.clone(), Some(server))
        }
    };

    let calls = Arc::new(AtomicU64::new(0));
    // A page of its own for each run: a Redis that you keep may remember the last one.
    let page = format!("http://example.com/report/{:016x}", fastrand::u64(..));
    let mut clients = JoinSet::new();
    for _node in ["a", "b"] {
        let cache = Cache::builder()
            .shared(RedisTier::connect(&url).await?)
            .build()?;
        let calls = Arc::clone(&calls);
        let node = ServiceBuilder::new()
            .layer(cache.layer())
            .service_fn(move |_: Request<Empty<Bytes>>| origin(Arc::clone(&calls)));
        for _ in 0..CLIENTS {
            let request = Request::get(&page).body(Empty::new())?;
            let node = node.clone();
            clients.spawn(async move {
                let response = node
                    .oneshot(request)
                    .await
                    .expect("this origin never fails");
                let (head, body) = response.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes());
                head.status == StatusCode::OK && body.is_ok_and(|body| body == "report 1\n")
            });
        }
    }
    let answers = clients.join_all().await;
    let right = answers.iter().filter(|right| **right).count();
    let calls = calls.load(Ordering::Relaxed);
    println!("clients on two nodes:  {}", answers.len());
    println!("answered, same page:   {right}");
    println!("requests to origin:    {calls}");
    let once = calls == 1 && right == answers.len();
    println!(
        "{}",
        if once {
            "the origin was called once"
        } else {
            "this should not happen"
        }
    );
    Ok(once)
}

async fn origin(calls: Arc<AtomicU64>) -> Result<Response<Full<Bytes>>, Infallible> {
    let count = calls.fetch_add(1, Ordering::Relaxed) + 1;
    sleep(LATENCY).await;
    let mut response = Response::new(Full::from(format!("report {count}\n")));
    let cache_control = http::HeaderValue::from_static("max-age=60");
    response
        .headers_mut()
        .insert("cache-control", cache_control);
    Ok(response)
}

/// A `redis-server` of our own, stopped by its process id when dropped.
struct OwnRedis {
    process: Child,
    url: String,
}

impl OwnRedis {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "there is no redis-server to start ({error}). Install it (apt-get install \
                     redis-server, dnf install redis, brew install redis), or name one that \
                     runs: cargo run --example two_nodes redis://127.0.0.1:6379"
                )
            })?;
        let url = format!("redis://127.0.0.1:{port}");
        let server = Self { process, url };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_ok()
            {
                return Ok(server);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("redis-server was started, but does not answer".into())
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
