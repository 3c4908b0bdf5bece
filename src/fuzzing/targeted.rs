//! Targeted cache control (RFC 9213).

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::input::{one_field, values};
use crate::semantics::targeted::{CDN_CACHE_CONTROL, select};

const OTHER: HeaderName = HeaderName::from_static("other-cache-control");

/// Lines of the field.
pub fn targeted(bytes: &[u8]) {
    let lines = values(bytes);
    let headers = one_field(&CDN_CACHE_CONTROL, &lines);
    let found = select(&headers, &[CDN_CACHE_CONTROL]);
    let joined: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
    let joined = joined.join(&b", "[..]);
    let dictionary = Parser::new(&joined).parse::<Dictionary>();
    let dictionary = dictionary.ok().filter(|members| !members.is_empty());
    assert_eq!(found.is_some(), dictionary.is_some());

    // A valid field counts wherever it stands, an invalid one counts for nothing.
    let mut both = headers;
    both.append(OTHER, HeaderValue::from_static("max-age=7"));
    let behind = select(&both, &[CDN_CACHE_CONTROL, OTHER]).expect("one is valid");
    match (&found, &dictionary) {
        (Some(found), Some(members)) => {
            assert_eq!(behind, *found);
            assert!(found.without_expires);
            let seconds = match members.get("max-age") {
                Some(ListEntry::Item(item)) => match &item.bare_item {
                    BareItem::Integer(number) => u64::try_from(i64::from(*number)).unwrap_or(0),
                    BareItem::Boolean(false) => return assert!(found.max_age.is_none()),
                    _ => 0,
                },
                Some(_) => 0,
                None => return assert!(found.max_age.is_none()),
            };
            let seconds = seconds.min(1 << 31);
            assert_eq!(found.max_age.map(|age| age.as_secs()), Some(seconds));
        }
        _ => assert_eq!(behind, select(&both, &[OTHER]).expect("it is valid")),
    }
    assert_eq!(select(&HeaderMap::new(), &[CDN_CACHE_CONTROL, OTHER]), None);
}
