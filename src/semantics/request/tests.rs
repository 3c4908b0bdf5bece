use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

fn head(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn classify(method: &Method, headers: &HeaderMap, has_body: bool) -> Class {
    super::classify(method, headers, Seen::of(headers), has_body)
}

fn only_if_cached(headers: &HeaderMap) -> bool {
    super::only_if_cached(headers, Seen::of(headers))
}

#[test]
fn methods_look_up_pass_by_or_invalidate() {
    use Class::{Invalidate, Lookup};
    let by = Class::Bypass(Bypass::Method);
    for (method, expected) in [
        ("GET", Lookup),
        ("HEAD", Lookup),
        ("OPTIONS", by),
        ("TRACE", by),
        ("CONNECT", by),
        ("PROPFIND", by),
        ("QUERY", by),
        ("POST", Invalidate),
        ("PUT", Invalidate),
        ("DELETE", Invalidate),
        ("PATCH", Invalidate),
        ("M-SEARCH", Invalidate),
        ("get", Invalidate),
    ] {
        let parsed = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(classify(&parsed, &HeaderMap::new(), false), expected);
    }
    assert_eq!(
        classify(&Method::POST, &head(&[("range", "bytes=0-1")]), true),
        Invalidate
    );
}

#[test]
fn some_fields_pass_the_cache_by_and_the_others_do_not() {
    let by = Class::Bypass;
    for (name, value, expected) in [
        ("range", "bytes=0-1", Class::Lookup),
        ("upgrade", "websocket", by(Bypass::Upgrade)),
        ("connection", "keep-alive, Upgrade", by(Bypass::Upgrade)),
        ("connection", "keep-alive", Class::Lookup),
        ("cache-control", "x, No-Store", by(Bypass::NoStore)),
        ("cache-control", "x=\"no-store\"", Class::Lookup),
        ("cache-control", "no-cache, max-age=0", Class::Lookup),
        ("cache-control", "nothing-to-see-here", Class::Lookup),
        ("pragma", "no-cache", Class::Lookup),
        ("authorization", "Basic eA==", Class::Lookup),
        ("cookie", "a=b", Class::Lookup),
        ("if-none-match", "\"a\"", Class::Lookup),
        ("if-range", "\"a\"", Class::Lookup),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let class = classify(&method, &head(&[(name, value)]), false);
            assert_eq!(class, expected, "{name}: {value}");
        }
    }
}

#[test]
fn content_passes_the_cache_by() {
    let class = classify(&Method::GET, &HeaderMap::new(), true);
    assert_eq!(class, Class::Bypass(Bypass::Body));
}

#[test]
fn traits_are_read() {
    assert!(only_if_cached(&head(&[(
        "cache-control",
        "Only-If-Cached"
    )])));
    assert!(!only_if_cached(&head(&[("cache-control", "no-cache")])));
    assert!(!only_if_cached(&HeaderMap::new()));
}

#[test]
fn an_ordinary_request_is_classified_without_allocating() {
    let headers = head(&[
        ("accept", "*/*"),
        ("connection", "keep-alive"),
        ("cache-control", "max-age=0, no-cache"),
        ("user-agent", "x"),
    ]);
    let measured = allocation_counter::measure(|| {
        assert_eq!(classify(&Method::GET, &headers, false), Class::Lookup);
        assert!(!only_if_cached(&headers));
    });
    assert_eq!(measured.count_total, 0);
}

proptest! {
    #[test]
    fn every_unknown_method_invalidates(name in "X[A-Z-]{1,12}") {
        let method = Method::from_bytes(name.as_bytes()).unwrap();
        prop_assert_eq!(classify(&method, &HeaderMap::new(), false), Class::Invalidate);
    }
}
