//! How fresh a response is and how old (RFC 9111 §4.2).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{AGE, DATE, EXPIRES, HeaderMap, LAST_MODIFIED};

use crate::semantics::date;
use crate::semantics::directives::{ResponseDirectives, delta_seconds};
use crate::semantics::list::Members;

/// No response is fresh for longer than this (RFC 9111 §1.2.2 caps numbers of seconds the same).
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// When the response was made: its `Date`, or the time of receipt (RFC 9110 §6.6.1).
pub(crate) fn made(headers: &HeaderMap, received: SystemTime) -> SystemTime {
    date::first(headers, &DATE).unwrap_or_else(|| date::whole_second(received))
}

/// The freshness lifetime that the origin states (RFC 9111 §4.2.1): `s-maxage`, else `max-age`,
/// else `Expires` counted from `made`. Of several, the first counts.
pub(crate) fn explicit(
    directives: &ResponseDirectives,
    headers: &HeaderMap,
    made: SystemTime,
) -> Option<Duration> {
    let stated = directives.s_maxage.or(directives.max_age);
    if stated.is_some() || directives.without_expires {
        return stated;
    }
    headers.get(EXPIRES).map(|expires| {
        // An invalid date, "0" above all, means that it has expired (RFC 9111 §5.3).
        let until = date::parse(expires.as_bytes()).unwrap_or(made);
        between(made, until).min(LONGEST)
    })
}

/// A tenth of the time that it had not changed for (RFC 9111 §4.2.2); `None` if unknown.
pub(crate) fn heuristic(headers: &HeaderMap, made: SystemTime, cap: Duration) -> Option<Duration> {
    let changed = date::first(headers, &LAST_MODIFIED)?;
    Some((between(changed, made) / 10).min(cap))
}

/// True if RFC 9110 §15.1 lets a cache guess the lifetime of a response with this status.
pub(crate) fn heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// `corrected_initial_age` (RFC 9111 §4.2.3): its age on receipt, by whichever of the origin's
/// clock and the caches on the way says more.
pub(crate) fn initial_age(headers: &HeaderMap, sent: SystemTime, received: SystemTime) -> Duration {
    let apparent = date::first(headers, &DATE).map_or(Duration::ZERO, |made| {
        between(made, date::whole_second(received))
    });
    let response_delay = between(sent, received);
    apparent.max(age_value(headers) + response_delay)
}

/// The `Age` field (RFC 9111 §5.1): the first member of its first line, ignored if that is not a
/// number of seconds.
fn age_value(headers: &HeaderMap) -> Duration {
    headers
        .get(AGE)
        .and_then(|line| Members::of(line.as_bytes()).next())
        .and_then(delta_seconds)
        .unwrap_or_default()
}

/// The time from `earlier` to `later`; zero if that is the wrong way round.
fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

#[cfg(test)]
mod tests;
