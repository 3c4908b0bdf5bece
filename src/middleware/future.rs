//! The future of a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use crate::middleware::body::ResponseBody;
use crate::middleware::pass::Passing;
use crate::shared::BoxFuture;

/// Future of [`CacheService`](crate::CacheService). A hit allocates nothing for it.
///
/// # Cancellation
/// Dropping it never ends a refresh that others may be waiting for.
#[pin_project]
pub struct ResponseFuture<S, B, RB>
where
    S: Service<Request<B>>,
{
    #[pin]
    state: State<S, B, RB>,
}

type Answer<S, B, RB> = Result<Response<ResponseBody<RB>>, <S as Service<Request<B>>>::Error>;

#[pin_project(project = StateProjection)]
enum State<S, B, RB>
where
    S: Service<Request<B>>,
{
    /// Straight through. Boxed: every hit would move room for a request and an inner future about.
    Pass(Pin<Box<Pass<S, B>>>),
    /// From the local store. `None` once it is taken.
    Hit {
        response: Option<Response<ResponseBody<RB>>>,
    },
    /// Everything that may have to wait.
    Flock {
        task: BoxFuture<'static, Answer<S, B, RB>>,
    },
}

#[pin_project]
struct Pass<S, B>
where
    S: Service<Request<B>>,
{
    #[pin]
    inner: Oneshot<S, Request<B>>,
    passing: Passing,
}

impl<S, B, RB> ResponseFuture<S, B, RB>
where
    S: Service<Request<B>>,
{
    pub(crate) fn hit(response: Response<ResponseBody<RB>>) -> Self {
        Self {
            state: State::Hit {
                response: Some(response),
            },
        }
    }

    pub(crate) fn pass(inner: S, request: Request<B>, passing: Passing) -> Self {
        Self {
            state: State::Pass(Box::pin(Pass {
                inner: Oneshot::new(inner, request),
                passing,
            })),
        }
    }

    pub(crate) fn flock(task: BoxFuture<'static, Answer<S, B, RB>>) -> Self {
        Self {
            state: State::Flock { task },
        }
    }
}

impl<S, B, RB> Future for ResponseFuture<S, B, RB>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: Body,
{
    type Output = Answer<S, B, RB>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Hit { response } => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after its end"))),
            StateProjection::Pass(pass) => {
                let pass = pass.as_mut().project();
                let response = ready!(pass.inner.poll(cx))?;
                Poll::Ready(Ok(pass.passing.finish(response)))
            }
            StateProjection::Flock { task } => task.as_mut().poll(cx),
        }
    }
}

impl<S, B, RB> fmt::Debug for ResponseFuture<S, B, RB>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Pass(_) => "Pass",
            State::Hit { .. } => "Hit",
            State::Flock { .. } => "Flock",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
