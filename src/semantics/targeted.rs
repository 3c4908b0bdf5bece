//! Targeted cache control (RFC 9213): directives for some caches only, in fields of their own.

use http::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

use crate::semantics::directives::{Argument, ResponseDirectives};

/// The field for the caches that act for an origin (RFC 9213 §3): the whole target list, unless
/// it is set otherwise.
pub(crate) const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The directives of the first field of the target list that is valid and not empty (RFC 9213
/// §2.2); `None` if there is none, so that `Cache-Control` and `Expires` count.
pub(crate) fn select(headers: &HeaderMap, targets: &[HeaderName]) -> Option<ResponseDirectives> {
    targets
        .iter()
        .filter(|target| headers.contains_key(*target))
        .find_map(|target| dictionary(headers, target))
        .map(|dictionary| directives(&dictionary))
}

/// All lines of the field as one dictionary (RFC 8941 §4.2). One that is empty or does not parse is
/// ignored as a whole (RFC 9213 §2.1).
fn dictionary(headers: &HeaderMap, target: &HeaderName) -> Option<Dictionary> {
    let mut lines = headers.get_all(target).iter().map(|line| line.as_bytes());
    let first = lines.next()?;
    let parsed = match lines.next() {
        None => Parser::new(first).parse::<Dictionary>(),
        Some(second) => {
            let mut all = [first, second].join(&b", "[..]);
            for line in lines {
                all.extend_from_slice(b", ");
                all.extend_from_slice(line);
            }
            Parser::new(&all).parse()
        }
    };
    parsed.ok().filter(|dictionary| !dictionary.is_empty())
}

fn directives(dictionary: &Dictionary) -> ResponseDirectives {
    let mut found = ResponseDirectives {
        without_expires: true,
        ..ResponseDirectives::default()
    };
    for (name, value) in dictionary {
        let mut digits = String::new();
        if let Some(argument) = argument(value, &mut digits) {
            found.take(name.as_str().as_bytes(), argument);
        }
    }
    found
}

/// The directive's argument by its type (RFC 9213 §2.1: true for none, else an integer or a string
/// as the directive wants it). Parameters are ignored. `None` for what no directive has: it is not
/// to be consumed.
fn argument<'a>(value: &'a ListEntry, digits: &'a mut String) -> Option<Argument<'a>> {
    let ListEntry::Item(Item { bare_item, .. }) = value else {
        return Some(Argument::Malformed);
    };
    Some(match bare_item {
        BareItem::Boolean(true) => Argument::None,
        // It says that the directive is not there.
        BareItem::Boolean(false) => return None,
        BareItem::Integer(number) => {
            *digits = number.to_string();
            Argument::Number(digits.as_bytes())
        }
        BareItem::String(text) => Argument::Names(text.as_str().as_bytes()),
        _ => Argument::Malformed,
    })
}

#[cfg(test)]
mod tests;
