//! The layer by itself: what an entry and a hit cost among few and many.

use std::convert::Infallible;
use std::future::Ready;
use std::hint::black_box;
use std::time::Duration;

use bellwether::{Cache, CacheService};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{memory, now};

type Asked = Request<Empty<Bytes>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;
type Service_ = CacheService<ServiceFn<fn(Asked) -> Ready<Answer>>>;

/// Of a body: the smaller, the more of an entry is our own.
pub(crate) const BODY: usize = 64;
const HITS: usize = 200_000;

pub(crate) struct Grown {
    pub(crate) entries: usize,
    /// Of memory, for each.
    pub(crate) bytes: f64,
    /// Of time, for a hit of any of them.
    pub(crate) hit: Duration,
    /// Of time, for storing one.
    pub(crate) fill: Duration,
}

fn answer(_: Asked) -> Ready<Answer> {
    let response = Response::builder()
        .header("content-type", "text/plain")
        .header("cache-control", "max-age=86400")
        .body(Full::from(vec![b'x'; BODY]));
    std::future::ready(Ok(response.expect("a response")))
}

fn request(page: usize) -> Asked {
    Request::get(format!("/{page}"))
        .header("host", "growth.test")
        .body(Empty::new())
        .expect("a request")
}

/// Fills a cache step by step, and looks at it at each.
pub(crate) async fn grow(steps: &[usize], mut step: impl FnMut(Grown)) {
    let cache = Cache::builder()
        .local_capacity(64 << 30)
        .build()
        .expect("the settings are good");
    let service: Service_ = cache
        .layer()
        .layer(service_fn(answer as fn(Asked) -> Ready<Answer>));
    let before = memory::own();
    let mut filled = 0;
    for &entries in steps {
        let began = now();
        for page in filled..entries {
            fetch(&service, page).await;
        }
        let fill = began.elapsed() / u32::try_from(entries - filled).expect("not that many");
        filled = entries;
        while cache.stats().local_entries < entries as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let bytes = memory::own().saturating_sub(before) as f64 / entries as f64;
        step(Grown {
            entries,
            bytes,
            hit: hit(&service, entries),
            fill,
        });
    }
}

async fn fetch(service: &Service_, page: usize) {
    let response = service.clone().oneshot(request(page)).await;
    let body = response.expect("infallible").into_body();
    body.collect().await.expect("a whole body");
}

/// The median of a few rounds, less what it takes to make the requests.
fn hit(service: &Service_, entries: usize) -> Duration {
    let mut service = service.clone();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut rounds: Vec<_> = (0..5)
        .map(|_| {
            let requests: Vec<_> = (0..HITS / 5)
                .map(|_| request(rng.usize(..entries)))
                .collect();
            let count = u32::try_from(requests.len()).expect("few");
            let began = now();
            for request in requests {
                let response = Box::pin(service.call(request)).now_or_never();
                black_box(
                    response
                        .expect("a hit is ready at once")
                        .expect("infallible"),
                );
            }
            began.elapsed() / count
        })
        .collect();
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}
