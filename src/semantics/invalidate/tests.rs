use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

fn paths(host: &str, base: &str, status: u16, lines: &[(&str, &str)]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    targets(host, base, status, &headers)
        .into_iter()
        .map(|(found, path)| {
            assert_eq!(found, host);
            path
        })
        .collect()
}

#[test]
fn only_success_and_redirection_invalidate() {
    for (status, expected) in [
        (200, true),
        (204, true),
        (299, true),
        (303, true),
        (400, false),
        (404, false),
        (500, false),
        (999, false),
    ] {
        let found = paths("a", "/x?y", status, &[]);
        assert_eq!(found == ["/x?y"], expected, "{status}");
    }
}

#[test]
fn both_locations_are_invalidated_and_none_twice() {
    let found = paths(
        "a",
        "/x",
        201,
        &[
            ("location", "/new"),
            ("content-location", "/newer?1"),
            ("content-location", "/x"),
        ],
    );
    assert_eq!(found, ["/x", "/new", "/newer?1"]);
}

/// RFC 3986 §5.4, as far as it concerns paths.
#[test]
fn references_resolve_as_in_the_rfc() {
    for (reference, expected) in [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("//a/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("g?y/./x", "/b/c/g?y/./x"),
        ("1:2", "/b/c/1:2"),
        ("a//b", "/b/c/a//b"),
    ] {
        let found = resolve("a", "/b/c/d;p?q", reference);
        assert_eq!(found.as_deref(), Some(expected), "{reference}");
    }
}

#[test]
fn other_origins_are_left_alone() {
    for (host, reference, expected) in [
        ("a.b", "http://a.b/x", Some("/x")),
        ("a.b", "HTTPS://A.B/x", Some("/x")),
        ("A.b", "//a.B/x", Some("/x")),
        ("a.b", "http://a.b", Some("/")),
        ("a.b", "http://a.b?q", Some("/?q")),
        ("a.b", "http://a.b:80/x", Some("/x")),
        ("a.b:80", "http://a.b/x", Some("/x")),
        ("a.b", "http://a.b:/x", Some("/x")),
        ("a.b", "https://a.b:443/x", Some("/x")),
        ("a.b", "http://a.b:443/x", None),
        ("a.b:81", "http://a.b:81/x", Some("/x")),
        ("a.b:81", "http://a.b/x", None),
        ("a.b", "http://user@a.b/x", Some("/x")),
        ("[::1]:8", "http://[::1]:8/x", Some("/x")),
        ("a.b", "http://a.b.c/x", None),
        ("a.b", "http://a.b@c/x", None),
        ("a.b", "//c/x", None),
        ("a.b", "ftp://a.b/x", None),
        ("a.b", "mailto:x", None),
        ("a.b", "http:x", None),
        ("a.b", "/x y", None),
    ] {
        let found = resolve(host, "/", reference);
        assert_eq!(found.as_deref(), expected, "{host} {reference}");
    }
}

proptest! {
    #[test]
    fn every_target_is_a_path_and_no_reference_panics(
        reference in "[a-c/.?#:@\\[ %]{0,16}",
        base in "/[a-c/.?]{0,8}",
    ) {
        for path in paths("a", &base, 200, &[("location", &reference)]) {
            prop_assert!(path.starts_with('/'), "{path}");
        }
    }
}
