//! The fields of a message that change at this hop (RFC 9110 §7.6, RFC 7239).
//!
//! Almost all of it happens behind the cache, so that hits do not pay for it. The one exception is
//! [`drop_nominated`]: a field that the client lets us drop has to be gone before the cache chooses
//! a variant by it, or `Connection: accept-language` would store one language as another.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{
    CONNECTION, Entry, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VARY, VIA,
};
use http::{Method, Version, request, response};

use crate::websocket::Translated;

/// The fields that end at each hop. `Trailer` is not among them: trailers travel on.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a client may not say: fields by which some origins choose the site or the page, and which
/// are no part of the cache key. Passed on, one client's lie would be stored for all.
const UNKEYED: [HeaderName; 15] = [
    FORWARDED,
    HeaderName::from_static("front-end-https"),
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-path"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Some origins take the method from these. What answers a `GET` or `HEAD` may be stored for all,
/// so such a request is what it says it is; others are never stored and may ask.
const OTHER_METHOD: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
];

/// Removes what `Connection` nominates beyond the fields that end here in any case.
///
/// `Host` stays: it is not the client's to drop.
pub(crate) fn drop_nominated(headers: &mut HeaderMap) {
    // On every request, hits too, and few have one: a look at the names costs less than a hash.
    if !headers.keys().any(|name| name == CONNECTION) {
        return;
    }
    let Some(first) = headers.get(CONNECTION) else {
        return;
    };
    let usual = ["keep-alive", "close", "upgrade"];
    let plain = usual
        .iter()
        .any(|usual| first.as_bytes().eq_ignore_ascii_case(usual.as_bytes()));
    if plain && headers.get_all(CONNECTION).iter().nth(1).is_none() {
        return;
    }
    for name in nominated(headers) {
        if name != HOST && !HOP_BY_HOP.contains(&name) {
            headers.remove(name);
        }
    }
}

/// Prepares a request for the origin: `client` is who sent it, `origin` the `Host` that stands for
/// no site in particular (see [`host`](crate::host)). True if it asks for another protocol.
pub(crate) fn to_origin(head: &mut request::Parts, client: IpAddr, origin: &HeaderValue) -> bool {
    let upgrade = wanted_protocol(head);
    let trailers = list(&head.headers, TE).any(|member| member.eq_ignore_ascii_case("trailers"));
    let received = head.version;
    let headers = &mut head.headers;
    drop_hop_by_hop(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    let upgrades = upgrade.is_some();
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    UNKEYED.iter().for_each(|name| drop(headers.remove(name)));
    if matches!(head.method, Method::GET | Method::HEAD) {
        OTHER_METHOD
            .iter()
            .for_each(|name| drop(headers.remove(name)));
    }
    let kept = headers.get(HOST).filter(|host| *host != origin).cloned();
    add_forwarded(headers, client, kept.as_ref());
    if let Some(host) = kept {
        headers.insert(X_FORWARDED_HOST, host);
    }
    add_via(headers, received);
    head.version = Version::HTTP_11;
    upgrades
}

/// Prepares the origin's response. `switching` keeps the two fields that complete an upgrade.
pub(crate) fn to_client(head: &mut response::Parts, switching: bool) {
    let protocol = head.headers.get(UPGRADE).cloned();
    for name in nominated(&head.headers) {
        head.headers.remove(name);
    }
    drop_hop_by_hop(&mut head.headers);
    if let (true, Some(protocol)) = (switching, protocol) {
        head.headers.insert(UPGRADE, protocol);
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    add_via(&mut head.headers, head.version);
    if list(&head.headers, VARY).any(differs_at_origin) {
        head.headers.append(VARY, HeaderValue::from_static("*"));
    }
}

/// True of a field in which the origin sees what the cache does not: the client's address, its
/// version of HTTP, the connection's own fields. The cache would choose by the *client's* value,
/// and give one client's page to another; `Vary: *` keeps the page out of it.
///
/// The others that this hop rewrites are not among them. To all who share a key the origin sees
/// one value: `Host` is settled in front of the cache, [`X_FORWARDED_HOST`] repeats it,
/// [`X_FORWARDED_PROTO`] is a constant, and the rest of [`UNKEYED`] is always absent.
fn differs_at_origin(field: &str) -> bool {
    let among = |names: &[HeaderName]| {
        let mut names = names.iter();
        names.any(|name| field.eq_ignore_ascii_case(name.as_str()))
    };
    among(&[FORWARDED, VIA, X_FORWARDED_FOR]) || among(&HOP_BY_HOP)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    HOP_BY_HOP
        .iter()
        .for_each(|name| drop(headers.remove(name)));
}

/// The protocol that the client asks for, if it may: `h2c` concerns only the two ends of one
/// connection, and a request with HTTP/2 asks in a way of its own ([`websocket`](crate::websocket)).
fn wanted_protocol(head: &request::Parts) -> Option<HeaderValue> {
    let asks = list(&head.headers, CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade"));
    let protocol = head.headers.get(UPGRADE)?;
    let may = head.version == Version::HTTP_11 || Translated::is_in(&head.extensions);
    let ours = may && !protocol.as_bytes().starts_with(b"h2c");
    (asks && ours).then(|| protocol.clone())
}

fn add_forwarded(headers: &mut HeaderMap, client: IpAddr, kept: Option<&HeaderValue>) {
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    // One line: origins exist that read the first only. What stood there stays in front, and who
    // trusts it has to count from the end.
    let mut chain = String::new();
    for known in list(headers, X_FORWARDED_FOR) {
        let _ = write!(chain, "{known}, ");
    }
    let _ = write!(chain, "{client}");
    insert(headers, X_FORWARDED_FOR, &chain);

    let mut element = match client {
        IpAddr::V4(client) => format!("for={client};proto=http"),
        IpAddr::V6(client) => format!("for=\"[{client}]\";proto=http"),
    };
    if let Some(host) = kept.and_then(|host| host.to_str().ok()) {
        let _ = write!(element, ";host=\"{host}\"");
    }
    insert(headers, FORWARDED, &element);
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The version is that of the message as we received it (RFC 9110 §7.6.3).
fn add_via(headers: &mut HeaderMap, received: Version) {
    let via = HeaderValue::from_static(match received {
        Version::HTTP_2 => "2 bellwether",
        Version::HTTP_10 => "1.0 bellwether",
        _ => "1.1 bellwether",
    });
    match headers.entry(VIA) {
        Entry::Occupied(mut entry) => entry.append(via),
        Entry::Vacant(entry) => drop(entry.insert(via)),
    }
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    list(headers, CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect()
}

/// The members of a field that is a list of tokens, over all its lines.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
