//! Clients of both versions that read a body piece by piece and say how it ended.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::http1::Http1;
use crate::support::within;

/// The site that all clients ask for.
pub(crate) const HOST: &str = "bodies.test";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// Both.
pub(crate) const VERSIONS: [Version; 2] = [Version::One, Version::Two];

impl Version {
    /// One and the other in turns.
    pub(crate) fn turns(number: usize) -> Self {
        VERSIONS[number % 2]
    }
}

/// Asks one server. With HTTP/1.1 each request has a connection of its own, with HTTP/2 all of a
/// client and its clones share one.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    two: Option<http2::SendRequest<Empty<Bytes>>>,
}

/// A response of which the head has come. Dropping it leaves in the middle of the body.
pub(crate) struct Reading {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Body,
}

enum Body {
    One(Http1),
    Two(Incoming, HeaderMap),
}

/// What a body was when there came no more of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) body: Vec<u8>,
    /// True if it ended as a whole body does.
    pub(crate) clean: bool,
}

/// A `GET` of this path.
pub(crate) fn get(path: &str) -> Request<()> {
    request("GET", path, &[])
}

/// A request without a body.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let uri = format!("http://{HOST}{path}");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("tests write valid requests")
}

impl Client {
    pub(crate) async fn new(address: SocketAddr, version: Version) -> Self {
        let two = match version {
            Version::One => None,
            Version::Two => Some(connect(address, None).await),
        };
        Self { address, two }
    }

    /// With HTTP/2, and room for so many bytes of each stream that are not read yet.
    pub(crate) async fn with_window(address: SocketAddr, window: u32) -> Self {
        let two = Some(connect(address, Some(window)).await);
        Self { address, two }
    }

    /// Asks, and returns when the head has come.
    pub(crate) async fn open(&self, request: Request<()>) -> Result<Reading, String> {
        self.open_with(request, None).await
    }

    /// With HTTP/1.1, asks on a connection with this much room for what is not read yet.
    pub(crate) async fn open_with(
        &self,
        request: Request<()>,
        room: Option<u32>,
    ) -> Result<Reading, String> {
        self.open_telling(request, room, || {}).await
    }

    /// The same, and says so when it has asked.
    pub(crate) async fn open_telling(
        &self,
        request: Request<()>,
        room: Option<u32>,
        tell: impl FnOnce(),
    ) -> Result<Reading, String> {
        let Some(two) = &self.two else {
            return open_one(self.address, &request, room, tell)
                .await
                .map_err(|error| error.to_string());
        };
        let mut two = two.clone();
        two.ready().await.map_err(|error| error.to_string())?;
        let response = two.send_request(request.map(|()| Empty::new()));
        tell();
        let (head, body) = response
            .await
            .map_err(|error| error.to_string())?
            .into_parts();
        Ok(Reading {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Body::Two(body, HeaderMap::new()),
        })
    }

    /// Asks, and reads to the end.
    pub(crate) async fn get(&self, path: &str) -> (u16, Got) {
        let reading = within(path, self.open(get(path))).await;
        let mut reading = reading.unwrap_or_else(|error| panic!("no head for {path}: {error}"));
        (reading.status, within(path, reading.rest()).await)
    }
}

async fn connect(address: SocketAddr, window: Option<u32>) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    // Of the connection there is always enough: one stream must not stand in for another.
    builder.initial_connection_window_size(64 << 20);
    let (two, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    two
}

async fn open_one(
    address: SocketAddr,
    request: &Request<()>,
    room: Option<u32>,
    tell: impl FnOnce(),
) -> std::io::Result<Reading> {
    let mut one = Http1::open(address, room).await?;
    one.ask(request).await?;
    tell();
    let (status, headers) = one.head(request.method() != "HEAD").await?;
    Ok(Reading {
        status,
        headers,
        body: Body::One(one),
    })
}

impl Reading {
    /// The next piece; `None` at a clean end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        match &mut self.body {
            Body::One(one) => one.piece().await.map_err(|error| error.to_string()),
            Body::Two(body, trailers) => loop {
                let frame = match body.frame().await {
                    Some(frame) => frame.map_err(|error| error.to_string())?,
                    None => return Ok(None),
                };
                match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(frame) => *trailers = frame.into_trailers().unwrap_or_default(),
                }
            },
        }
    }

    /// At least this many bytes, unless it ends before.
    pub(crate) async fn at_least(&mut self, count: usize) -> Got {
        let mut body = Vec::new();
        while body.len() < count {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return Got { body, clean: true },
                Err(_) => break,
            }
        }
        Got { body, clean: false }
    }

    /// All that is still to come.
    pub(crate) async fn rest(&mut self) -> Got {
        self.at_least(usize::MAX).await
    }

    /// What came behind the body.
    pub(crate) fn trailers(&self) -> &HeaderMap {
        match &self.body {
            Body::One(one) => &one.trailers,
            Body::Two(_, trailers) => trailers,
        }
    }

    /// A field's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a test's field is text"))
    }
}
