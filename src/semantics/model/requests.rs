//! Requests that hit the edges.

use proptest::prelude::*;
use proptest::sample::select;

use super::Fields;
use super::generate::{self, argument, field, joined, junk, list, mask, mixed_case, one_of};

/// A request's demands.
pub(super) fn demands() -> impl Strategy<Value = Fields> {
    let pragma = one_of(&["no-cache", "x, No-Cache", "x"]);
    let pragma = prop_oneof![5 => Just(vec![]), 1 => field("Pragma", pragma)];
    (list("cache-control", request_directive(), 3), pragma)
        .prop_map(|(control, pragma)| [control, pragma].concat())
}

/// Two requests that differ in little: in how a field is written, or in what it says.
pub(super) fn twins() -> impl Strategy<Value = (Fields, Fields)> {
    let accept = one_of(&[
        "text/html",
        "TEXT/HTML",
        "a/b;p=\"X, y\"",
        "a/b ; P=\"X, y\"",
        "a/b;p=\"x, y\"",
        "a/b;p=X",
        "a/b;P=X",
        "a/b;p=x",
        "",
    ]);
    let language = one_of(&["en", "EN", "de;q=0.5", "De ;Q=0.5", "de;q=0.50", ""]);
    let own = one_of(&["1", "a", "A", "\"a,b\"", "\"a, b\"", "a;b", "a; b", ""]);
    let cookie = one_of(&[
        "a=1", "a=1; b=2", "b=2", "A=1", "a=1 ", "a=1,b=2", "a=1, b=2",
    ]);
    let parts = (
        twin_lists("Accept", accept),
        twin_lists("accept-language", language),
        twin_lists("X-own", own),
        twin_lists("cookie", cookie),
    );
    parts.prop_map(|(a, b, c, d)| {
        let all = [a, b, c, d];
        let side =
            |of: fn(&(Fields, Fields)) -> &Fields| all.iter().flat_map(of).cloned().collect();
        (side(|(one, _)| one), side(|(_, other)| other))
    })
}

/// Two lists of members that are the same or, seldom, others; each is cut up in its own way.
fn twin_lists(
    name: &'static str,
    member: impl Strategy<Value = String> + Clone,
) -> impl Strategy<Value = (Fields, Fields)> {
    let other = prop::option::weighted(0.15, member.clone());
    // A cookie has no commas of its own.
    let own_glue = move |(comma, cut)| (comma, cut || name == "cookie");
    let glue = || generate::glue().prop_map(own_glue);
    let members = prop::collection::vec((member, other, glue(), glue()), 0..=2);
    members.prop_map(move |members| {
        let one = members
            .iter()
            .map(|(member, _, glue, _)| (member.clone(), *glue));
        let other = members
            .iter()
            .map(|(member, other, _, glue)| (other.as_ref().unwrap_or(member).clone(), *glue));
        (joined(name, one.collect()), joined(name, other.collect()))
    })
}

fn request_directive() -> impl Strategy<Value = String> {
    let timed = select(vec!["max-age", "min-fresh", "max-stale"]);
    let plain = select(vec!["only-if-cached", "no-cache", "max-stale"]);
    prop_oneof![
        6 => (timed, argument(), mask()).prop_map(|(name, argument, mask)| {
            mixed_case(name, mask) + &argument
        }),
        1 => (plain, mask()).prop_map(|(name, mask)| mixed_case(name, mask)),
        1 => junk(),
    ]
}
