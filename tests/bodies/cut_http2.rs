//! The same where the origin speaks HTTP/2, which the proxy does not: the layer around a client.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bellwether::Cache;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tower::Layer;

use crate::cuts::{CODECS, Codec, Cut, seed};
use crate::flock::{Lines, cut_all};
use crate::gate::Gate;
use crate::stage::turn;

type Body = UnsyncBoxBody<Bytes, io::Error>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a stream ends that is not whole.
#[derive(Debug, Clone, Copy)]
enum End {
    /// With `RST_STREAM`.
    Reset,
    /// With its connection.
    Abort,
    /// With `END_STREAM`, as if that were all, though more was announced.
    Early,
}

impl End {
    fn of(cut: &Cut) -> Self {
        match cut.codec {
            _ if cut.reset => Self::Reset,
            Codec::Length if cut.at % 2 == 1 => Self::Early,
            _ => Self::Abort,
        }
    }
}

/// The bodies by their paths, and how often each was asked for.
struct Site {
    cuts: HashMap<String, Cut>,
    requests: Mutex<HashMap<String, usize>>,
}

impl Site {
    fn requests_to(&self, path: &str) -> usize {
        let requests = self.requests.lock().expect("nobody panics");
        requests.get(path).copied().unwrap_or(0)
    }

    fn answer(&self, path: &str, connection: AbortHandle) -> Response<Body> {
        let cut = self.cuts[path].clone();
        let number = {
            let mut requests = self.requests.lock().expect("nobody panics");
            let number = requests.entry(path.to_owned()).or_default();
            *number += 1;
            *number
        };
        let mut response = Response::builder().header("cache-control", "max-age=60");
        if cut.codec == Codec::Length {
            response = response.header("content-length", cut.length);
        }
        let body = Bytes::from(cut.body());
        let frames = if number > 1 {
            stream::iter([Ok(Frame::data(body))]).boxed()
        } else {
            cut_short(cut, body, connection).boxed()
        };
        let body = StreamBody::new(frames).boxed_unsync();
        response.body(body).expect("a response")
    }
}

/// The start of a body, and its end.
fn cut_short(
    cut: Cut,
    body: Bytes,
    connection: AbortHandle,
) -> impl stream::Stream<Item = io::Result<Frame<Bytes>>> {
    let start = body.slice(..cut.at);
    let gate = cut.gate.clone();
    let start = stream::once(async move {
        if let Some(gate) = gate {
            gate.pass().await;
        }
        Ok(Frame::data(start))
    });
    let end = stream::iter(match End::of(&cut) {
        End::Early => None,
        end => Some(end),
    });
    start.chain(end.map(move |end| {
        if matches!(end, End::Abort) {
            connection.abort();
        }
        Err(io::Error::other("told to break off"))
    }))
}

/// An origin that speaks HTTP/2 only.
async fn origin(site: Arc<Site>) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let site = Arc::clone(&site);
            let (tell, told) = tokio::sync::watch::channel(None);
            let service = service_fn(move |request: Request<Incoming>| {
                let connection = told.borrow().clone().expect("it was told");
                let response = site.answer(request.uri().path(), connection);
                async move { Ok::<_, Infallible>(response) }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let (begin, begun) = tokio::sync::oneshot::channel::<()>();
            let connection = tokio::spawn(async move {
                let _ = begun.await;
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
            tell.send_replace(Some(connection.abort_handle()));
            let _ = begin.send(());
        }
    });
    address
}

/// One request on a connection of its own: when that breaks, no other body does.
async fn fetch(origin: SocketAddr, path: String) -> Result<Response<Incoming>, BoxError> {
    let stream = TcpStream::connect(origin).await?;
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut client, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(format!("http://origin.test{path}"));
    let request = request.body(Empty::<Bytes>::new())?;
    Ok(client.send_request(request).await?)
}

/// The layer in front of it, served on a socket.
async fn cache(origin: SocketAddr) -> SocketAddr {
    let fetching = tower::service_fn(move |request: Request<Incoming>| {
        fetch(origin, request.uri().path().to_owned())
    });
    let cache = Cache::builder().build().expect("good settings");
    let service = TowerToHyperService::new(cache.layer().layer(fetching));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_reset_or_ends_early_is_whole_to_nobody() {
    let _turn = turn().await;
    let seed = seed();
    println!("BELLWETHER_SEED={seed} cargo test --test bodies cut_http2::");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cuts = Vec::new();
    for number in 0..400 {
        let length = random.usize(1..30_000);
        // Without an announced length, all may have come and the end alone be missing.
        let most = length + number % 2;
        cuts.push(Cut {
            path: format!("/cut/{number}/{seed}"),
            codec: CODECS[number % 2],
            length,
            at: random
                .usize(..most)
                .max(random.u8(..2).into())
                .min(most - 1),
            reset: random.bool(),
            gate: (random.u8(..4) > 0).then(Gate::new),
        });
    }
    let by_path = cuts.iter().map(|cut| (cut.path.clone(), cut.clone()));
    let site = Arc::new(Site {
        cuts: by_path.collect(),
        requests: Mutex::default(),
    });
    let address = cache(origin(Arc::clone(&site)).await).await;
    let lines = [Lines::open(address).await, Lines::open(address).await];
    let tally = cut_all(cuts, lines, move |path| site.requests_to(path)).await;
    println!("400 cuts of HTTP/2 streams: {tally:?}");
    assert!(tally.broken > 800, "{tally:?}");
}
