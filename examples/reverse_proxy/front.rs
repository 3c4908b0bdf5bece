//! The service of one client connection: settles what the request is for, asks the cache, and
//! makes a response of the origin's failure. With `--passthrough` the origin is in the place of the
//! cache.
//!
//! Written by hand rather than with `TowerToHyperService`: that clones the cache service for each
//! request, and on a hit this is all there is to do besides the cache. Generic for the same reason:
//! which of the two it is costs no request anything.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use crate::host::Site;
use crate::origin::OriginError;
use crate::purge::{self, Purger, Said};
use crate::{forward, websocket};

/// What was asked for, or our own words.
type Served<B> = Either<B, Full<Bytes>>;

/// The service of one connection.
#[derive(Debug)]
pub(crate) struct Front<S> {
    // A connection is polled by one task at a time, and the borrow ends before `call` returns.
    inner: RefCell<S>,
    site: Site,
    name: Option<&'static str>,
    /// Who answers `PURGE`, and the client's address; without a cache it is the origin.
    purger: Option<(Arc<Purger>, IpAddr)>,
    asked: Arc<AtomicBool>,
}

impl<S> Front<S> {
    /// `name` is what the cache calls itself in `Cache-Status`; none if `inner` is the origin.
    pub(crate) fn new(inner: S, site: Site, name: Option<&'static str>) -> Self {
        Self {
            inner: RefCell::new(inner),
            site,
            name,
            purger: None,
            asked: Arc::default(),
        }
    }

    /// The same, with `PURGE` answered by `purger`.
    pub(crate) fn purging(mut self, purger: Arc<Purger>, client: IpAddr) -> Self {
        self.purger = Some((purger, client));
        self
    }

    /// Set by each request as it begins, for whoever watches over the connection.
    pub(crate) fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Gives the request its one form, or says with which status and words it is refused.
    fn settle(&self, request: &mut Request<Incoming>) -> Result<(), (StatusCode, &'static str)> {
        if request.method() == Method::CONNECT && !websocket::translate(request) {
            let what = "this is not a forward proxy";
            return Err((StatusCode::METHOD_NOT_ALLOWED, what));
        }
        forward::drop_nominated(request.headers_mut());
        let settled = self.site.settle(request);
        match settled {
            // It is of all sites, so it need not say of which.
            Err(_) if purge::is_everything(request) && self.purger.is_some() => Ok(()),
            settled => settled.map_err(|unclear| (StatusCode::BAD_REQUEST, unclear.0)),
        }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Front<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = OriginError> + Clone,
{
    type Response = Response<Served<B>>;
    type Error = Infallible;
    type Future = FrontFuture<S>;

    fn call(&self, mut request: Request<Incoming>) -> FrontFuture<S> {
        self.asked.store(true, Ordering::Relaxed);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let fwd = if reads { "miss" } else { "method" };
        let state = match self.settle(&mut request) {
            Err(refusal) => State::Refused(refusal),
            Ok(()) if !reads && request.method().as_str() == "PURGE" && self.purger.is_some() => {
                self.purge(&request)
            }
            Ok(()) => {
                let mut inner = self.inner.borrow_mut();
                match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(())) => State::Called(inner.call(request)),
                    // Nobody would be woken for this instance, so another one waits.
                    Poll::Pending | Poll::Ready(Err(_)) => {
                        State::Waiting(Box::pin(inner.clone().oneshot(request)))
                    }
                }
            }
        };
        let name = self.name;
        FrontFuture { state, name, fwd }
    }
}

impl<S> Front<S> {
    fn purge(&self, request: &Request<Incoming>) -> State<S>
    where
        S: Service<Request<Incoming>>,
    {
        let (purger, client) = self.purger.as_ref().expect("only asked where there is one");
        match purger.take_on(request, *client) {
            Ok(purge) => State::Purging(Box::pin(purge)),
            Err(refusal) => State::Refused(refusal),
        }
    }
}

/// The response to come.
#[pin_project]
pub(crate) struct FrontFuture<S: Service<Request<Incoming>>> {
    #[pin]
    state: State<S>,
    name: Option<&'static str>,
    fwd: &'static str,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Request<Incoming>>> {
    /// The usual case: nothing is boxed or cloned.
    Called(#[pin] S::Future),
    /// The cache was not ready.
    Waiting(Pin<Box<Oneshot<S, Request<Incoming>>>>),
    /// The request is not one that can be answered.
    Refused((StatusCode, &'static str)),
    /// A page is being taken away.
    Purging(Pin<Box<dyn Future<Output = Said> + Send>>),
}

impl<S, B> Future for FrontFuture<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = OriginError>,
{
    type Output = Result<Response<Served<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.state.project() {
            StateProj::Called(future) => ready!(future.poll(cx)),
            StateProj::Waiting(future) => ready!(future.as_mut().poll(cx)),
            StateProj::Refused((status, what)) => {
                return Poll::Ready(Ok(text(*status, what)));
            }
            StateProj::Purging(purge) => {
                let (status, what) = ready!(purge.as_mut().poll(cx));
                return Poll::Ready(Ok(text(status, &what)));
            }
        };
        Poll::Ready(Ok(match result {
            Ok(response) => response.map(Either::Left),
            Err(error) => failed(&error, *this.name, this.fwd),
        }))
    }
}

/// The leader's own answer to a failing origin. Its followers have theirs from the cache.
fn failed<B>(error: &OriginError, name: Option<&str>, fwd: &str) -> Response<Served<B>> {
    let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let cause = cause.last().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(detail = error.detail(), cause, "{error}");
    let mut response = text(error.status(), &error.to_string());
    let Some(name) = name else {
        return response;
    };
    let status = format!("{name}; fwd={fwd}; detail={}", error.detail());
    if let Ok(status) = HeaderValue::from_str(&status) {
        response.headers_mut().insert("cache-status", status);
    }
    response
}

fn text<B>(status: StatusCode, text: &str) -> Response<Served<B>> {
    let mut response = Response::new(Either::Right(Full::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
