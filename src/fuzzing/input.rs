//! Bytes as what the parsers take.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// More lines than this show nothing that these do not.
const MOST_LINES: usize = 64;

/// The lines of a text.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').take(MOST_LINES)
}

/// The lines that can be values of a field.
pub(super) fn values(bytes: &[u8]) -> Vec<HeaderValue> {
    lines(bytes)
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect()
}

/// A head with these lines of one field.
pub(super) fn one_field(name: &HeaderName, values: &[HeaderValue]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, value.clone());
    }
    headers
}

/// The lines that are `name: value`, as a head.
pub(super) fn fields(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines(bytes) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// What comes before the first empty line, and what comes after it.
pub(super) fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n");
    at.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 2..]))
}

/// Takes the number at the front; zero if there is none.
pub(super) fn number(bytes: &mut &[u8]) -> u64 {
    let Some((number, rest)) = bytes.split_first_chunk() else {
        return 0;
    };
    *bytes = rest;
    u64::from_be_bytes(*number)
}
