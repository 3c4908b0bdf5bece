//! What settings make of URLs and cookies before they become a key.

use http::header::COOKIE;

use super::input::{lines, one_field, values};
use crate::semantics::{cookies, path, query};

/// A URL's path and query, and lines of `Cookie`.
pub fn rewrites(bytes: &[u8]) {
    let mut parts = lines(bytes);
    if let Some(Ok(url)) = parts.next().map(std::str::from_utf8) {
        urls(url);
    }
    jar(bytes);
}

fn urls(url: &str) {
    let keep = |name: &str| !name.starts_with('u');
    for sort in [false, true] {
        let once = query::rewrite(url, keep, sort);
        let text = once.as_deref().unwrap_or(url);
        assert_eq!(query::rewrite(text, keep, sort), None, "once is enough");
        let (before, after) = (parameters(url), parameters(text));
        assert!(after.iter().all(|parameter| before.contains(parameter)));
        assert!(!after.iter().any(|parameter| parameter.starts_with('u')));
    }
    let path = url.split('?').next().unwrap_or_default();
    let plain = path::plain(path);
    assert!(plain.is_none_or(|plain| plain.len() <= path.len()));
    if let Some(obliging) = path::obliging(path) {
        let segments = obliging.split(|&byte| byte == b'/');
        assert!(segments.clone().all(|segment| segment != b".."));
    }
    let _ = path::plain_glob(path);
}

fn parameters(url: &str) -> Vec<&str> {
    url.split_once('?')
        .map_or_else(Vec::new, |(_, query)| query.split('&').collect())
}

/// What is taken away is gone, and what stays is found.
fn jar(bytes: &[u8]) {
    let mut request = one_field(&COOKIE, &values(bytes));
    let wanted = |name: &[u8]| name.eq_ignore_ascii_case(b"id");
    let found = cookies::named::<64>(&request, "id");
    assert_eq!(found.is_some(), cookies::any(&request, wanted));
    cookies::retain(&mut request, |name| !name.is_empty());
    let before = request.clone();
    cookies::retain(&mut request, |name| !name.is_empty());
    assert_eq!(request, before, "once is enough");
}
