//! Requests that hit the edges.

use proptest::prelude::*;
use proptest::sample::select;

use super::Fields;
use super::generate::{argument, field, junk, list, mask, mixed_case, one_of};

/// A request's demands.
pub(super) fn demands() -> impl Strategy<Value = Fields> {
    let pragma = one_of(&["no-cache", "x, No-Cache", "x"]);
    let pragma = prop_oneof![5 => Just(vec![]), 1 => field("Pragma", pragma)];
    (list("cache-control", request_directive(), 3), pragma)
        .prop_map(|(control, pragma)| [control, pragma].concat())
}

/// What requests are told apart by: few values, each written in several ways.
pub(super) fn negotiation() -> impl Strategy<Value = Fields> {
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
        list("Accept", accept, 2),
        list("accept-language", language, 2),
        list("X-own", own, 2),
        field("cookie", cookie),
        prop_oneof![4 => Just(vec![]), 1 => field("x-other", one_of(&["1", "2"]))],
    );
    parts.prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat())
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
