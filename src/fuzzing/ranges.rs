//! Ranges of bytes (RFC 9110 §14).

use http::header::{ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};

use super::input::{lines, one_field};
use crate::semantics::list::trim;
use crate::semantics::range::{Selection, Span, is_beyond, select, unsatisfied};

/// Bodies up to this length are compared byte by byte.
const SHORT: u64 = 64;

/// A line with a length, a `Range`, and perhaps an `If-Range`.
pub fn ranges(bytes: &[u8]) {
    let mut lines = lines(bytes);
    let length = lines.next().map(String::from_utf8_lossy);
    let length: u64 = length.and_then(|text| text.parse().ok()).unwrap_or(40);
    let mut value = || HeaderValue::from_bytes(lines.next()?).ok();
    let Some(range) = value() else { return };
    let mut request = one_field(&RANGE, std::slice::from_ref(&range));
    let mut response = HeaderMap::new();

    sound(&request, &response, length);
    compare(&range, length % SHORT);

    // With a condition that does not hold, all of it; with one that holds, the same as before.
    if let Some(condition) = value() {
        let before = select(&request, &response, length);
        request.insert(IF_RANGE, condition.clone());
        assert_eq!(select(&request, &response, length), Selection::Whole);
        response.insert(ETAG, condition.clone());
        let now = select(&request, &response, length);
        let strong = trim(condition.as_bytes()).starts_with(b"\"");
        assert_eq!(now, if strong { before } else { Selection::Whole });
    }
}

/// What has to hold for a body of any length.
fn sound(request: &HeaderMap, response: &HeaderMap, length: u64) {
    let selection = select(request, response, length);
    let spans = match &selection {
        Selection::Whole => vec![],
        Selection::One(span) => vec![*span],
        Selection::Many(spans) => spans.to_vec(),
        Selection::Unsatisfiable(of) => {
            assert_eq!(*of, length);
            assert_eq!(
                unsatisfied(*of).as_bytes(),
                format!("bytes */{length}").as_bytes()
            );
            vec![]
        }
    };
    assert_eq!(matches!(selection, Selection::Many(_)), spans.len() > 1);
    for Span { first, last, of } in &spans {
        assert!(first <= last && last < of && *of == length);
    }
    let total: u128 = spans.iter().map(|span| u128::from(span.length())).sum();
    assert!(total <= u128::from(length), "more than the whole");
    if is_beyond(request, length) {
        assert_eq!(selection, Selection::Unsatisfiable(length));
        assert_eq!(
            select(request, response, length / 2),
            Selection::Unsatisfiable(length / 2)
        );
    }
}

/// The bytes of a short body, one by one.
fn compare(range: &HeaderValue, length: u64) {
    let request = one_field(&RANGE, std::slice::from_ref(range));
    let selection = select(&request, &HeaderMap::new(), length);
    let mut got = vec![false; usize::try_from(length).expect("it is short")];
    let spans = match &selection {
        Selection::One(span) => std::slice::from_ref(span),
        Selection::Many(spans) => spans,
        Selection::Whole | Selection::Unsatisfiable(_) => &[],
    };
    for span in spans {
        for at in span.first..=span.last {
            let at = usize::try_from(at).expect("it is short");
            assert!(!std::mem::replace(&mut got[at], true), "twice");
        }
    }
    let Some(wanted) = slow_bytes(range.as_bytes(), length) else {
        assert_eq!(selection, Selection::Whole);
        return;
    };
    if wanted.contains(&true) {
        assert_eq!(got, wanted, "{selection:?}");
    } else {
        assert!(matches!(selection, Selection::Unsatisfiable(_)) || length == 0);
    }
}

/// Which bytes a `Range` names; `None` for what is not to be heeded (RFC 9110 §14.2).
fn slow_bytes(range: &[u8], length: u64) -> Option<Vec<bool>> {
    let text = std::str::from_utf8(range).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // No number beyond this makes a difference to a short body.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let specs: Vec<_> = set
        .split(',')
        .map(|spec| spec.trim_matches([' ', '\t']))
        .collect();
    let specs: Vec<_> = specs.into_iter().filter(|spec| !spec.is_empty()).collect();
    if specs.is_empty() || specs.len() > 16 {
        return None;
    }
    let mut wanted = vec![false; usize::try_from(length).ok()?];
    for spec in specs {
        let (first, last) = spec.split_once('-')?;
        let named = |at: u64| match (digits(first), digits(last)) {
            (true, true) => (number(first)..=number(last)).contains(&at),
            (true, false) => at >= number(first),
            _ => length - at <= number(last),
        };
        let valid = match (first, last) {
            ("", last) => digits(last),
            (first, "") => digits(first),
            (first, last) => digits(first) && digits(last) && number(first) <= number(last),
        };
        if !valid {
            return None;
        }
        for at in (0..length).filter(|at| named(*at)) {
            wanted[usize::try_from(at).ok()?] = true;
        }
    }
    Some(wanted)
}
