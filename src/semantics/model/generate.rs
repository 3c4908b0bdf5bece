//! Heads that hit the edges: numbers at and beyond the limits, dates before and after one another
//! and none at all, repeats, mixed case, quotes, empty members, and what the grammar forbids.

use proptest::prelude::*;
use proptest::sample::select;

use super::calendar::{Form, write};
use super::rules::{Exchange, Wishes};
use super::{Fields, SECOND};

/// 2026-01-01T00:00:00Z.
const NOW: i128 = 1_767_225_600;

/// Numbers of seconds that are near one another, so that they meet.
fn few_seconds() -> impl Strategy<Value = i128> {
    prop_oneof![0_i128..12, select(vec![59, 60, 61, 100, 3_600])]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => few_seconds().prop_map(|seconds| seconds.to_string()),
        1 => select(vec![
            "2147483647", "2147483648", "2147483649", "4294967296", "18446744073709551616",
            "99999999999999999999999999999999999999999999", "0007", "00",
        ])
        .prop_map(str::to_owned),
        1 => select(vec!["", "-1", "1.5", "x", "+1", "1e3", "7 8", "7;a", "'7'"])
            .prop_map(str::to_owned),
    ]
}

/// What may follow the name of a directive.
pub(super) fn argument() -> impl Strategy<Value = String> {
    (number(), select(vec!["=", "=", "=", "=\"", "= ", " =", ""])).prop_map(|(number, sign)| {
        match sign {
            "" => String::new(),
            "=\"" => format!("=\"{number}\""),
            sign => format!("{sign}{number}"),
        }
    })
}

fn names() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "",
        "=\"x-a\"",
        "=\"Set-Cookie\"",
        "=\"etag, Last-Modified\"",
        "=\" , x-a,\"",
        "=x-a",
        "=\"\"",
        "=\"x a\"",
        "=\",\"",
    ])
    .prop_map(str::to_owned)
}

pub(super) fn mixed_case(text: &str, mask: u32) -> String {
    let mix = |(at, c): (usize, char)| {
        if mask >> (at % 32) & 1 == 1 {
            c.to_ascii_uppercase()
        } else {
            c
        }
    };
    text.chars().enumerate().map(mix).collect()
}

fn response_directive() -> impl Strategy<Value = String> {
    let timed = select(vec![
        "max-age",
        "s-maxage",
        "stale-while-revalidate",
        "stale-if-error",
    ]);
    let plain = select(vec![
        "public",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "immutable",
        "no-transform",
        "no-store",
    ]);
    let listing = select(vec!["no-cache", "private"]);
    prop_oneof![
        8 => (timed, argument(), mask()).prop_map(|(name, argument, mask)| {
            mixed_case(name, mask) + &argument
        }),
        3 => (plain, mask()).prop_map(|(name, mask)| mixed_case(name, mask)),
        2 => (listing, names(), mask()).prop_map(|(name, names, mask)| {
            mixed_case(name, mask) + &names
        }),
        1 => junk(),
    ]
}

/// Mostly none, so that words are mostly as they are usually written.
pub(super) fn mask() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>()]
}

pub(super) fn junk() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "\t",
        "foo",
        "foo=\"a, no-store, max-age=9\"",
        "=",
        "=9",
        "max-age-ish=9",
        "a=\"\\\", public\"",
        // A quotation mark without a partner hides nothing that comes after it.
        "open=\"a",
    ])
    .prop_map(str::to_owned)
}

/// A list over some lines.
pub(super) fn list(
    name: &'static str,
    member: impl Strategy<Value = String>,
    most: usize,
) -> impl Strategy<Value = Fields> {
    prop::collection::vec((member, glue()), 0..=most).prop_map(move |members| joined(name, members))
}

/// What comes after a member: a comma, and whether a new line begins instead.
pub(super) fn glue() -> impl Strategy<Value = (&'static str, bool)> {
    let comma = select(vec![",", ", ", " ,\t", ",,", ", , "]);
    (comma, prop::bool::weighted(0.2))
}

pub(super) fn joined(name: &str, members: Vec<(String, (&str, bool))>) -> Fields {
    let mut lines: Vec<String> = vec![];
    let mut comma = None;
    for (member, (next, cut)) in members {
        match (lines.last_mut(), comma) {
            (Some(line), Some(comma)) => *line += &format!("{comma}{member}"),
            _ => lines.push(member),
        }
        comma = (!cut).then_some(next);
    }
    let named = lines.into_iter().map(|line| (name.to_owned(), line));
    named.collect()
}

/// A date relative to now, in one of its forms, or what is none.
fn date() -> impl Strategy<Value = String> {
    let offset = prop_oneof![
        5 => -15_i128..15,
        2 => select(vec![-86_400, 86_400, -3_600, 3_600, -1_000_000_000, 900_000_000]),
    ];
    let form = select(vec![Form::Imf, Form::Imf, Form::Rfc850, Form::Asctime]);
    let good = (offset, form, mask())
        .prop_map(|(offset, form, mask)| mixed_case(&write(NOW + offset, form), mask));
    let bad = select(vec![
        "0",
        "-1",
        "",
        "now",
        "Thu, 31 Feb 2026 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 UTC",
        "Thu, 01 Jan 2026 24:00:00 GMT",
        "Thu, 1 Jan 2026 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT, Thu, 01 Jan 2026 00:00:00 GMT",
        // The wrong day of the week, and another zone that says nothing.
        "Mon, 01 Jan 2026 00:00:09 GMT",
        "Fri Jan  1 00:00:05 2027",
        "Wed, 01 Jan 9999 00:00:00 GMT",
    ])
    .prop_map(str::to_owned);
    prop_oneof![6 => good, 1 => bad]
}

/// Mostly one line or none.
pub(super) fn field(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Fields> {
    let lines = prop_oneof![5 => Just(0_usize), 6 => Just(1), 1 => Just(2)];
    (lines, prop::collection::vec(value, 2)).prop_map(move |(lines, values)| {
        let values = values.into_iter().take(lines);
        values.map(|value| (name.to_owned(), value)).collect()
    })
}

fn age() -> impl Strategy<Value = String> {
    let more = select(vec!["", "", "", ", 7", ",x", " "]);
    (number(), more).prop_map(|(number, more)| number + more)
}

pub(super) fn one_of(texts: &[&'static str]) -> impl Strategy<Value = String> + Clone + use<> {
    select(texts.to_vec()).prop_map(str::to_owned)
}

pub(super) fn response() -> impl Strategy<Value = Fields> {
    let parts = (
        list("Cache-Control", response_directive(), 4),
        field("date", date()),
        field("Expires", date()),
        field("age", age()),
        field("last-modified", date()),
        field("etag", one_of(&["\"a\"", "W/\"a\""])),
        prop_oneof![5 => Just(vec![]), 1 => field("set-cookie", one_of(&["a=b"]))],
        prop_oneof![3 => Just(vec![]), 1 => list("Vary", varying(), 3)],
    );
    parts.prop_map(|(a, b, c, d, e, f, g, h)| [a, b, c, d, e, f, g, h].concat())
}

pub(super) fn varying() -> impl Strategy<Value = String> {
    let names = ["accept", "Accept", "cookie", "X-Own", "accept-language"];
    prop_oneof![12 => one_of(&names), 1 => one_of(&["*", "a b", ""])]
}

pub(super) fn exchange() -> impl Strategy<Value = Exchange> {
    let status = prop_oneof![
        6 => Just(200_u16),
        3 => select(vec![
            100, 199, 201, 203, 204, 206, 299, 300, 301, 302, 304, 306, 308, 404, 410, 418, 426,
            451, 500, 501, 503, 505, 511, 599, 600, 999,
        ]),
        1 => 100_u16..1000,
    ];
    // Requested some time before or, by a clock that was set back, after the receipt.
    let delay = prop_oneof![
        Just(0_i128),
        0_i128..3 * SECOND,
        few_seconds().prop_map(|seconds| seconds * SECOND),
        -5 * SECOND..0,
    ];
    let fraction = prop_oneof![Just(0_i128), 0..SECOND, Just(SECOND - 1)];
    let flag = prop::bool::weighted;
    (flag(0.95), flag(0.2), status, response(), delay, fraction).prop_map(
        |(get, authorized, status, fields, delay, fraction)| {
            let received = NOW * SECOND + fraction;
            Exchange {
                get,
                authorized,
                status,
                fields,
                requested: received - delay,
                received,
            }
        },
    )
}

pub(super) fn wishes() -> impl Strategy<Value = Wishes> {
    let seldom = || prop_oneof![3 => Just(0_i128), 1 => few_seconds()];
    let perhaps = || prop::option::weighted(0.25, few_seconds());
    (
        perhaps(),
        seldom(),
        perhaps(),
        seldom(),
        seldom(),
        prop::bool::weighted(0.2),
        prop_oneof![Just(86_400), few_seconds()],
    )
        .prop_map(
            |(default_ttl, grace, if_error, if_unreachable, keep, cookies, longest_guess)| Wishes {
                default_ttl,
                grace,
                if_error,
                if_unreachable,
                keep,
                cookies,
                longest_guess,
            },
        )
}
