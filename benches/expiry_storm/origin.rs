//! The origin: it counts, takes its time, and can be asked for more than it can bear.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Says for which node a client's request is, to whoever sees it.
pub(crate) const NODE: &str = "x-node";

/// One request to it. Times are microseconds since the bench began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) page: usize,
    pub(crate) node: usize,
    pub(crate) begun: u64,
    /// 0 until it is answered.
    pub(crate) done: u64,
}

/// How it behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    pub(crate) latency: Duration,
    pub(crate) capacity: Option<u64>,
    /// `None`: `no-store`.
    pub(crate) fresh: Option<u64>,
    pub(crate) stale: bool,
    pub(crate) failing: bool,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    log: Vec<Asked>,
    /// When it has done what it was asked so far, by its capacity.
    free_at: Option<Instant>,
}

/// A server in this process, on a thread of its own.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) address: String,
    began: Instant,
    state: Arc<Mutex<State>>,
}

impl Origin {
    pub(crate) fn start(began: Instant) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, told) = std::sync::mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("it is bound").to_string();
                let origin = Self {
                    address,
                    began,
                    state: shared,
                };
                tell.send(origin.clone()).expect("it is waited for");
                origin.serve(listener).await;
            });
        });
        told.recv().expect("the origin starts")
    }

    /// From now on it behaves like this, and has forgotten what it was asked.
    pub(crate) fn set(&self, weather: Weather) {
        let mut state = self.state.lock().expect("nobody panics with it");
        state.weather = weather;
        state.free_at = None;
        state.log.clear();
    }

    pub(crate) fn fail(&self, failing: bool) {
        let mut state = self.state.lock().expect("nobody panics with it");
        state.weather.failing = failing;
    }

    /// What it was asked so far.
    pub(crate) fn log(&self) -> Vec<Asked> {
        let state = self.state.lock().expect("nobody panics with it");
        state.log.clone()
    }

    /// The node whose request it is answering.
    pub(crate) fn asker(&self) -> Option<usize> {
        let state = self.state.lock().expect("nobody panics with it");
        let open = state.log.iter().rfind(|asked| asked.done == 0);
        open.map(|asked| asked.node)
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let origin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let origin = origin.clone();
                    async move { Ok::<_, Infallible>(origin.answer(&request).await) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page = request.uri().path().trim_start_matches('/').parse();
        let node = request.headers().get(NODE);
        let node = node.and_then(|node| node.to_str().ok()?.parse().ok());
        let begun = self.micros();
        let (index, weather, until) = {
            let mut state = self.state.lock().expect("nobody panics with it");
            state.log.push(Asked {
                page: page.unwrap_or(0),
                node: node.unwrap_or(0),
                begun,
                done: 0,
            });
            let weather = state.weather.clone();
            let now = Instant::now();
            let mut until = now + weather.latency;
            if let Some(capacity) = weather.capacity {
                // One after another, at its own pace.
                let turn = state.free_at.unwrap_or(now).max(now)
                    + Duration::from_secs(1) / capacity as u32;
                state.free_at = Some(turn);
                until = until.max(turn);
            }
            (state.log.len() - 1, weather, until)
        };
        tokio::time::sleep_until(until).await;
        {
            let mut state = self.state.lock().expect("nobody panics with it");
            let done = self.micros();
            // Unless it was told to forget meanwhile.
            if let Some(asked) = state
                .log
                .get_mut(index)
                .filter(|asked| asked.begun == begun)
            {
                asked.done = done;
            }
        }
        respond(&weather, begun)
    }

    /// Microseconds since the bench began.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).expect("it is not that long")
    }
}

/// A kilobyte that begins with the time of its making.
fn respond(weather: &Weather, made: u64) -> Response<Full<Bytes>> {
    let control = match weather.fresh {
        None => "no-store".to_owned(),
        Some(fresh) if weather.stale => {
            format!("max-age={fresh}, stale-while-revalidate=60, stale-if-error=60")
        }
        Some(fresh) => format!("max-age={fresh}"),
    };
    let status = if weather.failing {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "text/plain");
    if !weather.failing {
        response = response.header("cache-control", control);
    }
    let body = format!("{made:<1024}");
    response.body(Full::from(body)).expect("a response")
}
