//! The `Cache-Status` field (RFC 9211).

use bytes::Bytes;
use http::HeaderValue;
use smallvec::SmallVec;

/// Why a request went on to the origin (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fwd {
    /// The cache was not asked.
    Bypass,
    /// The method's semantics want it so.
    Method,
    /// There was nothing to use, for whichever reason.
    Miss,
    /// Nothing is stored for this variant of the URL.
    VaryMiss,
    /// What is stored was stale.
    Stale,
    /// What is stored is fresh, but not what the request's directives demand.
    Request,
}

impl Fwd {
    /// The registered token.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Miss => "miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// How a request was handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Answered without the origin. Excludes `fwd` (RFC 9211 §2.1).
    pub(crate) hit: bool,
    pub(crate) fwd: Option<Fwd>,
    /// The status of the origin's answer, where it differs from what the client gets.
    pub(crate) fwd_status: Option<u16>,
    /// Seconds of freshness left; negative for a stale one.
    pub(crate) ttl: Option<i64>,
    pub(crate) stored: bool,
    pub(crate) collapsed: bool,
    /// A token of our own vocabulary.
    pub(crate) detail: Option<&'static str>,
}

type Text = SmallVec<[u8; 192]>;

/// Writes our member of the list. `name` is what [`identifier`] gave. Allocates once: the value.
pub(crate) fn render(name: &str, report: &Report) -> HeaderValue {
    if let Some(text) = plain_hit(name, report) {
        return value(text);
    }
    let mut text = Text::from_slice(name.as_bytes());
    if report.hit {
        text.extend_from_slice(b"; hit");
    } else if let Some(fwd) = report.fwd {
        text.extend_from_slice(b"; fwd=");
        text.extend_from_slice(fwd.as_str().as_bytes());
    }
    if let Some(status) = report.fwd_status {
        text.extend_from_slice(b"; fwd-status=");
        integer(&mut text, i64::from(status));
    }
    if let Some(ttl) = report.ttl {
        text.extend_from_slice(b"; ttl=");
        integer(&mut text, ttl);
    }
    if report.stored {
        text.extend_from_slice(b"; stored");
    }
    if report.collapsed {
        text.extend_from_slice(b"; collapsed");
    }
    if let Some(detail) = report.detail {
        text.extend_from_slice(b"; detail=");
        word(&mut text, detail.as_bytes());
    }
    value(Bytes::copy_from_slice(&text))
}

fn value(text: Bytes) -> HeaderValue {
    // Only a name that did not come from `identifier` could be refused here.
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("cache"))
}

/// The text of what nearly all reports are, without a detour: a hit, and how long it is fresh.
fn plain_hit(name: &str, report: &Report) -> Option<Bytes> {
    let Report {
        hit: true,
        fwd: None,
        fwd_status: None,
        ttl: Some(ttl),
        stored: false,
        collapsed: false,
        detail: None,
    } = report
    else {
        return None;
    };
    let ttl = digits(u64::try_from(*ttl).ok()?)?;
    let middle = b"; hit; ttl=";
    let mut text = Vec::with_capacity(name.len() + middle.len() + ttl.len());
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(middle);
    text.extend_from_slice(ttl);
    Some(text.into())
}

/// A name as the item that identifies this cache (RFC 9211 §2): a token if it can be one, else a
/// string; `None` if it is empty or holds what neither can.
pub(crate) fn identifier(name: &str) -> Option<String> {
    if name.is_empty() || !name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let mut text = Text::new();
    word(&mut text, name.as_bytes());
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Appends a token, or a string if it is none (RFC 8941 §3.3.3, §3.3.4). Of a string, what it
/// cannot hold is left out.
fn word(text: &mut Text, word: &[u8]) {
    if is_token(word) {
        text.extend_from_slice(word);
        return;
    }
    text.push(b'"');
    for &byte in word.iter().filter(|byte| (b' '..=b'~').contains(byte)) {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(b'"');
}

fn is_token(word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return false;
    };
    (first.is_ascii_alphabetic() || *first == b'*')
        && rest
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(byte))
}

/// A number of seconds as a field value. Up to 9,999 (hours: most of what a cache is asked for) it
/// allocates nothing: the digits are there already.
pub(crate) fn seconds(seconds: u64) -> HeaderValue {
    digits(seconds)
        .and_then(|digits| HeaderValue::from_maybe_shared(Bytes::from_static(digits)).ok())
        .unwrap_or_else(|| HeaderValue::from(seconds))
}

/// The digits of a number up to 9,999.
fn digits(number: u64) -> Option<&'static [u8]> {
    let (width, start) = match number {
        0..10 => (1, number),
        10..100 => (2, 10 + (number - 10) * 2),
        100..1_000 => (3, 190 + (number - 100) * 3),
        1_000..10_000 => (4, 2_890 + (number - 1_000) * 4),
        _ => return None,
    };
    let start = usize::try_from(start).unwrap_or(0);
    NUMBERS.get(start..start + width)
}

/// The numbers from 0 to 9,999, one after the other.
static NUMBERS: [u8; 38_890] = {
    let mut digits = [0; 38_890];
    let (mut number, mut at) = (0_u32, 0);
    while number < 10_000 {
        let mut unit = match number {
            0..10 => 1,
            10..100 => 10,
            100..1_000 => 100,
            _ => 1_000,
        };
        while unit > 0 {
            digits[at] = b'0' + (number / unit % 10) as u8;
            unit /= 10;
            at += 1;
        }
        number += 1;
    }
    digits
};

/// Appends an integer within the range of RFC 8941 §3.3.1.
fn integer(text: &mut Text, number: i64) {
    const MOST: u64 = 999_999_999_999_999;
    if number < 0 {
        text.push(b'-');
    }
    let mut rest = number.unsigned_abs().min(MOST);
    if let Some(digits) = digits(rest) {
        text.extend_from_slice(digits);
        return;
    }
    let start = text.len();
    loop {
        let digit = u8::try_from(rest % 10).expect("a digit is less than ten");
        text.push(b'0' + digit);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text[start..].reverse();
}

#[cfg(test)]
mod tests;
