//! An origin that does what it is told, and counts.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An origin in this process, on a port of its own. Dropping it closes all of its connections.
#[derive(Debug)]
pub(crate) struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

/// How one path is answered. Starts as an empty `200` without delay.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: StatusCode,
    headers: Vec<(String, String)>,
    latency: Duration,
    parts: Vec<Part>,
}

/// A step of a body.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Send this; `{n}` in it becomes the number of the request to this path.
    Data(String),
    /// Wait until [`Origin::release`].
    Hold,
    /// Close the connection in the middle.
    Break,
}

impl Page {
    /// A page with this body, in which `{n}` becomes the number of the request to its path.
    pub(crate) fn new(body: impl Into<String>) -> Self {
        Self::parts([Part::Data(body.into())])
    }

    /// A page whose body is sent in these steps, without a `Content-Length` if there are several.
    pub(crate) fn parts(parts: impl Into<Vec<Part>>) -> Self {
        let (status, headers, latency) = (StatusCode::OK, Vec::new(), Duration::ZERO);
        Self {
            status,
            headers,
            latency,
            parts: parts.into(),
        }
    }

    /// With this status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).expect("tests write valid statuses");
        self
    }

    /// With this field; `{n}` as in the body.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this `Cache-Control`.
    pub(crate) fn cache_control(self, value: &str) -> Self {
        self.header("cache-control", value)
    }

    /// Answered after this time.
    pub(crate) fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }
}

#[derive(Debug, Default)]
struct State {
    pages: Mutex<HashMap<String, Page>>,
    log: Mutex<Log>,
    release: Notify,
}

#[derive(Debug, Default)]
struct Log {
    paths: HashMap<String, Path>,
    running: u64,
    peak: u64,
}

#[derive(Debug, Default)]
struct Path {
    heads: Vec<request::Parts>,
    /// When each of them came.
    begun: Vec<Instant>,
    running: u64,
    peak: u64,
}

impl Origin {
    /// An origin that answers every path with an empty `200` until told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    /// From now on, answers `path` (without its query) like this.
    pub(crate) fn serve(&self, path: &str, page: Page) {
        lock(&self.state.pages).insert(path.to_owned(), page);
    }

    /// Lets every body that waits at [`Part::Hold`] now go on.
    pub(crate) fn release(&self) {
        self.state.release.notify_waiters();
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        let log = lock(&self.state.log);
        log.paths.values().map(|path| path.heads.len()).sum()
    }

    /// Requests so far to this path, whatever the query.
    pub(crate) fn requests_to(&self, path: &str) -> usize {
        self.heads(path).len()
    }

    /// The heads of all requests to this path, in their order.
    pub(crate) fn heads(&self, path: &str) -> Vec<request::Parts> {
        let log = lock(&self.state.log);
        log.paths
            .get(path)
            .map_or_else(Vec::new, |path| path.heads.clone())
    }

    /// When each of the requests to this path came.
    pub(crate) fn begun(&self, path: &str) -> Vec<Instant> {
        let log = lock(&self.state.log);
        log.paths
            .get(path)
            .map_or_else(Vec::new, |path| path.begun.clone())
    }

    /// The most requests that ran at once, from the head until the end of the response.
    pub(crate) fn peak(&self) -> u64 {
        lock(&self.state.log).peak
    }

    /// The most requests to this path that ran at once.
    pub(crate) fn peak_of(&self, path: &str) -> u64 {
        let log = lock(&self.state.log);
        log.paths.get(path).map_or(0, |path| path.peak)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that is being answered.
struct Running(Arc<State>, String);

impl Running {
    fn begin(state: &Arc<State>, head: request::Parts) -> (Self, usize) {
        let path = head.uri.path().to_owned();
        let mut log = lock(&state.log);
        log.running += 1;
        log.peak = log.peak.max(log.running);
        let entry = log.paths.entry(path.clone()).or_default();
        entry.heads.push(head);
        entry.begun.push(Instant::now());
        entry.running += 1;
        entry.peak = entry.peak.max(entry.running);
        (Self(Arc::clone(state), path), entry.heads.len())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut log = lock(&self.0.log);
        log.running -= 1;
        if let Some(path) = log.paths.get_mut(&self.1) {
            path.running -= 1;
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // In a set, so that they end with the task that owns it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let page = lock(&state.pages).get(head.uri.path()).cloned();
    let page = page.unwrap_or_else(|| Page::parts([]));
    let (running, number) = Running::begin(&state, head);
    let number = number.to_string();
    let _ = body.collect().await;
    sleep(page.latency).await;

    let mut response = Response::builder().status(page.status);
    for (name, value) in &page.headers {
        let name = name.parse::<HeaderName>().expect("tests write valid names");
        let value = HeaderValue::from_str(&value.replace("{n}", &number));
        response = response.header(name, value.expect("tests write valid values"));
    }
    if let [Part::Data(data)] = &page.parts[..] {
        response = response.header("content-length", data.replace("{n}", &number).len());
    }
    let steps = (page.parts.into_iter(), running);
    let body = stream::unfold(steps, move |(mut parts, running)| {
        let (number, state) = (number.clone(), Arc::clone(&state));
        async move {
            loop {
                let frame = match parts.next()? {
                    Part::Data(data) => Ok(Frame::data(Bytes::from(data.replace("{n}", &number)))),
                    Part::Break => Err(io::Error::other("told to break off")),
                    Part::Hold => {
                        state.release.notified().await;
                        continue;
                    }
                };
                return Some((frame, (parts, running)));
            }
        }
    });
    let response = response.body(StreamBody::new(body).boxed_unsync());
    Ok(response.expect("tests write valid responses"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
