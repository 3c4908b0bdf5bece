//! What to do with a request (RFC 9111 §3, §4, §4.4).

use http::Method;
use http::header::{CONNECTION, HeaderMap};

use crate::semantics::directives::RequestDirectives;
use crate::semantics::list::members;
use crate::semantics::seen::Seen;

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Look it up.
    Lookup,
    /// Pass it on, and leave the cache alone.
    Bypass(Bypass),
    /// Pass it on, and invalidate what it changed if it succeeds.
    Invalidate,
}

/// Why a request passes the cache by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bypass {
    /// A safe method that is neither GET nor HEAD, or CONNECT.
    Method,
    /// The client does not want it stored.
    NoStore,
    /// It asks for another protocol.
    Upgrade,
    /// It has content, which is no part of a key.
    Body,
}

impl Bypass {
    /// The token for `Cache-Status`, metrics and spans.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::NoStore => "no-store",
            Self::Upgrade => "upgrade",
            Self::Body => "body",
        }
    }
}

/// Decides by the head of a request, of which `seen` has been seen. Never allocates.
pub(crate) fn classify(method: &Method, headers: &HeaderMap, seen: Seen, has_body: bool) -> Class {
    if *method != Method::GET && *method != Method::HEAD {
        return other(method);
    }
    if has_body {
        return Class::Bypass(Bypass::Body);
    }
    let directives = if seen.cache_control() {
        RequestDirectives::parse(headers)
    } else {
        RequestDirectives::default()
    };
    // It goes nowhere, so there is nothing to pass it to (§5.2.1.7).
    if directives.only_if_cached {
        return Class::Lookup;
    }
    if seen.upgrade() || (seen.connection() && upgrades(headers)) {
        return Class::Bypass(Bypass::Upgrade);
    }
    if directives.no_store {
        return Class::Bypass(Bypass::NoStore);
    }
    Class::Lookup
}

/// RFC 9111 §4.4: every method that is not known to be safe invalidates, unknown ones too.
fn other(method: &Method) -> Class {
    match method.as_str() {
        // Safe by RFC 9110 §9.2.1 and by the registry (§16.1.1): they change nothing.
        "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" => {
            Class::Bypass(Bypass::Method)
        }
        // A tunnel: its target is a host, not a resource.
        "CONNECT" => Class::Bypass(Bypass::Method),
        _ => Class::Invalidate,
    }
}

fn upgrades(headers: &HeaderMap) -> bool {
    members(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// True if the client would rather have 504 than wait for the origin (RFC 9111 §5.2.1.7).
pub(crate) fn only_if_cached(headers: &HeaderMap, seen: Seen) -> bool {
    seen.cache_control() && RequestDirectives::parse(headers).only_if_cached
}

#[cfg(test)]
mod tests;
