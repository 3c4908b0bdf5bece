//! `Cache-Control` (RFC 9111 §5.2).

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderValue};

use super::input::{one_field, values};
use crate::semantics::directives::{RequestDirectives, ResponseDirectives, delta_seconds};
use crate::semantics::list::members;

/// Case, lines, the order of different directives, and unknown directives make no difference.
pub fn directives(bytes: &[u8]) {
    let lines = values(bytes);
    let expected = read(&lines);

    let folded = |fold: fn(&[u8]) -> Vec<u8>| -> Vec<_> {
        lines
            .iter()
            .map(|line| value(&fold(line.as_bytes())))
            .collect()
    };
    assert_eq!(read(&folded(<[u8]>::to_ascii_lowercase)), expected);
    assert_eq!(read(&folded(<[u8]>::to_ascii_uppercase)), expected);

    let headers = one_field(&CACHE_CONTROL, &lines);
    let mut apart: Vec<_> = members(&headers, &CACHE_CONTROL).map(value).collect();
    assert_eq!(read(&apart), expected, "one line for each");

    // Of several with the same name the first counts, so these stay in order.
    apart.sort_by_key(|member| name_of(member.as_bytes()));
    assert_eq!(read(&apart), expected, "in another order");

    let mut mixed = Vec::new();
    for member in apart {
        mixed.push(HeaderValue::from_static(
            "x-max-age=1, nostore, =, private-ish=\"max-age=7\"",
        ));
        mixed.push(member);
    }
    assert_eq!(read(&mixed), expected, "among unknown ones");

    let (response, _) = expected;
    for field in [&response.no_cache_fields, &response.private_fields]
        .into_iter()
        .flatten()
    {
        assert!(response.withholds(field));
    }
    assert_eq!(delta_seconds(bytes), slow_seconds(bytes));
}

fn read(lines: &[HeaderValue]) -> (ResponseDirectives, RequestDirectives) {
    let headers = one_field(&CACHE_CONTROL, lines);
    (
        ResponseDirectives::of(&headers, &[]),
        RequestDirectives::parse(&headers),
    )
}

fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("a part of a value is a value")
}

fn name_of(member: &[u8]) -> Vec<u8> {
    let end = member.iter().position(|&byte| byte == b'=');
    let name = &member[..end.unwrap_or(member.len())];
    name.trim_ascii().to_ascii_lowercase()
}

/// RFC 9111 §1.2.2.
fn slow_seconds(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let seconds = match text.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 10 => 1 << 31,
        digits => digits.parse::<u64>().ok()?.min(1 << 31),
    };
    Some(Duration::from_secs(seconds))
}
