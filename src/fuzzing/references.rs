//! What an unsafe request invalidates (RFC 9111 §4.4).

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use http::uri::PathAndQuery;

use super::input::{lines, one_field};
use crate::semantics::invalidate::targets;

/// Lines: a host, the path of the request, and references.
pub fn references(bytes: &[u8]) {
    let mut lines = lines(bytes);
    let mut text = || std::str::from_utf8(lines.next()?).ok();
    let (Some(host), Some(base)) = (text(), text()) else {
        return;
    };
    let Ok(base) = base.parse::<PathAndQuery>() else {
        return;
    };
    let base = base.as_str();
    if !base.starts_with('/') {
        return;
    }
    let resolve = |reference: &HeaderValue| {
        let headers = one_field(&LOCATION, std::slice::from_ref(reference));
        let mut found = targets(host, base, StatusCode::CREATED, &headers);
        assert!(found.iter().all(|(found, _)| found == host));
        assert_eq!(found.remove(0).1, base);
        found.pop().map(|(_, path)| path)
    };
    for line in lines {
        let Ok(reference) = HeaderValue::from_bytes(line) else {
            continue;
        };
        let found = resolve(&reference);
        if let (Some(path), Ok(text)) = (&found, reference.to_str()) {
            valid(path);
            if let Some(expected) = slow_resolve(base, text) {
                assert_eq!(*path, expected, "{text:?} seen from {base:?}");
            }
            // It means itself. (Two slashes at its start would be a host, and what a base has beside
            // ASCII cannot stand in a reference.)
            if !path.starts_with("//") && path.is_ascii() {
                let itself = HeaderValue::from_str(path).expect("it is a path");
                assert_eq!(resolve(&itself), (path != base).then(|| path.clone()));
            }
        }
    }
    let failed = targets(host, base, StatusCode::BAD_REQUEST, &HeaderMap::new());
    assert_eq!(failed, []);
}

fn valid(path: &str) {
    assert!(path.starts_with('/'), "{path:?}");
    let parsed: PathAndQuery = path.parse().expect("a target is a path");
    assert_eq!(parsed.as_str(), path);
    let mut segments = parsed.path().split('/');
    assert!(
        segments.all(|segment| segment != "." && segment != ".."),
        "{path:?}"
    );
}

/// RFC 3986 §5.2.2 as it is printed, for a reference with neither scheme nor authority; `None` for
/// others.
fn slow_resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.trim_matches([' ', '\t']);
    let reference = reference.split('#').next()?;
    let first_segment = reference.split(['/', '?']).next()?;
    if first_segment.contains(':') || reference.starts_with("//") {
        return None;
    }
    let (base_path, base_query) = split_query(base);
    let (path, query) = split_query(reference);
    let (path, query) = if path.is_empty() {
        (base_path.to_owned(), query.or(base_query))
    } else if path.starts_with('/') {
        (path.to_owned(), query)
    } else {
        let folder = base_path.rfind('/').map_or("/", |at| &base_path[..=at]);
        (format!("{folder}{path}"), query)
    };
    let path = remove_dot_segments(path);
    Some(query.map_or(path.clone(), |query| format!("{path}?{query}")))
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

/// RFC 3986 §5.2.4, step by step.
fn remove_dot_segments(mut input: String) -> String {
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("../") {
            input.drain(..3);
        } else if input.starts_with("./") || input.starts_with("/./") {
            input.drain(..2);
        } else if input == "/." {
            input.truncate(1);
        } else if input.starts_with("/../") || input == "/.." {
            input.replace_range(..3, if input.len() == 3 { "/" } else { "" });
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}
