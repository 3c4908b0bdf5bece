//! Stub.
#![allow(missing_docs, missing_debug_implementations)]
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

#[derive(Debug, Clone)]
pub struct CacheLayer;
#[derive(Debug, Clone)]
pub struct CacheService<S>(S);

impl<S> tower_layer::Layer<S> for CacheLayer {
    type Service = CacheService<S>;
    fn layer(&self, s: S) -> CacheService<S> {
        CacheService(s)
    }
}

impl<S, B, RB> Service<Request<B>> for CacheService<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<RB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, req: Request<B>) -> Self::Future {
        ResponseFuture(self.0.call(req))
    }
}

#[pin_project]
pub struct ResponseFuture<F>(#[pin] F);
impl<F: Future<Output = Result<Response<RB>, E>>, RB, E> Future for ResponseFuture<F> {
    type Output = Result<Response<ResponseBody<RB>>, E>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().0.poll(cx)).map(|r| r.map(ResponseBody)))
    }
}

#[pin_project]
pub struct ResponseBody<B>(#[pin] B);
impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.project().0.poll_frame(cx).map_err(Into::into)
    }
    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}
