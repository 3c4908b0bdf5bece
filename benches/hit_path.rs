//! What the layer itself costs, without sockets: `cargo bench --bench hit_path`.
//!
//! Each figure stands beside `bare`, the inner service called directly.

use std::convert::Infallible;
use std::hint::black_box;
use std::task::{Context, Poll, Waker};

use bellwether::{Cache, CacheService};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};

type Asked = Request<Empty<Bytes>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;
type Inner = ServiceFn<fn(Asked) -> std::future::Ready<Answer>>;

fn answer(request: Asked) -> std::future::Ready<Answer> {
    let size = match request.uri().path() {
        "/64k" => 64 * 1024,
        _ => 1_024,
    };
    let mut response = Response::builder()
        .header("content-type", "text/plain")
        .header("content-length", size)
        .header("etag", "\"v1\"");
    response = match request.uri().path() {
        "/vary" => response
            .header("vary", "accept-language")
            .header("cache-control", "max-age=86400"),
        "/no-store" => response.header("cache-control", "no-store"),
        _ => response.header("cache-control", "max-age=86400"),
    };
    let body = Full::from(vec![b'x'; size]);
    std::future::ready(Ok(response.body(body).expect("a response")))
}

fn request(path: &'static str, more: &[(&'static str, &'static str)]) -> Asked {
    let mut request = Request::builder()
        .uri(path)
        .header("host", "bench.test")
        .header("user-agent", "bench")
        .header("accept", "*/*");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).expect("a request")
}

/// One call, which must be ready at once: a hit waits for nothing.
fn call<S>(service: &mut S, request: Asked) -> S::Response
where
    S: Service<Asked, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    match Box::pin(service.call(request)).poll_unpin(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        _ => panic!("a hit is ready at once"),
    }
}

fn warmed() -> CacheService<Inner> {
    let cache = Cache::builder().build().expect("the defaults");
    let service = cache.layer().layer(service_fn(
        answer as fn(Asked) -> std::future::Ready<Answer>,
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for path in ["/", "/64k", "/vary", "/no-store"] {
            let mut service = service.clone();
            let response = service
                .call(request(path, &[("accept-language", "en")]))
                .await
                .expect("infallible");
            http_body_util::BodyExt::collect(response.into_body())
                .await
                .expect("a body");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    service
}

fn hit_path(criterion: &mut Criterion) {
    let mut bare = service_fn(answer as fn(Asked) -> std::future::Ready<Answer>);
    let mut cached = warmed();
    let mut group = criterion.benchmark_group("hit_path");
    type Case = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    );
    let cases: [Case; 7] = [
        ("hit 1 KiB", "/", &[]),
        ("hit 64 KiB", "/64k", &[]),
        ("304", "/", &[("if-none-match", "\"v1\"")]),
        ("vary", "/vary", &[("accept-language", "en")]),
        ("range", "/64k", &[("range", "bytes=1024-2047")]),
        ("bypass", "/", &[("cache-control", "no-store")]),
        ("uncacheable", "/no-store", &[]),
    ];
    // The making of the request is part of every figure, so it is shown by itself.
    group.bench_function("request alone", |bencher| {
        bencher.iter(|| black_box(request("/", &[])))
    });
    group.bench_function("bare", |bencher| {
        bencher.iter(|| black_box(call(&mut bare, request("/", &[]))))
    });
    for (name, path, more) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(call(&mut cached, request(path, more))));
        });
    }
    group.finish();
}

criterion_group!(benches, hit_path);
criterion_main!(benches);
