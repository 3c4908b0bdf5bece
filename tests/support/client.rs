//! A client with keep-alive connections.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use super::within;

/// The body of any request.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// A client of one server. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: String,
    pool: legacy::Client<HttpConnector, Body>,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the request until the end of the body.
    pub(crate) took: Duration,
}

impl Client {
    /// Speaks HTTP/1.1 with `base`, such as `http://127.0.0.1:8080`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let pool = legacy::Client::builder(TokioExecutor::new()).build(tcp);
        Self {
            base: base.into(),
            pool,
        }
    }

    /// Speaks HTTP/2 with prior knowledge.
    pub(crate) fn http2(base: impl Into<String>) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        Self {
            base: base.into(),
            pool,
        }
    }

    /// A request that may be sent as it is, or changed first.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .body(Empty::new().boxed_unsync())
            .expect("tests write valid requests")
    }

    /// Sends a `GET` and reads the answer.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.try_send(request).await;
        answer.expect("the server gives a whole answer")
    }

    /// Sends a request and reads the answer, which may break off.
    pub(crate) async fn try_send(&self, request: Request<Body>) -> Result<Answer, legacy::Error> {
        let begun = Instant::now();
        let response = within("a response", self.pool.request(request)).await?;
        let (head, body) = response.into_parts();
        let body = within("a body", body.collect()).await;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.expect("the server gives a whole body").to_bytes(),
            took: begun.elapsed(),
        })
    }

    /// Sends a request and leaves the body to be read.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Incoming> {
        let response = within("a response", self.pool.request(request)).await;
        response.expect("the server answers")
    }
}

impl Answer {
    /// A field's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a test's field is text"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a test's body is text")
    }
}
