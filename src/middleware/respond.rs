//! Makes responses out of stored ones. The per-request part of a hit is all here.

use bytes::Bytes;
use http::header::{AGE, CACHE_STATUS, CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use crate::clock::Moment;
use crate::config::Shared;
use crate::engine::{Failure, Landing};
use crate::entry::Record;
use crate::event::Outcome;
use crate::flight::Reader;
use crate::middleware::body::ResponseBody;
use crate::middleware::partial;
use crate::semantics::range::Selection;
use crate::semantics::seen::Seen;
use crate::semantics::status::{self, Report};
use crate::semantics::validate;

/// What a response is made for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) seen: Seen,
    /// The method is HEAD.
    pub(crate) head: bool,
}

/// Where the body of a stored response is.
pub(crate) enum BodyOf {
    /// In the record.
    Record,
    /// Being fetched.
    Log(Reader, Option<u64>),
}

impl Shared {
    /// A response out of a stored one: 304 if that is what the client's conditions come to, else
    /// the part that it wants, the head alone for HEAD.
    pub(crate) fn respond<B>(
        &self,
        asked: Asked<'_>,
        record: &Record,
        body: BodyOf,
        now: Moment,
        report: &Report,
    ) -> Response<ResponseBody<B>> {
        let head = &record.head;
        let own = |status: StatusCode| Own {
            age: age(record, now, report),
            cache_status: self.name.as_ref().map(|name| {
                let fwd_status = report.fwd_status.filter(|fwd| *fwd != status);
                status::render(
                    name,
                    &Report {
                        fwd_status,
                        ..*report
                    },
                )
            }),
        };
        let mut response =
            if asked.seen.condition() && validate::not_modified(asked.headers, head.status, head) {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                *response.headers_mut() =
                    validate::not_modified_headers(head, &self.scope.policy.targets);
                response
            } else {
                match partial::select(asked, record, &body) {
                    Selection::Whole => return whole(asked, record, body, own(head.status)),
                    Selection::One(span) => partial::one(record, body, &span),
                    Selection::Many(spans) => partial::many(record, &spans),
                    Selection::Unsatisfiable(length) => partial::none(record, length),
                }
            };
        let own = own(response.status());
        let headers = response.headers_mut();
        match own.age {
            Some(age) => headers.insert(AGE, age),
            None => headers.remove(AGE),
        };
        sign(headers, own.cache_status);
        response
    }

    /// Adds our member of `Cache-Status`, after those of the caches nearer to the origin.
    pub(crate) fn sign(&self, headers: &mut HeaderMap, report: &Report) {
        let name = self.name.as_ref();
        sign(headers, name.map(|name| status::render(name, report)));
    }

    /// A response that says that there is none.
    pub(crate) fn fail<B>(
        &self,
        failure: Failure,
        mut report: Report,
    ) -> Response<ResponseBody<B>> {
        self.engine.counters.outcome(Outcome::Failed);
        report.detail = Some(failure.detail);
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let text = format!("{status}: {}\n", failure.detail);
        let mut response = Response::new(ResponseBody::whole(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(
            http::header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        );
        self.sign(headers, &report);
        response
    }
}

/// The fields that are not those of the stored response.
struct Own {
    /// `None` for what was made for this request (RFC 9111 §5.1: its presence would say that it was
    /// not).
    age: Option<HeaderValue>,
    cache_status: Option<HeaderValue>,
}

#[inline]
fn age(record: &Record, now: Moment, report: &Report) -> Option<HeaderValue> {
    let age = record.windows.age_secs(now);
    let just_made = age == 0 && report.fwd.is_some() && !report.collapsed;
    (!just_made).then(|| status::seconds(age))
}

fn sign(headers: &mut HeaderMap, cache_status: Option<HeaderValue>) {
    let room = headers
        .get_mut(CACHE_STATUS)
        .filter(|value| value.is_empty());
    match (cache_status, room) {
        (Some(ours), Some(room)) => *room = ours,
        (Some(ours), None) => {
            headers.append(CACHE_STATUS, ours);
        }
        (None, Some(_)) => {
            headers.remove(CACHE_STATUS);
        }
        (None, None) => {}
    }
}

/// All of a stored response; of HEAD, all that there is.
fn whole<B>(
    asked: Asked<'_>,
    record: &Record,
    body: BodyOf,
    own: Own,
) -> Response<ResponseBody<B>> {
    let mut headers = match own {
        Own {
            age: Some(age),
            cache_status: Some(ours),
        } => record.head.headers_with(age, ours),
        Own { age, cache_status } => {
            let empty = HeaderValue::from_static("");
            let mut headers = record
                .head
                .headers_with(age.clone().unwrap_or(empty.clone()), empty);
            if age.is_none() {
                headers.remove(AGE);
            }
            sign(&mut headers, cache_status);
            headers
        }
    };
    let body = match body {
        _ if asked.head => {
            // Else the server would announce the length of the body that is not sent.
            // (RFC 9110 §8.6: never that of a 204.)
            if let (BodyOf::Record, true) = (&body, record.head.status != StatusCode::NO_CONTENT) {
                headers
                    .entry(CONTENT_LENGTH)
                    .or_insert_with(|| record.body.len().into());
            }
            ResponseBody::empty()
        }
        BodyOf::Record => ResponseBody::stored(&record.body),
        BodyOf::Log(reader, length) => ResponseBody::log(reader, length),
    };
    let mut response = Response::new(body);
    *response.status_mut() = record.head.status;
    *response.headers_mut() = headers;
    response
}

/// The report of a hit: fresh, or stale by consent.
#[inline]
pub(crate) fn hit_report(record: &Record, now: Moment, outcome: Outcome) -> Report {
    Report {
        hit: true,
        ttl: Some(record.windows.ttl_secs(now)),
        detail: (outcome != Outcome::Hit).then(|| outcome.as_str()),
        ..Report::default()
    }
}

/// The status by which the origin answered, if the landing is of this refresh.
pub(crate) fn forwarded_status(landing: &Landing) -> Option<u16> {
    use crate::engine::By;
    match landing {
        Landing::Ready {
            by: By::Origin(status),
            ..
        }
        | Landing::Filling {
            by: By::Origin(status),
            ..
        } => Some(*status),
        Landing::Ready {
            by: By::OnError(Some(failure)),
            ..
        } if !failure.is_unreachable() => Some(failure.status),
        _ => None,
    }
}
