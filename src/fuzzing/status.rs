//! `Cache-Status` (RFC 9211), read back with a parser of structured fields.

use sfv::{BareItem, List, ListEntry, Parser};

use super::input::number;
use crate::semantics::status::{Fwd, Name, Report, render, seconds};

/// Details that are tokens, and some that are not.
const DETAILS: [&str; 6] = ["no-store", "a b", "\"\\", "9", "", "\u{e4}\n\u{7f}"];

/// Two numbers, and then a name for the cache.
pub fn status(bytes: &[u8]) {
    let mut rest = bytes;
    let (choices, ttl) = (number(&mut rest), number(&mut rest).cast_signed());
    let at = |shift: u32, several: u64| usize::try_from((choices >> shift) % several).unwrap_or(0);
    let fwd = [
        Fwd::Bypass,
        Fwd::Method,
        Fwd::Miss,
        Fwd::VaryMiss,
        Fwd::Stale,
        Fwd::Request,
    ];
    let report = Report {
        hit: at(0, 2) == 1,
        fwd: fwd.get(at(1, 8)).copied(),
        fwd_status: u16::try_from(at(4, 2000)).ok().filter(|code| *code >= 100),
        ttl: (at(16, 2) == 1).then_some(ttl),
        stored: at(17, 2) == 1,
        collapsed: at(18, 2) == 1,
        detail: DETAILS.get(at(19, 8)).copied(),
    };
    let given = String::from_utf8_lossy(rest);
    let name = Name::of(&given);
    let printable = given.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    assert_eq!(name.is_some(), printable && !given.is_empty());
    let known = name.as_ref().map(|_| &*given);
    let name = name.or_else(|| Name::of("cache")).expect("a token");
    reads_as(render(&name, &report).as_bytes(), &report, known);
    assert_eq!(seconds(choices).as_bytes(), choices.to_string().as_bytes());
    assert_eq!(
        seconds(choices % 20_000),
        (choices % 20_000).to_string().as_str()
    );
}

/// One item with the parameters of RFC 9211 §2, each of its type.
fn reads_as(text: &[u8], report: &Report, name: Option<&str>) {
    let list = Parser::new(text)
        .parse::<List>()
        .expect("a structured field");
    let [ListEntry::Item(item)] = &list[..] else {
        panic!("not one item: {list:?}");
    };
    if let Some(name) = name {
        assert_eq!(word(&item.bare_item), Some(name));
    }
    let parameter = |name: &str| item.params.get(name);
    let flag = |name: &str| parameter(name) == Some(&BareItem::Boolean(true));
    let integer = |name: &str| {
        parameter(name)
            .and_then(|found| found.as_integer())
            .map(i64::from)
    };

    assert_eq!(flag("hit"), report.hit);
    assert!(!report.hit || parameter("fwd").is_none(), "RFC 9211 §2.1");
    let fwd = report.fwd.filter(|_| !report.hit).map(Fwd::as_str);
    assert_eq!(parameter("fwd").and_then(word), fwd);
    assert_eq!(integer("fwd-status"), report.fwd_status.map(i64::from));
    let most = 999_999_999_999_999;
    assert_eq!(integer("ttl"), report.ttl.map(|ttl| ttl.clamp(-most, most)));
    assert_eq!(flag("stored"), report.stored);
    assert_eq!(flag("collapsed"), report.collapsed);
    assert_eq!(parameter("detail").is_some(), report.detail.is_some());
}

/// The text of a token or a string.
fn word(item: &BareItem) -> Option<&str> {
    let token = item.as_token().map(|token| token.as_str());
    token.or_else(|| item.as_string().map(|string| string.as_str()))
}
