//! What the layer itself costs, without sockets: `cargo bench --bench hit_path`.
//!
//! Each figure stands beside `bare`, the inner service called directly; at the end a table has the
//! ratios, the allocations and, where valgrind is installed, the instructions, which do not move
//! from run to run. It goes to `benches/results`.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "it starts no servers")]
mod support;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use bellwether::{Cache, CacheService};
use bytes::Bytes;
use criterion::Criterion;
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::runtime::Runtime;
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};

type Asked = Request<Empty<Bytes>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;
type Inner = ServiceFn<fn(Asked) -> std::future::Ready<Answer>>;
type Fields = &'static [(&'static str, &'static str)];

/// What is answered without waiting: name, page, request fields.
const CASES: [(&str, &str, Fields); 9] = [
    ("hit 1 KiB", "/", &[]),
    ("hit 1 KiB, early refresh checked", "/early", &[]),
    ("hit 64 KiB", "/64k", &[]),
    ("hit 1 MiB", "/1m", &[]),
    ("304", "/", &[("if-none-match", "\"v1\"")]),
    ("vary", "/vary", &[("accept-language", "en")]),
    ("range", "/64k", &[("range", "bytes=1024-2047")]),
    ("bypass", "/", &[("cache-control", "no-store")]),
    ("uncacheable", "/no-store", &[]),
];

/// Who wait together for one cold page.
const CROWD: usize = 100;

fn answer(request: Asked) -> std::future::Ready<Answer> {
    let size = match request.uri().path() {
        "/64k" => 64 << 10,
        "/1m" => 1 << 20,
        _ => 1 << 10,
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
        // Where stale may not be served, each hit looks whether to refresh early.
        "/early" => response.header("cache-control", "max-age=86400"),
        _ => response.header("cache-control", "max-age=86400, stale-while-revalidate=60"),
    };
    let body = Full::from(vec![b'x'; size]);
    std::future::ready(Ok(response.body(body).expect("a response")))
}

fn request(path: &str, more: Fields) -> Asked {
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

fn inner() -> Inner {
    service_fn(answer as fn(Asked) -> std::future::Ready<Answer>)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn warmed() -> CacheService<Inner> {
    let cache = Cache::builder().build().expect("the defaults");
    let service = cache.layer().layer(inner());
    runtime().block_on(async {
        for path in ["/", "/early", "/64k", "/1m", "/vary", "/no-store"] {
            let mut service = service.clone();
            let response = service
                .call(request(path, &[("accept-language", "en")]))
                .await
                .expect("infallible");
            response.into_body().collect().await.expect("a body");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    service
}

/// `CROWD` requests for a page that is not there.
async fn coalesced(service: &CacheService<Inner>, path: &str) {
    let asked = (0..CROWD).map(|_| fetch(service, path));
    join_all(asked).await;
}

async fn fetch(service: &CacheService<Inner>, path: &str) {
    let response = service.clone().oneshot(request(path, &[])).await;
    let body = response.expect("infallible").into_body();
    black_box(body.collect().await.expect("a whole body"));
}

fn hit_path(criterion: &mut Criterion) {
    let (mut bare, mut cached) = (inner(), warmed());
    let mut group = criterion.benchmark_group("hit_path");
    // The making of the request is part of every figure, so it is shown by itself.
    group.bench_function("request alone", |bencher| {
        bencher.iter(|| black_box(request("/", &[])))
    });
    group.bench_function("bare", |bencher| {
        bencher.iter(|| black_box(call(&mut bare, request("/", &[]))))
    });
    for (name, path, more) in CASES {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(call(&mut cached, request(path, more))));
        });
    }
    let (runtime, mut page) = (runtime(), 0_u64);
    let mut next = || {
        page += 1;
        format!("/cold/{page}")
    };
    group.bench_function("miss", |bencher| {
        bencher.iter(|| runtime.block_on(fetch(&cached, &next())))
    });
    group.bench_function("coalesced miss", |bencher| {
        bencher.iter(|| runtime.block_on(coalesced(&cached, &next())))
    });
    group.finish();
}

/// What criterion has just written down, in nanoseconds.
fn measured(name: &str) -> Option<f64> {
    let target = std::env::current_exe().ok()?;
    let target = target.ancestors().nth(3)?.to_owned();
    let folder = |name: &str| target.join("criterion/hit_path").join(name);
    let file = folder(name).join("new/estimates.json");
    let text = std::fs::read_to_string(file).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    json["median"]["point_estimate"].as_f64()
}

/// Runs `count` of a case and nothing else, for [`instructions`].
fn repeat(name: &str, count: usize) {
    let (mut bare, mut cached) = (inner(), warmed());
    let case = CASES.into_iter().find(|(case, ..)| *case == name);
    for _ in 0..count {
        match case {
            Some((_, path, more)) => drop(black_box(call(&mut cached, request(path, more)))),
            None => drop(black_box(call(&mut bare, request("/", &[])))),
        }
    }
}

/// Instructions of one, as valgrind counts them: of many, less those of fewer.
fn instructions(name: &str) -> Option<u64> {
    let (few, many) = (200, 2_200);
    let count = |count: usize| -> Option<u64> {
        let this = std::env::current_exe().ok()?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(this)
            .args(["--repeat", name, &count.to_string()])
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, rest) = said.split_once("Collected :")?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some((count(many)? - count(few)?) / (many - few) as u64)
}

fn table() -> String {
    let mut text = String::new();
    let mut cached = warmed();
    let bare = measured("bare");
    let mut show = |name: &str, allocations: Option<u64>, count: Option<u64>| {
        let Some(nanos) = measured(name) else { return };
        let ratio = bare.map_or(f64::NAN, |bare| nanos / bare);
        let or_none = |number: Option<u64>| number.map_or("-".to_owned(), |one| one.to_string());
        let _ = writeln!(
            text,
            "| {name} | {nanos:.0} | {ratio:.2} | {} | {} |",
            or_none(allocations),
            or_none(count)
        );
    };
    show("request alone", None, None);
    let counted = allocation_counter::measure(|| drop(call(&mut inner(), request("/", &[]))));
    show("bare", Some(counted.count_total), instructions("bare"));
    for (name, path, more) in CASES {
        let counted = allocation_counter::measure(|| drop(call(&mut cached, request(path, more))));
        show(name, Some(counted.count_total), instructions(name));
    }
    let runtime = runtime();
    let counted = allocation_counter::measure(|| runtime.block_on(fetch(&cached, "/counted")));
    show("miss", Some(counted.count_total), None);
    let counted = allocation_counter::measure(|| runtime.block_on(coalesced(&cached, "/crowd")));
    show("coalesced miss", Some(counted.count_total), None);
    format!(
        "# What the layer costs, without sockets\n\n{}, {}. `cargo bench --bench hit_path`.\n\nEach has \
         the making of its request in it; *bare* is the inner service called directly, which makes a \
         body of 1 KiB. A coalesced miss is {CROWD} requests for one page. *instructions* as valgrind \
         counts them; for whole processes see `hits.md`.\n\n\
         | | ns | beside bare | allocations | instructions |\n|---|---|---|---|---|\n{text}",
        support::date(),
        support::machine()
    )
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, count] = &arguments[..]
        && flag == "--repeat"
    {
        return repeat(name, count.parse().expect("a number"));
    }
    let mut criterion = Criterion::default().configure_from_args();
    hit_path(&mut criterion);
    criterion.final_summary();
    // `cargo test` runs benches too, for a look at whether they do.
    if arguments.iter().any(|argument| argument == "--bench") {
        let text = table();
        println!("{text}");
        let file = support::results().join("hit_path.md");
        std::fs::write(file, text).expect("a file can be written");
    }
}
