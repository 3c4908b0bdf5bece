//! A proxy on tower-http-cache: `tower_http_cache ORIGIN FRESH STALE`, times in seconds. It does not
//! read `max-age`, so it is told.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use tower_http_cache::prelude::*;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [origin, fresh, stale] = &arguments[..] else {
        return Err("usage: tower_http_cache ORIGIN FRESH STALE".into());
    };
    let seconds = |text: &str| text.parse().map(Duration::from_secs);
    let layer = CacheLayer::builder(InMemoryBackend::new(1_000_000))
        .ttl(seconds(fresh)?)
        .stale_while_revalidate(seconds(stale)?)
        .build();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let origin = origin.clone();
    let proxy = service_fn(move |request: Request<Empty<Bytes>>| {
        let (client, origin) = (client.clone(), origin.clone());
        async move {
            let path = request.uri().path();
            let mut ask = Request::get(format!("http://{origin}{path}"));
            if let Some(node) = request.headers().get("x-node") {
                ask = ask.header("x-node", node);
            }
            let response = client.request(ask.body(Empty::new())?).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<Response<Full<Bytes>>, Failure>(Response::from_parts(head, Full::new(body)))
        }
    });
    let cached = layer.layer(proxy);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let cached = cached.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (head, _) = request.into_parts();
            cached
                .clone()
                .oneshot(Request::from_parts(head, Empty::new()))
        });
        tokio::spawn(
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)),
        );
    }
}
