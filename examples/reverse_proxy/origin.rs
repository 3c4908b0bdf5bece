//! The service behind the cache: sends a request to the origin.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::util::MapResponse;

use crate::last_words::LastWords;
use crate::settings::Target;
use crate::upload::Upload;
use crate::websocket::Translated;
use crate::{forward, tunnel};

/// Time for a connection to the origin to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for a response to begin, from the last piece of the request that moved. Where the cache
/// leads, its own `fetch_timeout` is shorter; this one is for what passes the cache by.
const RESPONSE: Duration = Duration::from_secs(60);
/// Servers close idle connections, many after 5 s. Closing ours first keeps a request from being
/// written into a connection that the origin is just about to close.
const IDLE: Duration = Duration::from_secs(4);

type Tls = HttpsConnector<HttpConnector>;
pub(crate) type Connector = MapResponse<Tls, fn(Connected) -> LastWords<Connected>>;
type Connected = <Tls as tower::Service<Uri>>::Response;

/// The origin and its pool of connections, one for the whole process.
#[derive(Debug)]
pub(crate) struct Upstream {
    target: Target,
    client: Client<Connector, Upload>,
}

impl Upstream {
    /// Connects to nothing yet.
    ///
    /// # No retries
    /// A request that the origin may have seen is never sent twice. The pool only takes another
    /// connection where an idle one was found closed before the first byte was written.
    pub(crate) fn new(target: Target) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector());
        Self { target, client }
    }

    /// Where requests go.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    async fn send(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Result<Response<Incoming>, OriginError> {
        let (mut head, body) = request.into_parts();
        let upgrades = forward::to_origin(&mut head, client, &self.target.host);
        let translated = head.extensions.remove::<Translated>();
        let mut uri = head.uri.into_parts();
        uri.scheme = Some(self.target.scheme.clone());
        uri.authority = Some(self.target.authority.clone());
        head.uri = Uri::from_parts(uri).map_err(OriginError::new)?;
        let mut request = Request::from_parts(head, body);
        let client_side = upgrades.then(|| hyper::upgrade::on(&mut request));

        let (request, pace) = Upload::of(request);
        let sent = pace.within(RESPONSE, self.client.request(request)).await;
        let mut response = sent
            .ok_or_else(OriginError::late)?
            .map_err(OriginError::new)?;
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let origin_side = switching.then(|| hyper::upgrade::on(&mut response));
        let (mut head, body) = response.into_parts();
        if let Some(translated) = &translated {
            let answer = translated.answer(&mut head);
            answer.ok_or_else(OriginError::not_switched)?;
        }
        if let (Some(client_side), Some(origin_side)) = (client_side, origin_side) {
            tunnel::spawn(client_side, origin_side);
        }
        forward::to_client(&mut head, switching && translated.is_none());
        Ok(Response::from_parts(head, body))
    }
}

/// How connections to an origin are made.
pub(crate) fn connector() -> Connector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    // HTTP/1.1 only: with HTTP/2 the client would send the origin's authority in place of the site
    // that the request is for.
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    MapResponse::new(connector, LastWords::new as fn(_) -> _)
}

/// The origin as one connection's requests see it.
///
/// It knows the client's address, so that no request has to carry it through the cache.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    upstream: Arc<Upstream>,
    client: IpAddr,
}

impl Origin {
    /// The origin for the requests of `client`.
    pub(crate) fn new(upstream: Arc<Upstream>, client: IpAddr) -> Self {
        let client = client.to_canonical();
        Self { upstream, client }
    }
}

impl tower::Service<Request<Incoming>> for Origin {
    type Response = Response<Incoming>;
    type Error = OriginError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { upstream, client } = self.clone();
        Box::pin(async move { upstream.send(request, client).await })
    }
}

/// Why the origin gave no response.
#[derive(Debug)]
pub(crate) struct OriginError {
    kind: Kind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No connection could be made.
    Unreachable,
    /// A connection or a response did not come in time.
    Timeout,
    /// The connection broke, or what came was not HTTP.
    Broken,
    /// It was asked for a WebSocket, and its answer is none.
    NotSwitched,
}

impl OriginError {
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        let mut kind = Kind::Broken;
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(error) = cause {
            let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
            let client = error.downcast_ref::<hyper_util::client::legacy::Error>();
            if io == Some(io::ErrorKind::TimedOut) {
                kind = Kind::Timeout;
            } else if client.is_some_and(hyper_util::client::legacy::Error::is_connect) {
                kind = Kind::Unreachable;
            }
            cause = error.source();
        }
        Self {
            kind,
            source: Some(Box::new(error)),
        }
    }

    pub(crate) fn late() -> Self {
        Self {
            kind: Kind::Timeout,
            source: None,
        }
    }

    fn not_switched() -> Self {
        Self {
            kind: Kind::NotSwitched,
            source: None,
        }
    }

    /// The status that tells the client.
    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Unreachable | Kind::Broken | Kind::NotSwitched => StatusCode::BAD_GATEWAY,
        }
    }

    /// The word for it in `Cache-Status`.
    pub(crate) fn detail(&self) -> &'static str {
        match self.kind {
            Kind::Unreachable => "origin-unreachable",
            Kind::Timeout => "origin-timeout",
            Kind::Broken => "origin-broke-off",
            Kind::NotSwitched => "origin-not-switched",
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Unreachable => "the origin cannot be reached",
            Kind::Timeout => "the origin did not answer in time",
            Kind::Broken => "the origin broke off",
            Kind::NotSwitched => "the origin did not switch to WebSocket",
        })
    }
}

impl StdError for OriginError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
