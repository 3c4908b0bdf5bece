//! Which fields are stored and forwarded (RFC 9111 §3.1; RFC 9110 §7.6.1).

use std::time::SystemTime;

use http::header::{
    AGE, CONNECTION, DATE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use smallvec::SmallVec;

use crate::semantics::date;
use crate::semantics::directives::ResponseDirectives;
use crate::semantics::list::members;

/// The fields of a response that are stored: end-to-end ones, without `Age`, and without those
/// that `no-cache="..."` or `private="..."` names.
///
/// Each value gets its own bytes: those that came from a connection are slices of its read buffer
/// and would keep all of that alive.
pub(crate) fn stored(headers: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let listed = listed(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if storable(name, &listed) && !directives.withholds(name) {
            kept.append(name, own(value));
        }
    }
    kept
}

/// The end-to-end fields that [`stored`] leaves out for the sake of everyone but the client whose
/// request this answers.
pub(crate) fn withheld(headers: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let listed = listed(headers);
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if storable(name, &listed) && directives.withholds(name) {
            kept.append(name, own(value));
        }
    }
    kept
}

/// Says in `head` which trailers are to come, as the origin's `headers` do: true for those who read
/// along, and for nobody else. Trailers are not stored (RFC 9110 §6.5.1), so what is stored goes
/// without ([`without_trailers`]).
pub(crate) fn announce_trailers(head: &mut HeaderMap, headers: &HeaderMap) {
    if listed(headers).contains(&TRAILER) {
        return;
    }
    for value in headers.get_all(TRAILER) {
        head.append(TRAILER, own(value));
    }
}

/// Takes back what [`announce_trailers`] said.
pub(crate) fn without_trailers(head: &mut HeaderMap) {
    head.remove(TRAILER);
}

/// Gives a response without a `Date` the one of its receipt (RFC 9110 §6.6.1).
pub(crate) fn ensure_date(headers: &mut HeaderMap, received: SystemTime) {
    if !headers.contains_key(DATE)
        && let Some(date) = date::render(received)
    {
        headers.insert(DATE, date);
    }
}

/// True if a response's field may be stored, given those that its `Connection` lists.
pub(crate) fn storable(name: &HeaderName, listed: &[HeaderName]) -> bool {
    *name != AGE && !HOP_BY_HOP.contains(name) && !listed.contains(name)
}

/// The fields that `Connection` lists.
pub(crate) fn listed(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    if !headers.contains_key(CONNECTION) {
        return SmallVec::new();
    }
    members(headers, &CONNECTION)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect()
}

/// The same value in bytes of its own.
pub(crate) fn own(value: &HeaderValue) -> HeaderValue {
    let mut owned =
        HeaderValue::from_bytes(value.as_bytes()).expect("the bytes of a value are a value");
    owned.set_sensitive(value.is_sensitive());
    owned
}

const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

#[cfg(test)]
mod tests;
