//! The floor: a hand-written look into moka before an origin, without any rule of HTTP, lock or
//! expiry. Less than that a cache of answers cannot do.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{AGE, CACHE_STATUS, HOST, HeaderMap, HeaderValue, VIA};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use moka::sync::Cache;
use tokio::net::TcpStream;

use crate::bare;

struct Kept {
    headers: HeaderMap,
    body: Bytes,
}

type Entries = Cache<String, Arc<Kept>>;

/// Serves what the origin at this address has, until killed. Prints its address when it listens.
pub(crate) fn serve(origin: &str) {
    let entries: Entries = Cache::new(10_000);
    let origin: Arc<str> = origin.into();
    bare::run(move |stream| {
        let (entries, origin) = (entries.clone(), Arc::clone(&origin));
        let service = service_fn(move |request: Request<Incoming>| {
            let key = key(&request);
            match entries.get(&key) {
                Some(kept) => Either::Left(ready(Ok::<_, Infallible>(answer(&kept)))),
                None => Either::Right(miss(entries.clone(), Arc::clone(&origin), request, key)),
            }
        });
        bare::connection(stream, service)
    });
}

fn key<B>(request: &Request<B>) -> String {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let path = request.uri().path_and_query();
    format!("{host}{}", path.map_or("/", |path| path.as_str()))
}

fn answer(kept: &Kept) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(kept.body.clone()));
    *response.headers_mut() = kept.headers.clone();
    response
        .headers_mut()
        .insert(AGE, HeaderValue::from_static("1"));
    response
}

async fn miss(
    entries: Entries,
    origin: Arc<str>,
    request: Request<Incoming>,
    key: String,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let kept = Arc::new(fetch(&origin, &request).await);
    entries.insert(key, Arc::clone(&kept));
    Ok(answer(&kept))
}

/// What the origin answers, as it comes from hyper.
async fn fetch(origin: &str, request: &Request<Incoming>) -> Kept {
    let stream = TcpStream::connect(origin).await.expect("it listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP");
    tokio::spawn(connection);
    let request = Request::get(request.uri().clone()).header(HOST, origin);
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("it answers");
    let (parts, body) = response.into_parts();
    let mut headers = parts.headers;
    // The fields that the proxy's answers have beside the origin's, so that both send the same; and
    // with room for one more, or each hit would make a larger table.
    headers.reserve(4);
    for (name, value) in [
        (VIA, "1.1 bellwether"),
        (CACHE_STATUS, "bellwether; hit; ttl=3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let body = body.collect().await.expect("all of it").to_bytes();
    Kept { headers, body }
}
