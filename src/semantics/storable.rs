//! May this response be stored, and for how long may it be used (RFC 9111 §3, §4.2; RFC 5861)?

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{ETAG, HeaderMap, LAST_MODIFIED, SET_COOKIE};

use crate::entry::{Head, Lifetime};
use crate::semantics::directives::ResponseDirectives;
use crate::semantics::freshness;
use crate::semantics::policy::{Policy, SetCookie};
use crate::semantics::vary::Vary;

/// What the decision needs to know of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTraits {
    /// It has an `Authorization` field.
    pub(crate) authorization: bool,
    /// It was sent to the origin as GET.
    pub(crate) method_get: bool,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// The request was not a GET.
    Method,
    /// An interim, invalid or not understood status code.
    Status,
    /// A part of a representation.
    Partial,
    /// `no-store`.
    NoStore,
    /// `private`.
    Private,
    /// The request was authorized, and the response does not say that it may be shared.
    Authorization,
    /// It sets a cookie.
    SetCookie,
    /// `Vary: *`.
    VaryAny,
    /// Neither fresh, nor to be served stale, nor to be validated.
    NoFreshness,
}

impl Refusal {
    /// The token for `Cache-Status`, metrics and spans.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::VaryAny => "vary-any",
            Self::NoFreshness => "no-freshness",
        }
    }
}

/// Judges a response as it came from the origin, requested at `sent` and received at `received`.
pub(crate) fn judge(
    request: &RequestTraits,
    status: StatusCode,
    headers: &HeaderMap,
    policy: &Policy,
    sent: SystemTime,
    received: SystemTime,
) -> Result<Lifetime, Refusal> {
    let timing = Timing {
        made: freshness::made(headers, received),
        age: freshness::initial_age(headers, sent, received),
    };
    weigh(request, status, headers, policy, &timing)
}

/// Judges a stored response that a 304 has just freshened: the fields are those of `head`, but its
/// age is that of the 304, whose `Age` is not stored (RFC 9111 §4.3.4).
pub(crate) fn judge_freshened(
    request: &RequestTraits,
    head: &Head,
    not_modified: &HeaderMap,
    policy: &Policy,
    sent: SystemTime,
    received: SystemTime,
) -> Result<Lifetime, Refusal> {
    let timing = Timing {
        made: freshness::made(not_modified, received),
        age: freshness::initial_age(not_modified, sent, received),
    };
    weigh(request, head.status, &head.headers, policy, &timing)
}

struct Timing {
    made: SystemTime,
    age: Duration,
}

fn weigh(
    request: &RequestTraits,
    status: StatusCode,
    headers: &HeaderMap,
    policy: &Policy,
    timing: &Timing,
) -> Result<Lifetime, Refusal> {
    let directives = policy.directives(headers);
    permitted(request, status, headers, policy, &directives)?;

    let fresh = fresh(status, headers, policy, &directives, timing.made)?;
    let Staleness {
        while_revalidate,
        if_error,
        if_unreachable,
    } = staleness(&directives, policy);
    let validator = [ETAG, LAST_MODIFIED]
        .iter()
        .any(|name| headers.contains_key(name) && !directives.withholds(name));
    let lifetime = Lifetime {
        age: timing.age,
        fresh,
        stale_while_revalidate: while_revalidate,
        stale_if_error: if_error,
        stale_if_unreachable: if_unreachable,
        keep: if validator {
            policy.keep
        } else {
            Duration::ZERO
        },
    };
    if lifetime.kept_left().is_zero() {
        return Err(Refusal::NoFreshness);
    }
    Ok(lifetime)
}

struct Staleness {
    while_revalidate: Duration,
    if_error: Duration,
    if_unreachable: Duration,
}

/// For how long past freshness it may be served (RFC 9111 §4.2.4; RFC 5861).
fn staleness(directives: &ResponseDirectives, policy: &Policy) -> Staleness {
    if directives.forbids_stale() {
        return Staleness {
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            if_unreachable: Duration::ZERO,
        };
    }
    let stated = directives.stale_while_revalidate.unwrap_or_default();
    let if_error = directives.stale_if_error.or(policy.stale_if_error);
    Staleness {
        while_revalidate: stated.max(policy.grace),
        if_error: if_error.unwrap_or_default(),
        // An origin that speaks of errors means this one too, and may want less.
        if_unreachable: directives
            .stale_if_error
            .unwrap_or(policy.stale_if_unreachable),
    }
}

/// RFC 9111 §3 for a shared cache, apart from freshness.
fn permitted(
    request: &RequestTraits,
    status: StatusCode,
    headers: &HeaderMap,
    policy: &Policy,
    directives: &ResponseDirectives,
) -> Result<(), Refusal> {
    if !request.method_get {
        return Err(Refusal::Method);
    }
    match status.as_u16() {
        206 => return Err(Refusal::Partial),
        304 | ..200 | 600.. => return Err(Refusal::Status),
        _ => {}
    }
    // §5.2.2.3: `no-store` beside it is for caches that do not know `must-understand`.
    if directives.must_understand {
        if !understood(status) {
            return Err(Refusal::Status);
        }
    } else if directives.no_store {
        return Err(Refusal::NoStore);
    }
    if directives.private {
        return Err(Refusal::Private);
    }
    // §3.5.
    let shareable =
        directives.public || directives.s_maxage.is_some() || directives.must_revalidate;
    if request.authorization && !shareable {
        return Err(Refusal::Authorization);
    }
    // Not of the RFC: a cookie that is shared by mistake hands one user's session to another.
    // A cookie that is withheld from the store (§5.2.2.4) does no harm.
    if headers.contains_key(SET_COOKIE)
        && policy.set_cookie == SetCookie::Refuse
        && !directives.withholds(&SET_COOKIE)
    {
        return Err(Refusal::SetCookie);
    }
    // §4.1: it would never match.
    if policy.vary(headers) == Vary::Any {
        return Err(Refusal::VaryAny);
    }
    Ok(())
}

/// The freshness lifetime (RFC 9111 §4.2.1), or the refusal of what has none by §3.
fn fresh(
    status: StatusCode,
    headers: &HeaderMap,
    policy: &Policy,
    directives: &ResponseDirectives,
    made: SystemTime,
) -> Result<Duration, Refusal> {
    let by_default = freshness::heuristically_cacheable(status);
    let imposed = policy.ttl.filter(|_| by_default && status.as_u16() < 400);
    let explicit = imposed.or_else(|| freshness::explicit(directives, headers, made));
    let configured = policy.status_ttl(status);
    let guessable = directives.public || by_default;
    if explicit.is_none() && configured.is_none() && !guessable {
        return Err(Refusal::NoFreshness);
    }
    // §5.2.2.4: stored, but never used without asking.
    if directives.no_cache {
        return Ok(Duration::ZERO);
    }
    explicit
        .or(configured)
        .or(policy.default_ttl)
        .or_else(|| freshness::heuristic(headers, made, policy.heuristic_cap))
        .ok_or(Refusal::NoFreshness)
}

/// Status codes whose caching requirements we know: those of RFC 9110 §15.
fn understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

#[cfg(test)]
mod tests;
