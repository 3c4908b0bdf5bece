//! What entries are called.

use http::header::HeaderMap;
use http::uri::{Authority, PathAndQuery};

use super::input::{fields, halves, lines};
use crate::key::{EntryId, Key};
use crate::semantics::vary::{Value, selecting};

/// Host and path of a request, one of another, and, after an empty line, the fields of the one;
/// after one more, those of the other.
pub fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let id = EntryId::parse(&text);
    assert!(id.is_none_or(|id| id.to_string() == text));

    let (urls, rest) = halves(bytes);
    let (one, other) = halves(rest);
    let urls: Vec<_> = lines(urls).filter_map(url).collect();
    let requests = [fields(one), fields(other)];
    for (host, path) in &urls {
        let key = Key::primary(host, path.as_str());
        let shouted = host.to_ascii_uppercase();
        assert_eq!(key, Key::primary(&shouted, path.as_str()));
        assert_eq!(EntryId::parse(&key.id().to_string()), Some(key.id()));
        variants(&key, &requests);
    }
    for (i, (host, path)) in urls.iter().enumerate() {
        for (other_host, other_path) in &urls[i + 1..] {
            // The displayed text has the slash of an empty path.
            let shown = |path: &PathAndQuery| path.to_string();
            let same = host.eq_ignore_ascii_case(other_host) && shown(path) == shown(other_path);
            let key = Key::primary(host, path.as_str());
            let other = Key::primary(other_host, other_path.as_str());
            assert_eq!(key == other, same);
            let (host, path) = (other_host.as_bytes(), other_path.as_str());
            assert_eq!(Key::is_text_of(key.text(), host, path), same);
            assert!(Key::is_text_of(other.text(), host, path));
            assert_eq!(key.id() == other.id(), same);
        }
    }
}

/// `host /path`, if it can stand in a request.
fn url(line: &[u8]) -> Option<(String, PathAndQuery)> {
    let (host, path) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    host.parse::<Authority>().ok()?;
    let path: PathAndQuery = path.parse().ok()?;
    let origin_form = path.as_str().starts_with(['/', '?']);
    origin_form.then(|| (host.to_owned(), path))
}

/// Two requests have the same variant exactly if they have the same values in the fields of the
/// rule.
fn variants(primary: &Key, requests: &[HeaderMap; 2]) {
    let names: Vec<_> = requests[0].keys().cloned().collect();
    let [a, b] = requests.each_ref().map(|request| {
        let values: Vec<(&str, Option<Value>)> = selecting(&names, request).collect();
        let key = primary.variant(7, values.iter().cloned());
        (values, key)
    });
    assert_eq!(a.0 == b.0, a.1 == b.1);
    assert_ne!(a.1, *primary);
    assert_ne!(a.1, primary.variant(8, a.0.iter().cloned()));
    // Under a rule with fewer fields it is another one.
    if let Some((_, fewer)) = a.0.split_last() {
        assert_ne!(a.1, primary.variant(7, fewer.iter().cloned()));
    }
}
