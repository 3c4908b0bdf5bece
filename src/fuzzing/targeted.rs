//! Targeted cache control (RFC 9213).

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::input::{one_field, values};
use crate::semantics::directives::ResponseDirectives;
use crate::semantics::targeted::{CDN_CACHE_CONTROL, select};

const TARGETS: [HeaderName; 2] = [HeaderName::from_static("x-target"), CDN_CACHE_CONTROL];

/// The lines of one targeted field.
pub fn targeted(bytes: &[u8]) {
    let lines = values(bytes);
    let headers = one_field(&CDN_CACHE_CONTROL, &lines);
    let found = select(&headers, &TARGETS);
    assert_eq!(select(&headers, &[]), None);
    assert_eq!(found, select(&on_one_line(&lines), &TARGETS));

    // The first of the list that is valid counts, and `Cache-Control` if none is.
    let mut both = headers.clone();
    both.insert(&TARGETS[0], HeaderValue::from_static("max-age=1,"));
    assert_eq!(select(&both, &TARGETS), found);
    both.insert(&TARGETS[0], HeaderValue::from_static("max-age=1"));
    assert_ne!(select(&both, &TARGETS), None);
    both.append(CACHE_CONTROL, HeaderValue::from_static("max-age=2"));
    let second = ResponseDirectives::of(&both, &TARGETS[1..]);
    assert_eq!(found.is_some(), second.without_expires);

    let Some(found) = found else { return };
    assert!(found.without_expires);
    let dictionary = dictionary(&lines).expect("what is read is a dictionary");
    if let Some(text) = as_cache_control(&dictionary) {
        let value = HeaderValue::try_from(text).expect("it was one");
        let mut same = ResponseDirectives::of(&one_field(&CACHE_CONTROL, &[value]), &[]);
        same.without_expires = true;
        assert_eq!(found, same);
    }
}

fn on_one_line(lines: &[HeaderValue]) -> HeaderMap {
    if lines.is_empty() {
        return HeaderMap::new();
    }
    let joined = joined(lines);
    let value = HeaderValue::from_bytes(&joined).expect("values with commas are a value");
    one_field(&CDN_CACHE_CONTROL, &[value])
}

fn joined(lines: &[HeaderValue]) -> Vec<u8> {
    let lines: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
    lines.join(&b","[..])
}

fn dictionary(lines: &[HeaderValue]) -> Option<Dictionary> {
    Parser::new(&joined(lines)).parse().ok()
}

/// The same as `Cache-Control`; `None` if some of it cannot be said there, or means another thing.
fn as_cache_control(dictionary: &Dictionary) -> Option<String> {
    let members = dictionary.iter().map(|(name, entry)| {
        let name = name.as_str();
        let ListEntry::Item(item) = entry else {
            return None;
        };
        let lists = matches!(name, "no-cache" | "private");
        match &item.bare_item {
            BareItem::Boolean(true) => Some(name.to_owned()),
            BareItem::Integer(number) if !lists => Some(format!("{name}={number}")),
            BareItem::String(text) if lists && !text.as_str().contains(['"', '\\']) => {
                Some(format!("{name}=\"{}\"", text.as_str()))
            }
            _ => None,
        }
    });
    Some(members.collect::<Option<Vec<_>>>()?.join(", "))
}
