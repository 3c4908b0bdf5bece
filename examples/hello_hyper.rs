//! Without a framework: a hyper server, and a stack made by `tower::ServiceBuilder`.
//!
//! `curl -i http://127.0.0.1:3000/` twice; the second answer is a hit.

use std::convert::Infallible;
use std::time::Duration;

use bellwether::{Cache, MIB};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::builder().local_capacity(64 * MIB).build()?;
    let service = ServiceBuilder::new().layer(cache.layer()).service_fn(hello);

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("a connection broke: {error}");
            }
        });
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("hello() ran");
    let mut response = Response::new(Full::from("hello\n"));
    let cache_control = http::HeaderValue::from_static("max-age=5, stale-while-revalidate=30");
    response
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, cache_control);
    Ok(response)
}
