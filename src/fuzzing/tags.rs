//! Entity tags and the conditions that hold them (RFC 9110 §8.8.3, §13.1.2).

use http::StatusCode;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED};

use super::input::{one_field, values};
use crate::entry::Head;
use crate::semantics::list::trim;
use crate::semantics::tag::{self, Tag};
use crate::semantics::validate::{ask_conditionally, not_modified, selects};

/// The first line is the stored tag, the others are what a client sends.
pub fn tags(bytes: &[u8]) {
    compare(bytes);
    let lines = values(bytes);
    let Some((stored, sent)) = lines.split_first() else {
        return;
    };
    let head = Head {
        status: StatusCode::OK,
        headers: one_field(&ETAG, std::slice::from_ref(stored)),
    };
    let asks = |lines: &[HeaderValue]| {
        not_modified(
            &one_field(&IF_NONE_MATCH, lines),
            head.status,
            &head.headers,
        )
    };

    if is_entity_tag(stored.as_bytes()) {
        assert!(asks(std::slice::from_ref(stored)), "its own tag");
        let listed = [b"\"other\", W/\"b\\\",", stored.as_bytes(), b", \"c\""].concat();
        let listed = HeaderValue::from_bytes(&listed).expect("a list of values is a value");
        assert!(asks(&[listed]), "its own tag among others");
    }
    if asks(sent) {
        let whole = trim(stored.as_bytes());
        let opaque = match whole.strip_prefix(b"W/") {
            Some(opaque @ [b'"', .., b'"']) => opaque,
            _ => whole,
        };
        let named = sent.iter().map(|line| trim(line.as_bytes())).any(|line| {
            line == b"*"
                || (!opaque.is_empty() && line.windows(opaque.len()).any(|part| part == opaque))
        });
        assert!(named, "a 304 for a tag that the client does not have");
    }

    // The conditions that we send are those of the stored head, and its own 304 is about it.
    let mut request = one_field(&IF_NONE_MATCH, sent);
    request.insert(LAST_MODIFIED, HeaderValue::from_static("x"));
    ask_conditionally(&mut request, Some(&head.headers));
    assert!(request.get_all(IF_NONE_MATCH).iter().eq([stored]));
    assert!(selects(&head, &HeaderMap::new()));
    if !trim(stored.as_bytes()).is_empty() {
        assert!(selects(&head, &head.headers));
    }
}

/// RFC 9110 §8.8.3.2.
fn compare(line: &[u8]) {
    let found: Vec<_> = tag::tags(line).collect();
    for a in &found {
        assert!(a.matches(a));
        assert_eq!(a.matches_strongly(a), !a.weak);
        for b in found.iter().take(20) {
            assert_eq!(a.matches(b), b.matches(a));
            assert_eq!(a.matches_strongly(b), b.matches_strongly(a));
            assert!(a.matches(b) || !a.matches_strongly(b));
            assert_eq!(a == b, a.matches(b) && a.weak == b.weak);
        }
    }
    let whole = Tag::of(line);
    assert_eq!(whole.matches(&whole), !trim(line).is_empty());
}

/// `[ W/ ] DQUOTE *etagc DQUOTE`
fn is_entity_tag(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"W/").unwrap_or(value);
    match value {
        [b'"', inside @ .., b'"'] => inside
            .iter()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)),
        _ => false,
    }
}
