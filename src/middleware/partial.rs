//! Parts of a response (RFC 9110 §14): which ones, and the 206 or 416 that they make.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap,
    HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, VARY,
};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use crate::config::Shared;
use crate::entry::{Lines, Record};
use crate::middleware::body::ResponseBody;
use crate::middleware::respond::{Asked, BodyOf};
use crate::middleware::window::Window;
use crate::semantics::fields;
use crate::semantics::range::{self, Selection, Span};

/// What of a stored response a client is to get. Its own conditions come first
/// (RFC 9110 §13.2.2): ask only if they did not lead to a 304.
///
/// While a body is still being fetched, one range of a known length is all that is cut: several
/// would have to wait for the last byte of the last, and without a length there is no
/// `Content-Range`. Those get the whole (§14.2: `Range` may be ignored).
pub(crate) fn select(asked: Asked<'_>, record: &Record, body: &BodyOf) -> Selection {
    let head = &record.head;
    if !asked.seen.range() || asked.head || head.status != StatusCode::OK {
        return Selection::Whole;
    }
    let (length, whole) = match body {
        BodyOf::Record => (record.body.len(), true),
        BodyOf::Log(_, Some(length)) => (*length, false),
        BodyOf::Log(_, None) => return Selection::Whole,
    };
    match range::select(asked.headers, head, length) {
        // No RFC says whether the coding of a multipart is that of its parts.
        Selection::Many(_) if !whole || head.line(&CONTENT_ENCODING).is_some() => Selection::Whole,
        selection => selection,
    }
}

impl Shared {
    /// True if a request is for bytes that no stored body has, whichever comes to be stored.
    pub(crate) fn is_beyond_bodies<B>(&self, request: &Request<B>) -> bool {
        *request.method() == Method::GET
            && range::is_beyond(request.headers(), self.engine.tuning.max_body)
    }
}

/// One part.
pub(crate) fn one<B>(record: &Record, body: BodyOf, span: &Span) -> Response<ResponseBody<B>> {
    let body = match body {
        BodyOf::Record => ResponseBody::stored(&record.body.part(span.first, span.last)),
        BodyOf::Log(reader, _) => ResponseBody::log_part(reader, Window::of(span)),
    };
    let mut headers = record.head.headers();
    describe(&mut headers, span);
    respond(StatusCode::PARTIAL_CONTENT, headers, body)
}

/// Several parts of a stored body (RFC 9110 §14.6).
pub(crate) fn many<B>(record: &Record, spans: &[Span]) -> Response<ResponseBody<B>> {
    let boundary = boundary();
    let mut headers = record.head.headers();
    let kind = headers.get(CONTENT_TYPE).cloned();
    let mut frames = Vec::with_capacity(spans.len() * 2 + 1);
    for span in spans {
        let start = if frames.is_empty() { "--" } else { "\r\n--" };
        let mut head = [start.as_bytes(), boundary.as_bytes()].concat();
        let content_range = span.content_range();
        let fields = [
            (&b"\r\nContent-Type: "[..], kind.as_ref()),
            (b"\r\nContent-Range: ", Some(&content_range)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                head.extend_from_slice(name);
                head.extend_from_slice(value.as_bytes());
            }
        }
        head.extend_from_slice(b"\r\n\r\n");
        frames.push(Bytes::from(head));
        frames.extend_from_slice(record.body.part(span.first, span.last).pieces());
    }
    frames.push(Bytes::from(format!("\r\n--{boundary}--\r\n")));
    let length: usize = frames.iter().map(Bytes::len).sum();

    let kind = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
    headers.insert(CONTENT_TYPE, kind.expect("hexadecimal digits are a value"));
    headers.insert(CONTENT_LENGTH, length.into());
    drop_digests(&mut headers);
    let body = ResponseBody::frames(frames);
    respond(StatusCode::PARTIAL_CONTENT, headers, body)
}

/// No part (RFC 9110 §15.5.17). It keeps what lets a browser's script read it, but nothing that
/// describes the stored response: with its `Cache-Control` a cache before us would keep the 416.
pub(crate) fn none<B>(record: &Record, length: u64) -> Response<ResponseBody<B>> {
    let kept = |name: &HeaderName| {
        [ACCEPT_RANGES, DATE, VARY].contains(name)
            || name.as_str().starts_with("access-control-")
            || name.as_str() == "cross-origin-resource-policy"
    };
    let mut headers = HeaderMap::new();
    for (name, value) in record.head.iter() {
        if kept(name) {
            headers.append(name, value.clone());
        }
    }
    headers.insert(CONTENT_RANGE, range::unsatisfied(length));
    headers.insert(CONTENT_LENGTH, 0.into());
    respond(
        StatusCode::RANGE_NOT_SATISFIABLE,
        headers,
        ResponseBody::empty(),
    )
}

/// The part of a response that turned out to be for this client alone: the origin was not told of
/// its `Range`, and now sends everything. `None` where that is better, or as good:
///
/// - unless it is one range, and of a known length;
/// - if it begins more than `furthest` into the body: who jumps to the end of a large file would
///   wait for all of it with nothing to read, and can leave a 200 at once;
/// - if the client had conditions of its own. They were not sent, and are not for us to judge here.
pub(crate) fn of_own<B: Body>(
    asked: Asked<'_>,
    response: &Response<B>,
    furthest: u64,
) -> Option<Span> {
    if asked.head
        || response.status() != StatusCode::OK
        || [IF_NONE_MATCH, IF_MODIFIED_SINCE]
            .iter()
            .any(|name| asked.headers.contains_key(name))
    {
        return None;
    }
    let length = response.body().size_hint().exact()?;
    match range::select(asked.headers, response.headers(), length) {
        Selection::One(span) if span.first <= furthest => Some(span),
        _ => None,
    }
}

/// Makes a 206 of that part.
pub(crate) fn cut<B>(
    response: Response<ResponseBody<B>>,
    span: &Span,
) -> Response<ResponseBody<B>> {
    let mut response = response.map(|body| body.part(Window::of(span)));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    describe(response.headers_mut(), span);
    response
}

fn describe(headers: &mut HeaderMap, span: &Span) {
    headers.insert(CONTENT_RANGE, span.content_range());
    headers.insert(CONTENT_LENGTH, span.length().into());
    // Its end is not that of the whole.
    fields::without_trailers(headers);
    drop_digests(headers);
}

/// These are of what is sent, not of the whole (RFC 9530 §2; RFC 2616 §14.15).
fn drop_digests(headers: &mut HeaderMap) {
    headers.remove("content-digest");
    headers.remove("content-md5");
}

fn respond<B>(
    status: StatusCode,
    headers: HeaderMap,
    body: ResponseBody<B>,
) -> Response<ResponseBody<B>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Random for each response, and not to be foreseen: whoever can write a body must not be able to
/// write the end of a part into it.
fn boundary() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
