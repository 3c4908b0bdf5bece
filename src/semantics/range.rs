//! Ranges of bytes (RFC 9110 §13.1.5, §14).

use http::header::{
    ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use smallvec::SmallVec;

use crate::entry::Lines;
use crate::semantics::date;
use crate::semantics::list::trim;
use crate::semantics::tag::{Tag, tags};

/// Ranges in one request; with more it gets the whole (RFC 9110 §14.2 lets a server ignore what
/// looks like an attack). What overlaps or adjoins is joined, so a response is never longer than
/// the whole by more than the heads of so many parts.
const MOST: usize = 16;

/// What a request's `Range` comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: there is no `Range`, or one that is to be ignored.
    Whole,
    /// One part.
    One(Span),
    /// At least two parts, in the order of the request; none touches another.
    Many(Spans),
    /// None of it, out of so many bytes.
    Unsatisfiable(u64),
}

pub(crate) type Spans = SmallVec<[Span; 4]>;

/// A part of a representation; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    /// Included.
    pub(crate) last: u64,
    /// The length of the whole.
    pub(crate) of: u64,
}

impl Span {
    pub(crate) const fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of its `Content-Range`.
    pub(crate) fn content_range(&self) -> HeaderValue {
        let Self { first, last, of } = self;
        value(format!("bytes {first}-{last}/{of}"))
    }
}

/// The `Content-Range` of a 416 (RFC 9110 §15.5.17).
pub(crate) fn unsatisfied(length: u64) -> HeaderValue {
    value(format!("bytes */{length}"))
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and signs are a value")
}

/// What of a 200 with this head and of `length` bytes a GET is to get. For other methods, `Range`
/// has no meaning (RFC 9110 §14.2).
pub(crate) fn select(request: &HeaderMap, response: &impl Lines, length: u64) -> Selection {
    match parse(request) {
        Some(specs) if is_current(request, response) => resolve(&specs, length),
        _ => Selection::Whole,
    }
}

/// True if a request wants nothing of the first `length` bytes: no body of that size has it.
pub(crate) fn is_beyond(request: &HeaderMap, length: u64) -> bool {
    let beyond = |spec: &Spec| matches!(spec, Spec::Between(first, _) if *first >= length);
    parse(request).is_some_and(|specs| specs.iter().all(beyond))
}

/// One range as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// From the first to the last, which is included.
    Between(u64, u64),
    /// So many at the end.
    Suffix(u64),
}

type Specs = SmallVec<[Spec; 4]>;

/// The ranges of a request; `None` without any, and for what is to be ignored: a unit other than
/// bytes, bad syntax, too many.
fn parse(request: &HeaderMap) -> Option<Specs> {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let line = line.as_bytes();
    let (unit, set) = line.split_at(line.iter().position(|&byte| byte == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Specs::new();
    for member in set[1..].split(|&byte| byte == b',').map(trim) {
        if member.is_empty() {
            // RFC 9110 §5.6.1.2.
            continue;
        }
        if specs.len() == MOST {
            return None;
        }
        specs.push(Spec::parse(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

impl Spec {
    /// RFC 9110 §14.1.1, §14.1.2.
    fn parse(text: &[u8]) -> Option<Self> {
        let (first, last) = text.split_at(text.iter().position(|&byte| byte == b'-')?);
        match (first, &last[1..]) {
            ([], suffix) => number(suffix).map(Self::Suffix),
            (first, []) => number(first).map(|first| Self::Between(first, u64::MAX)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// What there is of it; `None` if that is nothing.
    fn within(self, of: u64) -> Option<Span> {
        let end = of.checked_sub(1)?;
        match self {
            Self::Between(first, last) => (first <= end).then(|| Span {
                first,
                last: last.min(end),
                of,
            }),
            Self::Suffix(length) => (length > 0).then(|| Span {
                first: of.saturating_sub(length),
                last: end,
                of,
            }),
        }
    }
}

/// A number; one that is too large is larger than any body.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number: u64, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

fn resolve(specs: &[Spec], length: u64) -> Selection {
    let mut found: SmallVec<[(usize, Span); 4]> = specs
        .iter()
        .enumerate()
        .filter_map(|(place, spec)| Some((place, spec.within(length)?)))
        .collect();
    if found.is_empty() {
        // The end of nothing is satisfiable (RFC 9110 §14.1.2), but no `Content-Range` can say so.
        let empty = length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..)));
        return if empty {
            Selection::Whole
        } else {
            Selection::Unsatisfiable(length)
        };
    }
    // What overlaps or adjoins becomes one, in the place of the first of them
    // (RFC 9110 §15.3.7.2).
    found.sort_unstable_by_key(|(_, span)| span.first);
    found.dedup_by(|(place, next), (kept, span)| {
        let joined = next.first <= span.last + 1;
        if joined {
            *kept = (*kept).min(*place);
            span.last = span.last.max(next.last);
        }
        joined
    });
    found.sort_unstable_by_key(|(place, _)| *place);
    match found.as_slice() {
        [(_, span)] => Selection::One(*span),
        _ => Selection::Many(found.iter().map(|(_, span)| *span).collect()),
    }
}

/// True if the request wants parts of this very representation. If not it gets all of another.
fn is_current(request: &HeaderMap, response: &impl Lines) -> bool {
    if_range(request, response) && if_match(request, response)
}

/// RFC 9110 §13.1.5. Without the field: true.
fn if_range(request: &HeaderMap, response: &impl Lines) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let validator = match (lines.next(), lines.next()) {
        (None, _) => return true,
        (Some(line), None) => trim(line.as_bytes()),
        _ => return false,
    };
    match validator {
        [b'"', ..] => response
            .line(&ETAG)
            .is_some_and(|tag| Tag::of(tag.as_bytes()).matches_strongly(&Tag::of(validator))),
        // A weak tag is no date either.
        date => {
            date::parse(date).is_some_and(|date| date::strong_last_modified(response) == Some(date))
        }
    }
}

/// RFC 9111 §4.3.2 leaves `If-Match` and `If-Unmodified-Since` to the origin. But who resumes a
/// download with them (RFC 9110 §13.1.1, §13.1.4) is not to get a part of another version.
fn if_match(request: &HeaderMap, response: &impl Lines) -> bool {
    if request.contains_key(IF_MATCH) {
        let stored = response.line(&ETAG).map(|tag| Tag::of(tag.as_bytes()));
        return request.get_all(IF_MATCH).iter().any(|line| {
            trim(line.as_bytes()) == b"*"
                || stored.is_some_and(|stored| {
                    tags(line.as_bytes()).any(|tag| tag.matches_strongly(&stored))
                })
        });
    }
    !request.contains_key(IF_UNMODIFIED_SINCE)
        || matches!(
            (
                date::first(response, &LAST_MODIFIED),
                date::first(request, &IF_UNMODIFIED_SINCE),
            ),
            (Some(changed), Some(since)) if changed <= since
        )
}

#[cfg(test)]
mod tests;
