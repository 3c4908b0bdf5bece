//! Whole nodes in this process: a cache with a tier of its own, as a Tower service before an
//! origin that counts.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bellwether::{Cache, CacheBuilder, CacheService, RedisTier};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_service::Service;

use crate::support::report::Stall;
use crate::support::within;
use crate::timed::{Slow, Timed};

/// The most that one request may pay for Redis.
pub(crate) const REDIS_BUDGET: Duration = Duration::from_millis(150);
/// The most that one call to Redis may take.
pub(crate) const CALL: Duration = Duration::from_millis(100);
/// Beside what a row states: what work takes in a build for tests, on a machine that is shared. How
/// long the machine itself let a thread wait comes on top, as measured.
pub(crate) const SLACK: Duration = Duration::from_millis(50);
/// A server that is back is in use within this: the longest wait between attempts, and the attempt.
pub(crate) const BACK: Duration = Duration::from_millis(1_600);

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// How the origin answers. In the body, `{n}` is the number of the request among all.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: u16,
    cache_control: &'static str,
    etag: Option<&'static str>,
    latency: Duration,
    body: String,
}

impl Page {
    pub(crate) fn new(cache_control: &'static str) -> Self {
        Self {
            status: 200,
            cache_control,
            etag: None,
            latency: Duration::ZERO,
            body: "v{n}".to_owned(),
        }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Confirmed by a 304 where the request names it.
    pub(crate) fn etag(mut self, etag: &'static str) -> Self {
        self.etag = Some(etag);
        self
    }

    pub(crate) fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// With so many bytes behind its number.
    pub(crate) fn long(mut self, bytes: usize) -> Self {
        self.body.push(' ');
        self.body.push_str(&"x".repeat(bytes));
        self
    }
}

/// The inner service of all nodes of a fleet. Clones are the same origin.
#[derive(Clone)]
pub(crate) struct Origin(Arc<State>);

struct State {
    page: Mutex<Page>,
    /// The path of each request, in their order.
    log: Mutex<Vec<String>>,
    held: watch::Sender<bool>,
}

impl Origin {
    pub(crate) fn new(page: Page) -> Self {
        Self(Arc::new(State {
            page: Mutex::new(page),
            log: Mutex::default(),
            held: watch::channel(false).0,
        }))
    }

    /// From now on, answers like this.
    pub(crate) fn serve(&self, page: Page) {
        *self.0.page.lock().unwrap_or_else(PoisonError::into_inner) = page;
    }

    /// From now on requests are counted and get no answer, until [`let_go`](Self::let_go).
    pub(crate) fn hold(&self) {
        self.0.held.send_replace(true);
    }

    pub(crate) fn let_go(&self) {
        self.0.held.send_replace(false);
    }

    /// Requests so far.
    pub(crate) fn calls(&self) -> usize {
        self.log().len()
    }

    /// Requests so far to this path.
    pub(crate) fn calls_to(&self, path: &str) -> usize {
        self.log().iter().filter(|one| *one == path).count()
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Request<Empty<Bytes>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let number = {
            let mut log = self.log();
            log.push(request.uri().path().to_owned());
            log.len()
        };
        let page = self.0.page.lock();
        let page = page.unwrap_or_else(PoisonError::into_inner).clone();
        let mut held = self.0.held.subscribe();
        Box::pin(async move {
            // The sender is gone only with the origin itself.
            let _ = held.wait_for(|held| !held).await;
            sleep(page.latency).await;
            let named = request.headers().get("if-none-match");
            let confirmed = page
                .etag
                .is_some_and(|etag| named.is_some_and(|n| n == etag));
            let mut response = Response::builder()
                .status(if confirmed { 304 } else { page.status })
                .header("cache-control", page.cache_control);
            if let Some(etag) = page.etag {
                response = response.header("etag", etag);
            }
            let body = if confirmed {
                String::new()
            } else {
                page.body.replace("{n}", &number.to_string())
            };
            Ok(response.body(Full::from(body)).expect("a response"))
        })
    }
}

/// What a client saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// The number in the body, `v2` for the second request that the origin had.
    pub(crate) version: String,
    pub(crate) body: Bytes,
    /// `Cache-Status`.
    pub(crate) how: String,
    /// From the request until the end of the body.
    pub(crate) took: Duration,
}

/// One node of a fleet.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) cache: Cache,
    pub(crate) tier: RedisTier,
    service: CacheService<Origin>,
}

impl Node {
    /// A node with all defaults.
    pub(crate) async fn join(url: &str, origin: &Origin) -> Self {
        Self::with(url, origin, |builder| builder).await
    }

    pub(crate) async fn with(
        url: &str,
        origin: &Origin,
        settings: impl FnOnce(CacheBuilder) -> CacheBuilder,
    ) -> Self {
        let tier = RedisTier::connect(url).await.expect("a good URL");
        Self::on(tier, origin, settings)
    }

    /// A node whose calls to its tier are counted if they are slow.
    pub(crate) async fn timed(url: &str, origin: &Origin) -> (Self, Arc<Slow>) {
        let tier = RedisTier::connect(url).await.expect("a good URL");
        let (timed, slow) = Timed::new(tier.clone());
        let cache = Cache::builder().shared(timed).build();
        (Self::of(tier, cache.expect("good settings"), origin), slow)
    }

    pub(crate) fn on(
        tier: RedisTier,
        origin: &Origin,
        settings: impl FnOnce(CacheBuilder) -> CacheBuilder,
    ) -> Self {
        let builder = settings(Cache::builder()).shared(tier.clone());
        Self::of(tier, builder.build().expect("good settings"), origin)
    }

    fn of(tier: RedisTier, cache: Cache, origin: &Origin) -> Self {
        let service = cache.layer().layer(origin.clone());
        Self {
            cache,
            tier,
            service,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Seen {
        let begun = Instant::now();
        let mut service = self.service.clone();
        let request = Request::get(path).header("host", HOST).body(Empty::new());
        let answer = async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request.expect("a request")).await
        };
        let answer: Result<_, Infallible> = within("a response", answer).await;
        let (head, body) = answer.expect("it cannot fail").into_parts();
        let body = within("a body", body.collect()).await;
        let body = body.expect("a whole body").to_bytes();
        let how = head.headers.get("cache-status");
        let how = how.map_or("", |how| how.to_str().expect("text"));
        Seen {
            status: head.status.as_u16(),
            version: String::from_utf8_lossy(&body)
                .split(' ')
                .next()
                .expect("there is a first")
                .to_owned(),
            how: how.to_owned(),
            body,
            took: begun.elapsed(),
        }
    }

    /// Asks for what is a hit, from a thread outside: how long that took, and whether it was there
    /// with the first poll. (It is not, once, after events may have been missed: it is checked.)
    pub(crate) fn hit(&self, path: &str, runtime: &Handle) -> (Duration, bool) {
        let request = Request::get(path).header("host", HOST).body(Empty::new());
        let request = request.expect("a request");
        let mut service = self.service.clone();
        let begun = Instant::now();
        let _inside = runtime.enter();
        let mut answer = Box::pin(async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        });
        let at_once = answer.as_mut().now_or_never();
        let is_at_once = at_once.is_some();
        let answer: Result<_, Infallible> = at_once.unwrap_or_else(|| runtime.block_on(answer));
        let body = answer.expect("it cannot fail").into_body().collect();
        assert!(body.now_or_never().is_some_and(|body| body.is_ok()));
        (begun.elapsed(), is_at_once)
    }

    /// The same in a task of its own.
    pub(crate) fn ask(&self, path: &str) -> tokio::task::JoinHandle<Seen> {
        let (node, path) = (self.clone(), path.to_owned());
        tokio::spawn(async move { node.get(&path).await })
    }

    pub(crate) async fn purge(&self, path: &str) -> Result<(), bellwether::Error> {
        let uri = format!("http://{HOST}{path}");
        self.cache.purge(&uri.parse().expect("a URI")).await
    }

    /// Waits until its tier is in use or is not, and says how long that took.
    pub(crate) async fn until_up(&self, up: bool) -> Duration {
        let begun = Instant::now();
        crate::support::until("the tier is up or down", || self.tier.is_up() == up).await;
        begun.elapsed()
    }
}

/// The site that all clients ask for.
const HOST: &str = "edge.test";

impl Seen {
    /// Fresh out of this node's own memory.
    pub(crate) fn is_hit(&self) -> bool {
        self.how.contains("; hit") && !self.is_shared()
    }

    /// Fresh out of Redis.
    pub(crate) fn is_shared(&self) -> bool {
        self.how.contains("; hit") && self.how.contains("detail=shared")
    }

    pub(crate) fn is(&self, version: &str) -> bool {
        self.status == 200 && self.version == version
    }

    /// Answered within `bound`, apart from what the machine itself took.
    #[track_caller]
    pub(crate) fn assert_within(&self, bound: Duration, stall: &Stall) {
        let bound = bound + SLACK + stall.worst();
        assert!(self.took <= bound, "{bound:?} for {self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_is(&self, version: &str) {
        assert!(self.is(version), "{version} for {self:?}");
    }
}

/// Waits until a node is served `version`, and says for how long.
pub(crate) async fn until_served(node: &Node, path: &str, version: &str) -> Duration {
    let begun = Instant::now();
    let served = async {
        while !node.get(path).await.is(version) {
            sleep(ms(2)).await;
        }
    };
    within("the other version", served).await;
    begun.elapsed()
}

/// Waits until the origin has been asked so often.
pub(crate) async fn until_asked(origin: &Origin, calls: usize) {
    crate::support::until("the origin is asked", || origin.calls() >= calls).await;
}
