//! The `Cache-Status` field (RFC 9211).

use bytes::Bytes;
use http::HeaderValue;
use smallvec::SmallVec;

use crate::semantics::ready::{NUMBERS, Ready};

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

/// What a cache calls itself in the field, as the item that identifies it (RFC 9211 §2).
#[derive(Debug)]
pub(crate) struct Name {
    text: String,
    /// What nearly all reports are: a hit, and how long it is fresh.
    hits: Option<&'static Ready>,
}

impl Name {
    /// The name: a token if it can be one, else a string; `None` if it is empty or holds what
    /// neither can.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let text = identifier(name)?;
        let hits = Ready::of(Self::hit(&text));
        Some(Self { text, hits })
    }

    fn hit(text: &str) -> String {
        format!("{text}; hit; ttl=")
    }

    #[inline]
    fn plain_hit(&self, report: &Report) -> Option<HeaderValue> {
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
        self.hits?.get(u64::try_from(*ttl).ok()?)
    }
}

/// Writes our member of the list. Allocates once, the value, and on most hits nothing.
#[inline]
pub(crate) fn render(name: &Name, report: &Report) -> HeaderValue {
    name.plain_hit(report)
        .unwrap_or_else(|| written(name, report))
}

fn written(name: &Name, report: &Report) -> HeaderValue {
    let mut text = Text::from_slice(name.text.as_bytes());
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
    // What `identifier` gave is fit for a field, and so is all that was added.
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text))
        .unwrap_or_else(|_| HeaderValue::from_static("cache"))
}

/// True if a cache can call itself so.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn identifier(name: &str) -> Option<String> {
    if !is_name(name) {
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

/// A number of seconds as a field value. Up to 9,999 it allocates nothing: the value is there
/// already.
#[inline]
pub(crate) fn seconds(seconds: u64) -> HeaderValue {
    NUMBERS
        .get(seconds)
        .unwrap_or_else(|| HeaderValue::from(seconds))
}

/// Appends an integer within the range of RFC 8941 §3.3.1.
fn integer(text: &mut Text, number: i64) {
    const MOST: u64 = 999_999_999_999_999;
    if number < 0 {
        text.push(b'-');
    }
    let mut rest = number.unsigned_abs().min(MOST);
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
