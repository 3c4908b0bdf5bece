//! A scripted inner service that counts, and a client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bellwether::{Cache, CacheBuilder, CacheService, ResponseBody};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::Layer;
use tower_service::Service;

use crate::pieces::Pieces;

/// The answer to one request.
type Script = Arc<dyn Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync>;

/// What the origin does with a request.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) latency: Duration,
    pub(crate) fail: bool,
    pub(crate) unannounced: bool,
    /// The body comes in pieces of so many bytes, each after a pause.
    pub(crate) pieces: Option<(usize, Duration)>,
    /// The body ends after so many bytes: with an error, or cleanly.
    pub(crate) cut_short: Option<(usize, bool)>,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
            latency: Duration::from_millis(200),
            fail: false,
            unannounced: false,
            pieces: None,
            cut_short: None,
        }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cached(self, cache_control: &str) -> Self {
        self.with("cache-control", cache_control)
    }

    pub(crate) fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Its length is not known from its head.
    pub(crate) fn unannounced(mut self) -> Self {
        self.unannounced = true;
        self
    }

    pub(crate) fn in_pieces(mut self, size: usize, pause: Duration) -> Self {
        self.pieces = Some((size, pause));
        self
    }

    /// Its body breaks off after so many bytes.
    pub(crate) fn breaking_after(mut self, bytes: usize) -> Self {
        self.cut_short = Some((bytes, true));
        self
    }

    /// Its body ends after so many bytes as if that were all.
    pub(crate) fn ending_after(mut self, bytes: usize) -> Self {
        self.cut_short = Some((bytes, false));
        self
    }

    pub(crate) fn failing(mut self) -> Self {
        self.fail = true;
        self
    }
}

/// The inner service. Its clones start unready, and it panics if it is called so.
pub(crate) struct Origin {
    script: Script,
    pub(crate) counts: Arc<Counts>,
    ready: bool,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) total: AtomicUsize,
    now: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    /// Bodies under way at the origin.
    pub(crate) bodies: Arc<()>,
    pub(crate) seen: Mutex<VecDeque<Request<()>>>,
}

impl Clone for Origin {
    fn clone(&self) -> Self {
        Self {
            script: Arc::clone(&self.script),
            counts: Arc::clone(&self.counts),
            ready: false,
        }
    }
}

/// The inner service's own error.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the origin is down")
    }
}

impl std::error::Error for Down {}

impl Service<Request<Empty<Bytes>>> for Origin {
    type Response = Response<Pieces>;
    type Error = Down;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Down>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Down>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        assert!(
            std::mem::replace(&mut self.ready, false),
            "called without having been ready"
        );
        let counts = Arc::clone(&self.counts);
        let number = counts.total.fetch_add(1, Ordering::SeqCst) + 1;
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        counts.peak.fetch_max(now, Ordering::SeqCst);
        let (parts, _) = request.clone().into_parts();
        counts
            .seen
            .lock()
            .expect("no one panics")
            .push_back(Request::from_parts(parts, ()));
        let reply = (self.script)(&request, number);
        // Counted down when the request ends, however that is.
        let bodies = Arc::clone(&counts.bodies);
        let end = End(counts);
        Box::pin(async move {
            let _end = end;
            tokio::time::sleep(reply.latency).await;
            if reply.fail {
                return Err(Down);
            }
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            let body = Pieces::of(&reply, Arc::clone(&bodies));
            Ok(response.body(body).expect("a response"))
        })
    }
}

struct End(Arc<Counts>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A cache before a scripted origin.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) cache: Cache,
    pub(crate) service: CacheService<Origin>,
    pub(crate) counts: Arc<Counts>,
}

impl Site {
    pub(crate) fn new(
        script: impl Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(Cache::builder(), script)
    }

    pub(crate) fn with(
        builder: CacheBuilder,
        script: impl Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let cache = builder.build().expect("good settings");
        let counts = Arc::new(Counts::default());
        let origin = Origin {
            script: Arc::new(script),
            counts: Arc::clone(&counts),
            ready: false,
        };
        Self {
            service: cache.layer().layer(origin),
            cache,
            counts,
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.total.load(Ordering::SeqCst)
    }

    /// Bodies that the origin has not been told to stop sending.
    pub(crate) fn bodies(&self) -> usize {
        Arc::strong_count(&self.counts.bodies) - 1
    }

    pub(crate) fn peak(&self) -> usize {
        self.counts.peak.load(Ordering::SeqCst)
    }

    /// The request that the origin saw last.
    pub(crate) fn last_seen(&self) -> Request<()> {
        self.counts
            .seen
            .lock()
            .expect("no one panics")
            .back()
            .cloned()
            .expect("it saw one")
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(get(path)).await
    }

    pub(crate) async fn send(&self, request: Request<Empty<Bytes>>) -> Got {
        self.try_send(request).await.expect("the origin is up")
    }

    /// The head, with the body still to be read.
    pub(crate) async fn open(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<ResponseBody<Pieces>>, Down> {
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(request).await
    }

    pub(crate) async fn try_send(&self, request: Request<Empty<Bytes>>) -> Result<Got, Down> {
        let start = tokio::time::Instant::now();
        let response = self.open(request).await?;
        let waited = start.elapsed();
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map(|body| String::from_utf8(body.to_bytes().to_vec()).expect("text"));
        let body = body.unwrap_or_else(|error| format!("broken: {error}"));
        Ok(Got {
            status: parts.status,
            headers: parts.headers,
            body,
            waited,
        })
    }
}

/// A response, read whole.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
    pub(crate) waited: Duration,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status")
    }
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    request("GET", path, &[])
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "site.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).expect("a request")
}

pub(crate) async fn advance(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
