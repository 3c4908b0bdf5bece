//! What a client asks of a stored response (RFC 9111 §5.2.1).

use super::Fields;
use super::rules::Stored;
use super::text::{Argument, delta_seconds, directives, has, members};

/// True if the client takes a response of which a cache may make this use, so many microseconds
/// after its receipt; `None` where the RFC does not say.
pub(super) fn content(request: &Fields, stored: &Stored, passed: i128) -> Option<bool> {
    let said = directives(request, "cache-control");
    let flag = |name: &str| said.iter().any(|(found, _)| found == name);
    // §5.4: "treat it as if it were Cache-Control: no-cache", if there is no such field.
    let pragma = members(request, "pragma");
    let pragma = pragma
        .iter()
        .any(|member| member.to_lowercase() == "no-cache");
    if flag("no-cache") || (!has(request, "cache-control") && pragma) {
        return Some(false);
    }
    let first = |name: &str| said.iter().find(|(found, _)| found == name);
    let read = |argument: &Argument| match argument {
        Argument::Given(text) => delta_seconds(text),
        Argument::Missing | Argument::Broken => None,
    };
    let micros = |seconds: i128| seconds * super::SECOND;
    // One that cannot be read permits nothing, as in a response.
    let max_age = first("max-age").map(|(_, argument)| micros(read(argument).unwrap_or(0)));
    let readable = |name: &str| {
        let mut all = said.iter().filter(|(found, _)| found == name);
        all.find_map(|(_, argument)| read(argument))
    };
    let min_fresh = readable("min-fresh").map(micros);
    // "If no value is assigned to max-stale, then the client will accept a stale response of any
    // age."
    let mut stale = said.iter().filter(|(name, _)| name == "max-stale");
    let max_stale = stale.find_map(|(_, argument)| match argument {
        Argument::Missing => Some(i128::MAX),
        argument => read(argument).map(micros),
    });

    let current_age = stored.age + passed;
    let left = stored.fresh - current_age;
    // §5.2.1.1: "does not exceed".
    let young = max_age.is_none_or(|most| current_age <= most);
    if left > 0 {
        // §5.2.1.3: "no less than its current age plus the specified time".
        return Some(young && min_fresh.is_none_or(|least| left >= least));
    }
    match (max_stale, min_fresh) {
        // Contradictory.
        (Some(_), Some(_)) => None,
        // §5.2.1.2: "not more than the specified number of seconds".
        (Some(most), None) => Some(young && -left <= most),
        // §5.2.1.1: "Unless the max-stale request directive is also present, the client does not
        // wish to receive a stale response."
        (None, None) => Some(max_age.is_none()),
        (None, Some(_)) => Some(false),
    }
}

/// §5.2.1.7.
pub(super) fn only_if_cached(request: &Fields) -> bool {
    let said = directives(request, "cache-control");
    said.iter().any(|(name, _)| name == "only-if-cached")
}
