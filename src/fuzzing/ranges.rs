//! Which part of a response a request wants (RFC 9110 §14).

use http::header::HeaderMap;

use super::input::{fields, number};
use crate::semantics::range::{Selection, Span, is_beyond, select};

/// A length, and lines of fields of a request.
pub fn ranges(bytes: &[u8]) {
    let mut rest = bytes;
    let length = number(&mut rest) % 10_000;
    let request = fields(rest);
    let response = HeaderMap::new();
    let spans = match select(&request, &response, length) {
        Selection::Whole => Vec::new(),
        Selection::Unsatisfiable(of) => {
            assert_eq!(of, length);
            Vec::new()
        }
        Selection::One(span) => vec![span],
        Selection::Many(spans) => {
            assert!(spans.len() > 1);
            spans.to_vec()
        }
    };
    assert!(spans.len() <= 16, "an answer of bounded size");
    for span in &spans {
        assert!(span.first <= span.last && span.last < length && span.of == length);
        assert!(span.content_range().to_str().is_ok());
    }
    // No byte is sent twice.
    let apart = |a: &Span, b: &Span| a.last < b.first || b.last < a.first;
    for (at, span) in spans.iter().enumerate() {
        assert!(spans[at + 1..].iter().all(|other| apart(span, other)));
    }
    if is_beyond(&request, length) {
        assert!(spans.is_empty());
    }
}
