//! What an entry costs in the proxy, whose client reads into buffers of its own: whoever keeps a
//! slice of one keeps all of it.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::{memory, support};

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes of memory for an entry of 1 KiB, among so many.
pub(crate) async fn entry(entries: usize) -> f64 {
    let origin = serve().await;
    let mut child = Command::new(support::example("reverse_proxy"))
        .args([
            "--origin",
            &format!("http://{origin}"),
            "--listen",
            "127.0.0.1:0",
        ])
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the proxy starts");
    let stdout = child.stdout.take().expect("piped");
    let proxy = Proxy(child);
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says where");
    let url = line.trim().trim_start_matches("listening on ").to_owned();
    let client = Client::builder(TokioExecutor::new()).build_http();
    // Warm: code, connections, the allocator's own.
    fetch(&client, &url, entries..entries + 1_000).await;
    let process = proxy.0.id().to_string();
    let before = memory::of(&process);
    fetch(&client, &url, 0..entries).await;
    (memory::of(&process) - before) as f64 / entries as f64
}

type Pool = Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

async fn fetch(client: &Pool, url: &str, pages: std::ops::Range<usize>) {
    let mut tasks = tokio::task::JoinSet::new();
    let (first, last) = (pages.start, pages.end);
    for lane in 0..16 {
        let (client, url) = (client.clone(), url.to_owned());
        tasks.spawn(async move {
            for page in (first + lane..last).step_by(16) {
                let uri = format!("{url}/{page}").parse().expect("a URI");
                let response = client.get(uri).await.expect("an answer");
                assert!(response.status().is_success());
                response.into_body().collect().await.expect("a whole body");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("nobody panics");
    }
}

/// An origin with the fields of an ordinary answer.
async fn serve() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|_: Request<hyper::body::Incoming>| async {
                let response = Response::builder()
                    .header("content-type", "text/html; charset=utf-8")
                    .header("cache-control", "public, max-age=3600")
                    .header("etag", "\"5f2b8c1e\"")
                    .header("last-modified", "Wed, 01 Jan 2025 00:00:00 GMT")
                    .body(Full::<Bytes>::from(vec![b'x'; 1_024]));
                Ok::<_, Infallible>(response.expect("a response"))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}
