//! An origin that does what a closure says, and a few closures.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use blake3::Hasher;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::pattern;

/// The body of any answer.
pub(crate) type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

/// An origin in this process. Dropping it closes its connections.
#[derive(Debug)]
pub(crate) struct Origin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Origin {
    /// Answers each request by `answer`, which also gets the address that it came from.
    pub(crate) async fn start<F>(
        answer: impl Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Answer>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::raw(move |stream, peer| {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request| {
                let response = answer(request, peer);
                async move { Ok::<_, Infallible>(response.await) }
            });
            async move {
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.with_upgrades().await;
            }
        })
        .await
    }

    /// Hands each connection to `serve`.
    pub(crate) async fn raw<F>(
        serve: impl Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let task = tokio::spawn(async move {
            // In a set, so that they end with the task that owns it.
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(stream, peer));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, task }
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a body to its end and answers with its length and hash.
pub(crate) async fn digest(request: Request<Incoming>) -> Response<Answer> {
    let mut body = request.into_body();
    let (mut length, mut hasher) = (0, Hasher::new());
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            length += data.len() as u64;
            hasher.update(&data);
        }
    }
    let seen = seen(length, hasher.finalize());
    let response = Response::builder().header("x-seen", &seen);
    full(response, seen)
}

/// What [`digest`] answers to that many bytes of the pattern.
pub(crate) fn digest_of(length: u64) -> String {
    seen(length, pattern::hash(length))
}

fn seen(length: u64, hash: blake3::Hash) -> String {
    format!("{length} {hash}")
}

/// A short answer.
pub(crate) fn full(head: http::response::Builder, body: impl Into<Bytes>) -> Response<Answer> {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let response = head.body(body.boxed_unsync());
    response.expect("tests write valid responses")
}

/// That many bytes of the pattern, `no-store`, with a length; `made` counts what was asked for.
pub(crate) fn download(length: u64, made: &Arc<AtomicU64>) -> Response<Answer> {
    let body = Download {
        pieces: Box::new(pattern::pieces(length)),
        left: length,
        made: Arc::clone(made),
    };
    let response = Response::builder().header("cache-control", "no-store");
    let response = response.body(body.map_err(|never| match never {}).boxed_unsync());
    response.expect("tests write valid responses")
}

struct Download {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    left: u64,
    made: Arc<AtomicU64>,
}

impl Body for Download {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.pieces.next() else {
            return Poll::Ready(None);
        };
        self.left -= piece.len() as u64;
        self.made.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads a head byte by byte, and nothing after it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).to_lowercase())
}

/// Writes a head or whatever else.
pub(crate) async fn say(stream: &mut TcpStream, text: &str) {
    // Who does not listen any more has been told enough.
    let _ = stream.write_all(text.as_bytes()).await;
}
