//! The service of one client connection: settles what the request is for, asks the cache, and
//! makes a response of the origin's failure.
//!
//! Written by hand rather than with `TowerToHyperService`: that clones the cache service for each
//! request, and on a hit this is all there is to do besides the cache.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bellwether::{CacheService, ResponseBody};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use crate::forward;
use crate::host::Site;
use crate::origin::{Origin, OriginError};

type Cached = CacheService<Origin>;
type Served = Either<ResponseBody<Incoming>, Full<Bytes>>;

/// The service of one connection.
#[derive(Debug)]
pub(crate) struct Front {
    // A connection is polled by one task at a time, and the borrow ends before `call` returns.
    cache: RefCell<Cached>,
    site: Site,
    name: &'static str,
    asked: Arc<AtomicBool>,
}

impl Front {
    /// `name` is what the cache calls itself in `Cache-Status`.
    pub(crate) fn new(cache: Cached, site: Site, name: &'static str) -> Self {
        Self {
            cache: RefCell::new(cache),
            site,
            name,
            asked: Arc::default(),
        }
    }

    /// Set by each request as it begins, for whoever watches over the connection.
    pub(crate) fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Gives the request its one form, or says with which status and words it is refused.
    fn settle(&self, request: &mut Request<Incoming>) -> Result<(), (StatusCode, &'static str)> {
        if request.method() == Method::CONNECT {
            let what = "this is not a forward proxy";
            return Err((StatusCode::METHOD_NOT_ALLOWED, what));
        }
        forward::drop_nominated(request.headers_mut());
        let settled = self.site.settle(request);
        settled.map_err(|unclear| (StatusCode::BAD_REQUEST, unclear.0))
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Served>;
    type Error = Infallible;
    type Future = FrontFuture;

    fn call(&self, mut request: Request<Incoming>) -> FrontFuture {
        self.asked.store(true, Ordering::Relaxed);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let fwd = if reads { "miss" } else { "method" };
        let state = match self.settle(&mut request) {
            Err((status, what)) => State::Refused(Some(text(status, what))),
            Ok(()) => {
                let mut cache = self.cache.borrow_mut();
                match cache.poll_ready(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(())) => State::Called(cache.call(request)),
                    // Nobody would be woken for this instance, so another one waits.
                    Poll::Pending | Poll::Ready(Err(_)) => {
                        State::Waiting(Box::pin(cache.clone().oneshot(request)))
                    }
                }
            }
        };
        let name = self.name;
        FrontFuture { state, name, fwd }
    }
}

/// The response to come.
#[pin_project]
pub(crate) struct FrontFuture {
    #[pin]
    state: State,
    name: &'static str,
    fwd: &'static str,
}

#[pin_project(project = StateProj)]
enum State {
    /// The usual case: nothing is boxed or cloned.
    Called(#[pin] <Cached as Service<Request<Incoming>>>::Future),
    /// The cache was not ready.
    Waiting(Pin<Box<Oneshot<Cached, Request<Incoming>>>>),
    /// The request is not one that can be answered.
    Refused(Option<Response<Served>>),
}

impl Future for FrontFuture {
    type Output = Result<Response<Served>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.state.project() {
            StateProj::Called(future) => ready!(future.poll(cx)),
            StateProj::Waiting(future) => ready!(future.as_mut().poll(cx)),
            StateProj::Refused(refused) => {
                return Poll::Ready(Ok(refused
                    .take()
                    .expect("a future is polled to its end once")));
            }
        };
        Poll::Ready(Ok(match result {
            Ok(response) => response.map(Either::Left),
            Err(error) => failed(&error, this.name, this.fwd),
        }))
    }
}

/// The leader's own answer to a failing origin. Its followers have theirs from the cache.
fn failed(error: &OriginError, name: &str, fwd: &str) -> Response<Served> {
    let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let cause = cause.last().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(detail = error.detail(), cause, "{error}");
    let mut response = text(error.status(), &error.to_string());
    let status = format!("{name}; fwd={fwd}; detail={}", error.detail());
    if let Ok(status) = HeaderValue::from_str(&status) {
        response.headers_mut().insert("cache-status", status);
    }
    response
}

fn text(status: StatusCode, text: &str) -> Response<Served> {
    let mut response = Response::new(Either::Right(Full::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
