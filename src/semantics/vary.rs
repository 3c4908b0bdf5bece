//! Which variant of a URL a request selects (RFC 9111 §4.1; RFC 9110 §12.5.5).

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HeaderMap,
    HeaderName, VARY,
};
use smallvec::SmallVec;

use crate::semantics::cookies;
use crate::semantics::list::{members, trim};

/// The normal form of a field's value.
pub(crate) type Value = SmallVec<[u8; 64]>;

/// What a response says about its variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vary {
    /// There is one only.
    None,
    /// Those of requests with the same values in these fields. Sorted, without repeats.
    Fields(Vec<HeaderName>),
    /// By something that no request shows: it matches none.
    Any,
}

/// Reads all `Vary` lines as one list. A member that is no field name counts as `*`: better not
/// stored than mixed up.
pub(crate) fn parse(headers: &HeaderMap) -> Vary {
    if !headers.contains_key(VARY) {
        return Vary::None;
    }
    let mut fields = Vec::new();
    for member in members(headers, &VARY) {
        match HeaderName::from_bytes(member) {
            // `*` is a valid field name by its grammar. A field of which we would read something
            // else is none that the origin can mean.
            Ok(name) if name.as_str() != "*" && cookie(&name).is_none() => fields.push(name),
            _ => return Vary::Any,
        }
    }
    if fields.is_empty() {
        return Vary::None;
    }
    normalize(&mut fields);
    Vary::Fields(fields)
}

/// The fields of both, sorted, without repeats.
pub(crate) fn union(a: &[HeaderName], b: &[HeaderName]) -> Vec<HeaderName> {
    let mut fields = [a, b].concat();
    normalize(&mut fields);
    fields
}

fn normalize(fields: &mut Vec<HeaderName>) {
    fields.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    fields.dedup();
}

/// What a request has in these fields, in normal form: requests with the same values here select
/// the same variant. An absent field matches only an absent one.
pub(crate) fn selecting<'a>(
    fields: &'a [HeaderName],
    request: &'a HeaderMap,
) -> impl Iterator<Item = (&'a str, Option<Value>)> {
    fields.iter().map(|name| {
        let value = match cookie(name) {
            Some(cookie) => cookies::named(request, cookie),
            None => request.contains_key(name).then(|| value(name, request)),
        };
        (name.as_str(), value)
    })
}

/// The name of the cookie that this pseudo field stands for. Only the settings bring such in.
pub(crate) fn cookie(field: &HeaderName) -> Option<&str> {
    field.as_str().strip_prefix(cookies::PSEUDO)
}

/// RFC 9111 §4.1 permits to combine lines, and to normalise where the meaning stays the same:
/// white space around commas, and case in what is compared without it. The order is kept, since
/// it may be a preference. The lines of a cookie are one that was cut up (RFC 9113 §8.2.3).
fn value(name: &HeaderName, request: &HeaderMap) -> Value {
    let negotiated = [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE].contains(name);
    let exact = [AUTHORIZATION, COOKIE].contains(name);
    let glue: &[u8] = if *name == COOKIE { b"; " } else { b", " };
    let mut value = Value::new();
    for (index, line) in request.get_all(name).iter().enumerate() {
        if index > 0 {
            value.extend_from_slice(glue);
        }
        let line = trim(line.as_bytes());
        if exact {
            value.extend_from_slice(line);
        } else {
            append(&mut value, line, negotiated);
        }
    }
    value
}

/// Appends a line, with `, ` for each comma and the white space around it. Quoted strings stay as
/// they are, and so do the values of parameters, whose case may matter (RFC 9110 §5.6.6).
fn append(value: &mut Value, line: &[u8], negotiated: bool) {
    let separates = |byte: u8| byte == b',' || (negotiated && byte == b';');
    let start = value.len();
    let (mut quoted, mut escaped, mut skip, mut parameter) = (false, false, false, false);
    for &byte in line {
        if quoted {
            value.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if skip && matches!(byte, b' ' | b'\t') {
            continue;
        }
        skip = separates(byte);
        if skip {
            parameter = false;
            while value.len() > start && matches!(value.last(), Some(b' ' | b'\t')) {
                value.pop();
            }
            value.push(byte);
            if byte == b',' {
                value.push(b' ');
            }
            continue;
        }
        quoted = byte == b'"';
        parameter |= byte == b'=';
        value.push(if negotiated && !parameter {
            byte.to_ascii_lowercase()
        } else {
            byte
        });
    }
    // After a last comma there is nothing to set apart.
    while skip && value.last() == Some(&b' ') {
        value.pop();
    }
}

#[cfg(test)]
mod tests;
