//! What is made of a response's head: is it stored, what of it, and for how long
//! (RFC 9111 §3, §3.1, §4.2, §4.3.4)?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
    VARY,
};
use http::{Method, StatusCode};

use super::input::{fields, halves};
use crate::entry::{Head, Lifetime};
use crate::semantics::fields::{ensure_date, stored, withheld};
use crate::semantics::policy::Policy;
use crate::semantics::request::{classify, only_if_cached};
use crate::semantics::reuse::{Condition, Demand};
use crate::semantics::seen::Seen;
use crate::semantics::storable::{Refusal, RequestTraits, judge, judge_freshened};
use crate::semantics::targeted::CDN_CACHE_CONTROL;
use crate::semantics::validate::{freshened, not_modified, not_modified_headers};

const NOW: u64 = 1_767_225_600;

/// A line with a status, a delay and a method, the fields of a response, and, after an empty line,
/// those of a request or a 304.
pub fn heads(bytes: &[u8]) {
    let (first, other) = halves(bytes);
    let line = first
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let status = words.next().and_then(|word| word.parse().ok());
    let delay = words.next().and_then(|word| word.parse().ok());
    let method = words.next().and_then(|word| word.parse().ok());

    let case = Case {
        status: status.unwrap_or(StatusCode::OK),
        received: UNIX_EPOCH + Duration::from_secs(NOW),
        delay: Duration::from_micros(delay.unwrap_or(0)),
    };
    let (response, other) = (fields(first), fields(other));
    splits(&response);
    case.judges(&response);
    case.freshens(&response, &other);

    let method = method.unwrap_or(Method::GET);
    let _ = classify(&method, &other, Seen::of(&other), false);
    demands(&other, case.delay);
}

/// Who takes a stale response takes it on an error, and a client without demands takes all.
fn demands(request: &HeaderMap, age: Duration) {
    let condition = |fresh_for, stale_for| Condition {
        age,
        fresh_for,
        stale_for,
    };
    let hour = Duration::from_secs(3600);
    let fresh = condition(hour, Duration::ZERO);
    let stale = condition(Duration::ZERO, Duration::from_secs(9));
    let staler = condition(Duration::ZERO, hour);
    let only_if_cached = only_if_cached(request, Seen::of(request));
    match Demand::of(request) {
        None => assert!(!only_if_cached),
        Some(demand) => {
            assert_eq!(demand.only_if_cached(), only_if_cached);
            for condition in [fresh, stale, staler] {
                assert!(demand.accepts(&condition) || !demand.tolerates(&condition));
                assert!(demand.tolerates_on_error(&condition) || !demand.tolerates(&condition));
            }
            assert!(demand.accepts(&stale) || !demand.accepts(&staler));
        }
    }
}

/// Every field is stored, withheld, or for one connection only.
fn splits(headers: &HeaderMap) {
    let directives = policy().directives(headers);
    let (kept, left) = (stored(headers, &directives), withheld(headers, &directives));
    assert!(kept.keys().all(|name| !left.contains_key(name)));
    for part in [&kept, &left] {
        assert!(!part.contains_key(AGE) && !part.contains_key(CONNECTION));
        for name in part.keys() {
            assert!(part.get_all(name).iter().eq(headers.get_all(name)));
        }
    }
    if !kept.contains_key(CONNECTION) && left.is_empty() {
        assert_eq!(stored(&kept, &directives), kept);
    }
}

#[derive(Clone, Copy)]
struct Case {
    status: StatusCode,
    received: SystemTime,
    delay: Duration,
}

const GET: RequestTraits = RequestTraits {
    authorization: false,
    method_get: true,
};

impl Case {
    fn judge(self, request: RequestTraits, headers: &HeaderMap) -> Result<Lifetime, Refusal> {
        let sent = self.received - self.delay;
        judge(
            &request,
            self.status,
            headers,
            &policy(),
            sent,
            self.received,
        )
    }

    /// What one more line does to a judgement.
    fn judges(self, headers: &HeaderMap) {
        let _ = self.judge(GET, headers);
        // A targeted field would take the place of the lines below (RFC 9213 §2.2).
        let mut headers = headers.clone();
        headers.remove(CDN_CACHE_CONTROL);
        let headers = &headers;
        let judged = self.judge(GET, headers);
        let more = |name: HeaderName, value: &'static str| {
            let mut headers = headers.clone();
            headers.append(name, HeaderValue::from_static(value));
            self.judge(GET, &headers)
        };
        // None of these lets in what was refused.
        for (name, value) in [
            (AGE, "9"),
            (SET_COOKIE, "a=b"),
            (VARY, "accept"),
            (CACHE_CONTROL, "must-revalidate"),
            (CACHE_CONTROL, "no-store"),
            (CACHE_CONTROL, "private"),
        ] {
            let (text, after) = (format!("{name}: {value}"), more(name, value));
            assert!(after.is_err() || judged.is_ok(), "{text}: {after:?}");
        }
        assert!(more(VARY, "*").is_err());
        assert!(more(CACHE_CONTROL, "private").is_err());
        let authorized = RequestTraits {
            authorization: true,
            ..GET
        };
        let Ok(judged) = judged else {
            assert!(self.judge(authorized, headers).is_err());
            return;
        };
        assert!(!judged.kept_left().is_zero());
        assert!(judged.age >= self.delay);
        if let Ok(forbidden) = more(CACHE_CONTROL, "must-revalidate") {
            assert_eq!(forbidden.stale_left(), forbidden.fresh_left());
            assert_eq!(forbidden.fresh, judged.fresh);
        }
        if let Ok(unchecked) = more(CACHE_CONTROL, "no-cache") {
            assert_eq!(unchecked.stale_left(), Duration::ZERO);
        }
        let slower = Self {
            delay: self.delay + Duration::from_secs(1),
            ..self
        };
        if let Ok(slower) = slower.judge(GET, headers) {
            assert!(slower.fresh_left() <= judged.fresh_left());
        }
    }

    /// A 304 of this head, and a client's conditions about it.
    fn freshens(self, response: &HeaderMap, other: &HeaderMap) {
        let mut head = Head {
            status: self.status,
            headers: stored(response, &policy().directives(response)),
        };
        ensure_date(&mut head.headers, self.received);
        let by = |fields: &HeaderMap| policy().directives(fields);
        let (newer, own) = freshened(&head, other, by);
        assert_eq!(newer.status, head.status);
        // What is one client's own is not stored, whichever of the two says so.
        let directives = by(&newer.headers);
        let names = || newer.headers.keys();
        assert!(names().all(|name| !directives.withholds(name) && !own.contains_key(name)));
        let (again, _) = freshened(&newer, other, by);
        assert_eq!(again, newer);
        let length = |head: &Head| head.headers.get(CONTENT_LENGTH).cloned();
        assert_eq!(length(&newer), length(&head));
        let sent = self.received - self.delay;
        let judged = judge_freshened(&GET, &newer, other, &policy(), sent, self.received);
        assert!(judged.is_ok_and(|judged| judged.age >= self.delay) || judged.is_err());

        if not_modified(other, head.status, &head.headers) {
            assert!(head.status.is_success());
        }
        let kept = not_modified_headers(&head.headers, &policy().targets);
        assert!(kept.keys().all(|name| head.headers.contains_key(name)));
    }
}

fn policy() -> Policy {
    Policy {
        grace: Duration::from_secs(30),
        stale_if_error: Some(Duration::from_secs(60)),
        stale_if_unreachable: Duration::from_secs(90),
        keep: Duration::from_secs(600),
        heuristic_cap: Duration::from_secs(86_400),
        ..Policy::default()
    }
}
