//! The cache that anybody would write first: look, else fetch and keep. Nobody waits for anybody.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use moka::sync::Cache;
use tokio::net::TcpListener;

use crate::origin::NODE;

type Pool = Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

#[derive(Clone)]
struct Kept {
    until: Instant,
    body: Bytes,
}

/// Serves until killed. Prints its address when it listens.
pub(crate) fn serve(origin: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(listen(origin.to_owned()));
}

async fn listen(origin: String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!(
        "listening on http://{}",
        listener.local_addr().expect("an address")
    );
    let pool: Pool = Client::builder(TokioExecutor::new()).build_http();
    let kept = Cache::new(1_000_000);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (origin, pool, kept) = (origin.clone(), pool.clone(), kept.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (origin, pool, kept) = (origin.clone(), pool.clone(), kept.clone());
                async move { Ok::<_, Infallible>(answer(&origin, &pool, &kept, &request).await) }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own")]
fn now() -> Instant {
    Instant::now()
}

async fn answer(
    origin: &str,
    pool: &Pool,
    kept: &Cache<String, Kept>,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if let Some(found) = kept.get(path).filter(|found| now() < found.until) {
        return Response::new(Full::from(found.body));
    }
    let mut ask = Request::get(format!("http://{origin}{path}"));
    if let Some(node) = request.headers().get(NODE) {
        ask = ask.header(NODE, node);
    }
    let asked = pool.request(ask.body(Empty::new()).expect("a request"));
    let Ok(response) = asked.await else {
        let mut failed = Response::new(Full::default());
        *failed.status_mut() = hyper::StatusCode::BAD_GATEWAY;
        return failed;
    };
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new(Full::default());
    };
    let body = body.to_bytes();
    let control = head.headers.get("cache-control");
    let fresh = control
        .and_then(|control| control.to_str().ok()?.strip_prefix("max-age="))
        .and_then(|rest| rest.split(',').next()?.parse().ok());
    if let Some(fresh) = fresh {
        let until = now() + Duration::from_secs(fresh);
        let body = body.clone();
        kept.insert(path.to_owned(), Kept { until, body });
    }
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = head.status;
    answer
}
