//! The floor: a hand-written look into moka, without any rule of HTTP, lock or expiry. Less than
//! that a cache of answers cannot do.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AGE, HeaderMap, HeaderName, HeaderValue};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use moka::sync::Cache;

use crate::bare;

struct Kept {
    headers: HeaderMap,
    body: Bytes,
}

/// Serves until killed. Prints its address when it listens.
pub(crate) fn serve(size: &str) {
    let size: usize = size.parse().expect("a size in bytes");
    let cache: Cache<String, Arc<Kept>> = Cache::new(10_000);
    // The fields that the proxy's answers have, its own included.
    let fields = [
        ("content-type", "text/plain"),
        ("cache-control", "max-age=3600"),
        ("date", "Wed, 25 Nov 2026 12:00:00 GMT"),
        ("cache-status", "bellwether; hit; ttl=3600"),
    ];
    let headers = fields.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let kept = Arc::new(Kept {
        headers: HeaderMap::from_iter(headers),
        body: Bytes::from(vec![b'x'; size]),
    });
    bare::run(move |stream| {
        let (cache, kept) = (cache.clone(), Arc::clone(&kept));
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let answer = answer(&cache, &kept, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        bare::connection(stream, service)
    });
}

fn answer<B>(
    cache: &Cache<String, Arc<Kept>>,
    first: &Arc<Kept>,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    let host = request.headers().get("host");
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let path = request.uri().path_and_query();
    let key = format!("{host}{}", path.map_or("/", |path| path.as_str()));
    let kept = cache.get(&key).unwrap_or_else(|| {
        cache.insert(key, Arc::clone(first));
        Arc::clone(first)
    });
    let mut response = Response::new(Full::new(kept.body.clone()));
    *response.headers_mut() = kept.headers.clone();
    response
        .headers_mut()
        .insert(AGE, HeaderValue::from_static("1"));
    response
}
