//! Comma-separated field values (RFC 9110 §5.6.1).

use http::header::HeaderName;

use super::input::{one_field, values};
use crate::semantics::list::{Members, members, trim, unquote};

/// Splitting is that of a plain reading of the grammar, and reads several lines as one list.
pub fn lists(bytes: &[u8]) {
    let found: Vec<_> = Members::of(bytes).collect();
    assert_eq!(found, slow_members(bytes));
    for member in &found {
        assert_eq!(trim(member), *member);
        if let Some(inside) = unquote(member) {
            assert_eq!([b"\"", inside, b"\""].concat(), **member);
        }
    }
    let name = HeaderName::from_static("x");
    let lines = values(bytes);
    let headers = one_field(&name, &lines);
    let together: Vec<_> = members(&headers, &name).collect();
    let apart: Vec<_> = lines
        .iter()
        .flat_map(|line| Members::of(line.as_bytes()))
        .filter(|member| !member.is_empty())
        .collect();
    assert_eq!(together, apart);
}

/// A comma separates unless it is within a quoted string. A quotation mark that nothing closes is
/// an ordinary character, and so is everything after it.
fn slow_members(line: &[u8]) -> Vec<&[u8]> {
    let mut commas = Vec::new();
    let mut at = 0;
    let mut plain = false;
    while at < line.len() {
        match line[at] {
            b',' => commas.push(at),
            b'"' if !plain => match closing(line, at) {
                Some(end) => at = end,
                None => plain = true,
            },
            _ => {}
        }
        at += 1;
    }
    let mut found = Vec::new();
    let mut start = 0;
    for comma in commas {
        found.push(trim(&line[start..comma]));
        start = comma + 1;
    }
    // As with a trailing comma anywhere, nothing after the last one is no member.
    if start < line.len() {
        found.push(trim(&line[start..]));
    }
    found
}

/// Where the quoted string ends that begins at `open` (RFC 9110 §5.6.4).
fn closing(line: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match line.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
}
