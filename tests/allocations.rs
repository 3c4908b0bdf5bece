//! A hit allocates for its response only, and is ready at once.
//!
//! The count of a hit of five stored fields, and why each is there:
//!
//! | | what |
//! |---|---|
//! | 2 | the response's header map: its index and its entries (hyper wants one of its own) |
//! | 0 | `Age` and `Cache-Status` up to 9,999 s, the key, the look-up, the body (shared), the future |
//! | 1 | beyond, the value of each |

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bellwether::{Cache, CacheBuilder, CacheService, Cookies, Query, Rule};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};

type Asked = Request<Empty<Bytes>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;
type Inner = ServiceFn<fn(Asked) -> std::future::Ready<Answer>>;

/// What a hit allocates: see the table above.
const HIT: u64 = 2;

fn answer(request: Asked) -> std::future::Ready<Answer> {
    let response = Response::builder()
        .header("content-type", "text/plain")
        .header("content-length", "1024")
        .header("etag", "\"v1\"");
    let response = match request.uri().path() {
        "/long" => response.header("cache-control", "max-age=86400"),
        "/vary" => response
            .header("cache-control", "max-age=3600")
            .header("vary", "accept-language"),
        _ => response.header("cache-control", "max-age=3600"),
    };
    std::future::ready(Ok(response
        .body(Full::from(vec![b'x'; 1_024]))
        .expect("a response")))
}

fn request(path: &'static str) -> Asked {
    Request::builder()
        .uri(path)
        .header("host", "bench.test")
        .header("accept", "*/*")
        .header("accept-language", "en")
        .header("cookie", "theme=dark; id=1")
        .body(Empty::new())
        .expect("a request")
}

async fn warmed() -> CacheService<Inner> {
    warmed_with(Cache::builder()).await
}

async fn warmed_with(builder: CacheBuilder) -> CacheService<Inner> {
    let cache = builder.build().expect("good settings");
    let service = cache.layer().layer(service_fn(
        answer as fn(Asked) -> std::future::Ready<Answer>,
    ));
    for path in ["/", "/long", "/vary", "/a%20b?c=1"] {
        let response = service
            .clone()
            .call(request(path))
            .await
            .expect("infallible");
        response.into_body().collect().await.expect("a body");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service
}

/// Allocations of a call that must be a hit and ready at once, and of reading its body.
fn count(service: &mut CacheService<Inner>, path: &'static str) -> u64 {
    let asked = request(path);
    let mut cx = Context::from_waker(Waker::noop());
    let mut polled = None;
    let info = allocation_counter::measure(|| {
        assert!(Service::<Asked>::poll_ready(service, &mut cx).is_ready());
        let mut future = std::pin::pin!(service.call(asked));
        let Poll::Ready(Ok(response)) = future.poll_unpin(&mut cx) else {
            panic!("a hit is ready at once");
        };
        let (parts, body) = response.into_parts();
        let frame = std::pin::pin!(body).frame().poll_unpin(&mut cx);
        assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
        polled = Some(parts);
    });
    let parts = polled.expect("it was polled");
    let status = parts.headers["cache-status"].to_str().expect("text");
    assert!(status.starts_with("bellwether; hit; ttl="), "{status}");
    info.count_total
}

#[tokio::test]
async fn a_hit_allocates_for_its_response_only_and_makes_no_task() {
    let mut service = warmed().await;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    // moka works off its read log now and then; that is nobody's hit.
    let counts: Vec<u64> = (0..1_000).map(|_| count(&mut service, "/")).collect();
    let usual = counts.iter().filter(|count| **count == HIT).count();
    assert!(
        usual >= 990,
        "{HIT} allocations expected, seen {:?}",
        &counts[..20]
    );
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        tasks
    );
}

#[tokio::test]
async fn what_is_fresh_for_longer_than_the_ready_numbers_allocates_its_own() {
    let mut service = warmed().await;
    let counts: Vec<u64> = (0..1_000).map(|_| count(&mut service, "/long")).collect();
    let usual = counts.iter().filter(|count| **count == HIT + 1).count();
    assert!(usual >= 990, "seen {:?}", &counts[..20]);
}

#[tokio::test]
async fn a_variant_allocates_no_more_than_a_plain_hit() {
    let mut service = warmed().await;
    let counts: Vec<u64> = (0..1_000).map(|_| count(&mut service, "/vary")).collect();
    let usual = counts.iter().filter(|count| **count == HIT).count();
    let spread = counts
        .iter()
        .fold(std::collections::BTreeMap::new(), |mut map, count| {
            *map.entry(*count).or_insert(0) += 1;
            map
        });
    assert!(usual >= 970, "{spread:?}");
}

/// Rules of every kind are looked through, and the one that holds has nothing to take away.
#[tokio::test]
async fn a_rule_that_rewrites_nothing_allocates_nothing() {
    let tracking = Query::Ignore(vec!["utm_*".into(), "gclid".into()]);
    let builder = Cache::builder()
        .rule(Rule::path("/static/**").or_path("/**/*.{css,js}"))
        .rule(Rule::host("*.example.com").on_host("other.test:81"))
        .rule(
            Rule::path("/*")
                .query(tracking)
                .sort_query(true)
                .bypass_cookie("wordpress_logged_in_*")
                .strip_cookies(Cookies::Only(vec!["_ga*".into()])),
        );
    let mut service = warmed_with(builder).await;
    for path in ["/", "/a%20b?c=1"] {
        let counts: Vec<u64> = (0..1_000).map(|_| count(&mut service, path)).collect();
        let usual = counts.iter().filter(|count| **count == HIT).count();
        assert!(usual >= 970, "{path}: seen {:?}", &counts[..20]);
    }
}
