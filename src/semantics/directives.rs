//! `Cache-Control` (RFC 9111 §5.2).

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName};

use crate::semantics::list::{members, trim, unquote};
use crate::semantics::targeted;

/// What the origin says about a response (RFC 9111 §5.2.2; RFC 5861; RFC 8246).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResponseDirectives {
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) no_store: bool,
    /// The unqualified form.
    pub(crate) no_cache: bool,
    /// The fields of the qualified form.
    pub(crate) no_cache_fields: Vec<HeaderName>,
    /// The unqualified form.
    pub(crate) private: bool,
    /// The fields of the qualified form.
    pub(crate) private_fields: Vec<HeaderName>,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) immutable: bool,
    /// `Expires` does not count: a targeted field does in its place (RFC 9213 §2.2).
    pub(crate) without_expires: bool,
}

impl ResponseDirectives {
    /// What holds for a cache with these targeted fields: the first valid one of them, else all
    /// `Cache-Control` lines as one list. Without a targeted field it allocates only for qualified
    /// forms.
    pub(crate) fn of(headers: &HeaderMap, targets: &[HeaderName]) -> Self {
        targeted::select(headers, targets).unwrap_or_else(|| Self::parse(headers))
    }

    fn parse(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        each(headers, |name, argument| found.take(name, argument));
        found
    }

    pub(crate) fn take(&mut self, name: &[u8], argument: Argument<'_>) {
        match name {
            b"max-age" => self.max_age = self.max_age.or(Some(argument.lifetime())),
            b"s-maxage" => self.s_maxage = self.s_maxage.or(Some(argument.lifetime())),
            b"stale-while-revalidate" => {
                self.stale_while_revalidate = self.stale_while_revalidate.or(argument.seconds());
            }
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or(argument.seconds()),
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache |= !argument.fields(&mut self.no_cache_fields),
            b"private" => self.private |= !argument.fields(&mut self.private_fields),
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"immutable" => self.immutable = true,
            _ => {}
        }
    }

    /// True if this field must not be kept in a shared store: it is named by a qualified
    /// `no-cache` or `private` (RFC 9111 §5.2.2.4, §5.2.2.7).
    pub(crate) fn withholds(&self, name: &HeaderName) -> bool {
        self.no_cache_fields.contains(name) || self.private_fields.contains(name)
    }

    /// True if it may not be served stale, whatever happens (RFC 9111 §4.2.4).
    pub(crate) fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache
    }
}

/// What a client asks for (RFC 9111 §5.2.1). Only the first two are obeyed unless the user of
/// this crate wants all of them: else a hard reload would be an attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestDirectives {
    pub(crate) no_store: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) no_cache: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// `Duration::MAX` if it came without a limit.
    pub(crate) max_stale: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads all `Cache-Control` lines as one list. Never allocates.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        each(headers, |name, argument| found.take(name, argument));
        found
    }

    fn take(&mut self, name: &[u8], argument: Argument<'_>) {
        match name {
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"no-cache" => self.no_cache = true,
            b"max-age" => self.max_age = self.max_age.or(Some(argument.lifetime())),
            b"min-fresh" => self.min_fresh = self.min_fresh.or(argument.seconds()),
            b"max-stale" => {
                let limit = match argument {
                    Argument::None => Some(Duration::MAX),
                    given => given.seconds(),
                };
                self.max_stale = self.max_stale.or(limit);
            }
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or(argument.seconds()),
            _ => {}
        }
    }
}

/// What follows a directive's name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    None,
    /// A token, or the inside of a quoted string: both mean the same (RFC 9111 §5.2).
    Text(&'a [u8]),
    /// An integer of a structured field.
    Number(&'a [u8]),
    /// A string of a structured field: names, and no number.
    Names(&'a [u8]),
    /// White space around the equals sign, or a structured value of a type that no directive has:
    /// not an argument by the grammar.
    Malformed,
}

impl Argument<'_> {
    fn seconds(self) -> Option<Duration> {
        match self {
            Self::Text(text) | Self::Number(text) => delta_seconds(text),
            Self::None | Self::Names(_) | Self::Malformed => None,
        }
    }

    /// A freshness lifetime. One that cannot be read makes the response stale (RFC 9111 §4.2.1).
    fn lifetime(self) -> Duration {
        self.seconds().unwrap_or(Duration::ZERO)
    }

    /// Adds the listed field names; false if this is not a list of names, so that the directive
    /// has to be taken as the stricter, unqualified one.
    fn fields(self, into: &mut Vec<HeaderName>) -> bool {
        let (Self::Text(text) | Self::Names(text)) = self else {
            return false;
        };
        let before = into.len();
        for name in text.split(|&byte| byte == b',').map(trim) {
            if name.is_empty() {
                continue;
            }
            let Ok(name) = HeaderName::from_bytes(name) else {
                return false;
            };
            into.push(name);
        }
        into.len() > before
    }
}

/// Calls `take` with each directive, its name in lower case (RFC 9111 §5.2: case-insensitive).
fn each(headers: &HeaderMap, mut take: impl FnMut(&[u8], Argument<'_>)) {
    const LONGEST: usize = b"stale-while-revalidate".len();
    if !headers.contains_key(CACHE_CONTROL) {
        return;
    }
    for member in members(headers, &CACHE_CONTROL) {
        let (name, argument) = split(member);
        let mut buffer = [0; LONGEST];
        // A longer name is none that we know.
        let Some(folded) = buffer.get_mut(..name.len()) else {
            continue;
        };
        folded.copy_from_slice(name);
        folded.make_ascii_lowercase();
        take(folded, argument);
    }
}

fn split(member: &[u8]) -> (&[u8], Argument<'_>) {
    let Some(at) = member.iter().position(|&byte| byte == b'=') else {
        return (member, Argument::None);
    };
    let (name, value) = (&member[..at], &member[at + 1..]);
    if trim(name).len() != name.len() || trim(value).len() != value.len() {
        return (trim(name), Argument::Malformed);
    }
    (name, Argument::Text(unquote(value).unwrap_or(value)))
}

/// A number of seconds; too large a one counts as 2^31 (RFC 9111 §1.2.2).
pub(crate) fn delta_seconds(text: &[u8]) -> Option<Duration> {
    const MOST: u64 = 1 << 31;
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text.iter().fold(0_u64, |seconds, digit| {
        (seconds * 10 + u64::from(digit - b'0')).min(MOST)
    });
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
