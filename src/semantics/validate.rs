//! Validation, in both directions (RFC 9111 §4.3; RFC 9110 §13).

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG,
    EXPIRES, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};

use crate::entry::{Head, Lines};
use crate::semantics::date;
use crate::semantics::directives::ResponseDirectives;
use crate::semantics::fields::{listed, own, storable, withheld};
use crate::semantics::list::trim;
use crate::semantics::tag::{Tag, tags};

/// Makes a client's request ours: its conditions go, and those of the stored head come, if there
/// is one (RFC 9111 §4.3.1). Its `Range` goes too: what is shared with others is the whole.
pub(crate) fn ask_conditionally(request: &mut HeaderMap, stored: Option<&impl Lines>) {
    for name in [
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_MATCH,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
        RANGE,
    ] {
        request.remove(name);
    }
    let Some(stored) = stored else { return };
    if let Some(tag) = stored.line(&ETAG) {
        request.insert(IF_NONE_MATCH, tag.clone());
    }
    if let Some(changed) = stored.line(&LAST_MODIFIED) {
        request.insert(IF_MODIFIED_SINCE, changed.clone());
    }
}

/// True if a 304 is about the stored response (RFC 9111 §4.3.4). If it is not, ask again without
/// conditions.
///
/// A 304 without any validator is taken as the answer to the one conditional request that we sent.
pub(crate) fn selects(stored: &Head, not_modified: &HeaderMap) -> bool {
    let ours = stored.headers.get(ETAG).map(|tag| Tag::of(tag.as_bytes()));
    let theirs = not_modified.get(ETAG).map(|tag| Tag::of(tag.as_bytes()));
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs.weak => ours.matches(&theirs),
        (Some(ours), Some(theirs)) => {
            ours.matches_strongly(&theirs)
                || (ours.matches(&theirs) && changed_at_once(stored, not_modified))
        }
        (None, Some(theirs)) if !theirs.weak => false,
        _ => match not_modified.get(LAST_MODIFIED) {
            None => theirs.is_none(),
            Some(theirs) => stored.headers.get(LAST_MODIFIED).is_some_and(|ours| {
                ours == theirs || {
                    let ours = date::parse(ours.as_bytes());
                    ours.is_some() && ours == date::parse(theirs.as_bytes())
                }
            }),
        },
    }
}

/// True if both last changed at the same time, by which no two versions are mixed up: then
/// `Last-Modified` is a strong validator, too (RFC 9110 §8.8.2.2), and one that agrees is enough.
///
/// Nginx needs this. It makes the tag of what it compresses weak, and in the 304 strong again.
fn changed_at_once(stored: &Head, not_modified: &HeaderMap) -> bool {
    let ours = date::strong_last_modified(&stored.headers);
    ours.is_some() && ours == date::first(not_modified, &LAST_MODIFIED)
}

/// The stored head with the fields that a 304 provides in place of its own (RFC 9111 §3.2), and
/// those of the 304 that are only for the client whose request it answers.
///
/// Judge the result again: the 304 may have made it unfit for storing. A `Date` that the 304 does
/// not renew is dropped; [`ensure_date`](crate::semantics::fields::ensure_date) gives the new one.
///
/// `directives` reads those of the freshened fields: what the stored response says of a field holds
/// for the 304's too (RFC 9111 §5.2.2.4, §5.2.2.7), and the other way round.
pub(crate) fn freshened(
    stored: &Head,
    not_modified: &HeaderMap,
    directives: impl FnOnce(&HeaderMap) -> ResponseDirectives,
) -> (Head, HeaderMap) {
    let listed = listed(not_modified);
    // The strong tag of a file must not come to what is made of it: ranges of the two would be
    // joined by it.
    let ours = stored.headers.get(ETAG).map(|tag| Tag::of(tag.as_bytes()));
    let keeps_tag = ours.is_some_and(|tag| tag.weak);
    let provided = |name: &HeaderName| {
        storable(name, &listed) && !DESCRIBE_CONTENT.contains(name) && (!keeps_tag || *name != ETAG)
    };
    let mut headers = stored.headers.clone();
    headers.remove(DATE);
    for name in not_modified.keys().filter(|name| provided(name)) {
        headers.remove(name);
        for value in not_modified.get_all(name) {
            headers.append(name, own(value));
        }
    }
    let directives = directives(&headers);
    for name in directives
        .no_cache_fields
        .iter()
        .chain(&directives.private_fields)
    {
        headers.remove(name);
    }
    let head = Head {
        status: stored.status,
        headers,
    };
    (head, withheld(not_modified, &directives))
}

/// What describes the stored body stays with it: a 304 has none of its own, and servers do send
/// its lengths and codings here. The digest of a 304's content (RFC 9530 §2) is that of nothing.
const DESCRIBE_CONTENT: [HeaderName; 5] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// True if the client has the stored representation already and is to get a 304
/// (RFC 9110 §13.1.2, §13.1.3, §13.2.2; RFC 9111 §4.3.2).
pub(crate) fn not_modified(request: &HeaderMap, status: StatusCode, stored: &impl Lines) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        // §13.2.1: conditions are for what would have succeeded.
        return status.is_success() && any_matches(request, stored);
    }
    if request.contains_key(IF_MODIFIED_SINCE) {
        return status.is_success() && unchanged_since(request, stored);
    }
    false
}

fn any_matches(request: &HeaderMap, stored: &impl Lines) -> bool {
    let stored = stored.line(&ETAG).map(|tag| Tag::of(tag.as_bytes()));
    request.get_all(IF_NONE_MATCH).iter().any(|line| {
        trim(line.as_bytes()) == b"*"
            || stored.is_some_and(|stored| tags(line.as_bytes()).any(|tag| tag.matches(&stored)))
    })
}

fn unchanged_since(request: &HeaderMap, stored: &impl Lines) -> bool {
    let mut lines = request.get_all(IF_MODIFIED_SINCE).iter();
    let (Some(since), None) = (lines.next(), lines.next()) else {
        return false;
    };
    // RFC 9111 §4.3.2: without a `Last-Modified`, it is as new as its `Date`.
    let Some(changed) = stored.line(&LAST_MODIFIED).or_else(|| stored.line(&DATE)) else {
        return false;
    };
    match (
        date::parse(changed.as_bytes()),
        date::parse(since.as_bytes()),
    ) {
        (Some(changed), Some(since)) => changed <= since,
        _ => false,
    }
}

/// The fields of a 304 for this head (RFC 9110 §15.4.5): those that the 200 would have had and
/// that a cache has to update, among them the targeted ones (RFC 9213 §2.2: who comes next may be
/// meant by them as well), and `Last-Modified` if it is the only validator.
pub(crate) fn not_modified_headers(stored: &impl Lines, targets: &[HeaderName]) -> HeaderMap {
    const ALWAYS: [HeaderName; 6] = [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY];
    let mut headers = HeaderMap::with_capacity(ALWAYS.len() + targets.len());
    for name in ALWAYS.iter().chain(targets) {
        for value in stored.lines(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if !headers.contains_key(ETAG)
        && let Some(changed) = stored.line(&LAST_MODIFIED)
    {
        headers.insert(LAST_MODIFIED, changed.clone());
    }
    headers
}

#[cfg(test)]
mod tests;
