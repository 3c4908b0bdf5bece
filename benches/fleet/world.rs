//! A fleet in virtual time: whole caches, an origin, and clients who ask.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::{Cache, CacheService};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::tier::{Road, Shared, Way};

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    pub(crate) nodes: usize,
    pub(crate) pages: usize,
    /// Requests in a second, of each node.
    pub(crate) rate: f64,
    pub(crate) length: Duration,
    pub(crate) fresh: u64,
    /// May be served stale while it is refreshed.
    pub(crate) stale: bool,
    /// Nodes share a tier.
    pub(crate) shared: bool,
    pub(crate) latency: Duration,
    pub(crate) road: Road,
    /// The tier is away for the second third of the time.
    pub(crate) away: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) origin: usize,
    pub(crate) per_expiry: f64,
    pub(crate) peak_page: usize,
    pub(crate) tier_calls: u64,
    pub(crate) events: u64,
    pub(crate) slowest: Duration,
    pub(crate) errors: u64,
    /// What it took to simulate.
    pub(crate) real: Duration,
}

#[derive(Debug, Default)]
struct Origin {
    /// Begun and done, in microseconds, by page.
    asked: HashMap<usize, Vec<(u64, u64)>>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    errors: u64,
    slowest: Duration,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a simulation takes is real time"
)]
fn real_time() -> std::time::Instant {
    std::time::Instant::now()
}

/// Runs it; each call has a paused clock of its own.
pub(crate) fn run(model: Model) -> Outcome {
    let real = real_time();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut outcome = runtime.block_on(simulate(model));
    outcome.real = real.elapsed();
    outcome
}

async fn simulate(model: Model) -> Outcome {
    let shared = Shared::new(model.road);
    let origin = Arc::new(Mutex::new(Origin::default()));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let began = Instant::now();
    let mut nodes = Vec::new();
    for _ in 0..model.nodes {
        let mut builder = Cache::builder().local_capacity(64 << 20);
        if model.shared {
            builder = builder.shared(Way(Arc::clone(&shared), Mutex::default()));
        }
        let cache = builder.build().expect("the settings are good");
        let origin = Arc::clone(&origin);
        let service = cache
            .layer()
            .layer(service_fn(move |request: Request<Empty<Bytes>>| {
                let origin = Arc::clone(&origin);
                async move {
                    Ok::<_, Infallible>(answer(&origin, began, model, request.uri().path()).await)
                }
            }));
        let tally = Arc::clone(&tally);
        nodes.push(tokio::spawn(clients(service, model, began, tally)));
    }
    if model.away {
        let third = model.length / 3;
        sleep(third).await;
        shared.road.lock().expect("no panic").away = true;
        sleep(third).await;
        shared.road.lock().expect("no panic").away = false;
    }
    for node in nodes {
        node.await.expect("no panic");
    }
    let origin = origin.lock().expect("no panic");
    let tally = tally.lock().expect("no panic");
    Outcome {
        requests: tally.requests,
        origin: origin.asked.values().map(Vec::len).sum(),
        per_expiry: per_expiry(
            &origin,
            model.fresh * 500_000,
            model.length.as_micros() as u64,
        ),
        peak_page: origin
            .asked
            .values()
            .map(|asked| peak(asked))
            .max()
            .unwrap_or(0),
        tier_calls: shared.calls.load(Ordering::Relaxed),
        events: shared.events.load(Ordering::Relaxed),
        slowest: tally.slowest,
        errors: tally.errors,
        real: Duration::ZERO,
    }
}

/// All clients of one node: they come at random, each by itself.
async fn clients<S>(
    service: CacheService<S>,
    model: Model,
    began: Instant,
    tally: Arc<Mutex<Tally>>,
) where
    S: Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let mut waiting = tokio::task::JoinSet::new();
    loop {
        // Exponential: the next one does not know of the last.
        let pause = -(1.0 - fastrand::f64()).ln() / model.rate;
        sleep(Duration::from_secs_f64(pause)).await;
        if began.elapsed() >= model.length {
            break;
        }
        let page = fastrand::usize(..model.pages);
        let service = service.clone();
        let tally = Arc::clone(&tally);
        waiting.spawn(async move {
            let request = Request::get(format!("/{page}"))
                .header("host", "fleet.test")
                .body(Empty::new())
                .expect("a request");
            let asked = Instant::now();
            let response = service.oneshot(request).await.expect("infallible");
            let fine = response.status().is_success();
            let whole = response.into_body().collect().await.is_ok();
            let mut tally = tally.lock().expect("no panic");
            tally.requests += 1;
            tally.errors += u64::from(!fine || !whole);
            tally.slowest = tally.slowest.max(asked.elapsed());
        });
        while waiting.try_join_next().is_some() {}
    }
    waiting.join_all().await;
}

async fn answer(
    origin: &Mutex<Origin>,
    began: Instant,
    model: Model,
    path: &str,
) -> Response<Full<Bytes>> {
    let page = path.trim_start_matches('/').parse().unwrap_or(0);
    let micros = || u64::try_from(began.elapsed().as_micros()).expect("not that long");
    let begun = micros();
    sleep(model.latency).await;
    let mut origin = origin.lock().expect("no panic");
    origin
        .asked
        .entry(page)
        .or_default()
        .push((begun, micros()));
    let stale = if model.stale {
        ", stale-while-revalidate=60"
    } else {
        ""
    };
    Response::builder()
        .header("cache-control", format!("max-age={}{stale}", model.fresh))
        .body(Full::from("x".repeat(100)))
        .expect("a response")
}

/// As in the real benchmark: what comes within half of the freshness belongs to one expiry. One that
/// the end cuts off is left out: of nodes on their own, some have not noticed it by then.
fn per_expiry(origin: &Origin, lasts: u64, end: u64) -> f64 {
    let (mut all, mut expiries) = (0_usize, 0_usize);
    for asked in origin.asked.values() {
        let mut begun: Vec<_> = asked.iter().map(|(begun, _)| *begun).collect();
        begun.sort_unstable();
        let mut first = None;
        for at in begun {
            if first.is_none_or(|first| at >= first + lasts) {
                if at + lasts > end {
                    break;
                }
                first = Some(at);
                expiries += 1;
            }
            all += 1;
        }
    }
    all as f64 / expiries.max(1) as f64
}

fn peak(asked: &[(u64, u64)]) -> usize {
    let mut steps: Vec<_> = asked
        .iter()
        .flat_map(|(begun, done)| [(*begun, 1_isize), (*done, -1)])
        .collect();
    steps.sort_unstable();
    let mut now = 0;
    let levels = steps.into_iter().map(|(_, step)| {
        now += step;
        now
    });
    usize::try_from(levels.max().unwrap_or(0)).unwrap_or(0)
}
