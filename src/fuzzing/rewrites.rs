//! What settings for some requests read of a request, and take out of it.

use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::input::{lines, one_field};
use crate::semantics::{cookies, path, query};

/// A path with its query, the name of a parameter and of a cookie, and `Cookie` lines.
pub fn rewrites(bytes: &[u8]) {
    let mut lines = lines(bytes);
    let mut text = || std::str::from_utf8(lines.next()?).ok();
    let (Some(target), Some(name)) = (text(), text()) else {
        return;
    };
    let (bare, _) = target.split_once('?').unwrap_or((target, ""));
    if bare.starts_with('/') {
        paths(bare);
        queries(target, name);
    }
    let lines: Vec<_> = lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    if !name.is_empty() {
        jar(&one_field(&COOKIE, &lines), name);
    }
}

fn paths(given: &str) {
    if let Some(plain) = path::plain(given) {
        assert!(plain.len() <= given.len());
        assert!(plain.starts_with(b"/"));
        let slashes = |text: &[u8]| text.iter().filter(|&&byte| byte == b'/').count();
        assert_eq!(
            slashes(&plain),
            slashes(given.as_bytes()),
            "its structure stays"
        );
    }
    let Some(obliging) = path::obliging(given) else {
        let mut segments = given.split('/').skip(1);
        assert!(segments.all(|segment| segment != "." && segment != ".."));
        return;
    };
    assert!(obliging.starts_with(b"/"));
    for unread in ["//", ";", "\\"] {
        let mut windows = obliging.windows(unread.len());
        assert!(windows.all(|part| part != unread.as_bytes()), "{unread}");
    }
    let mut segments = obliging.split(|&byte| byte == b'/');
    assert!(segments.all(|segment| segment != b"." && segment != b".."));
    let _ = path::plain_glob(given);
}

/// Of the parameters, exactly those go whose name is to go, and the others stay in order.
fn queries(target: &str, gone: &str) {
    let keep = |name: &str| name != gone;
    let rewritten =
        |text: &str, sort| query::rewrite(text, keep, sort).unwrap_or_else(|| text.to_owned());
    assert_eq!(query::rewrite(target, |_| true, false), None);
    for sort in [false, true] {
        let once = rewritten(target, sort);
        assert_eq!(query::rewrite(&once, keep, sort), None);
        let mut expected = parameters(target);
        expected.retain(|parameter| keep(name_of(parameter)));
        if sort {
            expected.sort_by_key(|parameter| name_of(parameter));
        }
        assert_eq!(parameters(&once), expected);
    }
}

fn parameters(target: &str) -> Vec<&str> {
    let query = target.split_once('?').map(|(_, query)| query);
    query.map_or(vec![], |query| query.split('&').collect())
}

fn name_of(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default()
}

/// A cookie that is taken away is gone, and the others are still there.
fn jar(request: &HeaderMap, name: &str) {
    let named = |request: &HeaderMap| cookies::named::<64>(request, name);
    let is_it = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
    assert_eq!(named(request).is_some(), cookies::any(request, is_it));

    let mut same = request.clone();
    cookies::retain(&mut same, |_| true);
    assert_eq!(same, *request);

    let mut without = request.clone();
    cookies::retain(&mut without, |found| !is_it(found));
    let mut expected = pairs(request);
    expected.retain(|pair| !is_it(name_of_pair(pair)));
    // A line of nothing but white space may go with what went.
    let solid = |pairs: Vec<Vec<u8>>| pairs.into_iter().filter(|pair| !pair.is_empty());
    assert!(solid(pairs(&without)).eq(solid(expected)));
}

fn pairs(request: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = request.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    pairs.map(|pair| pair.trim_ascii().to_vec()).collect()
}

fn name_of_pair(pair: &[u8]) -> &[u8] {
    pair.split(|&byte| byte == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}
