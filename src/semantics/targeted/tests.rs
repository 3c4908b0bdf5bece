//! RFC 9213.

use std::time::Duration;

use http::HeaderValue;
use http::header::CACHE_CONTROL;

use super::*;

const OURS: HeaderName = HeaderName::from_static("ours-cache-control");

fn head(lines: &[(&HeaderName, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    lines
        .iter()
        .map(|(name, text)| ((*name).clone(), value(text)))
        .collect()
}

fn of(text: &str) -> Option<ResponseDirectives> {
    select(&head(&[(&CDN_CACHE_CONTROL, text)]), &[CDN_CACHE_CONTROL])
}

const fn secs(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs))
}

/// §2.1: directives are the members of a dictionary.
#[test]
fn directives_are_members() {
    let found = of("max-age=60, s-maxage=5;x=y, no-store, must-revalidate, unknown=(a b)").unwrap();
    assert_eq!(
        found,
        ResponseDirectives {
            max_age: secs(60),
            s_maxage: secs(5),
            no_store: true,
            must_revalidate: true,
            without_expires: true,
            ..ResponseDirectives::default()
        }
    );
    let names = of("no-cache=\"set-cookie, x-a\", private").unwrap();
    assert!(!names.no_cache && names.private);
    assert_eq!(names.no_cache_fields, ["set-cookie", "x-a"]);
}

/// §2.1: what is empty or does not parse is ignored as a whole.
#[test]
fn what_does_not_parse_is_ignored_as_a_whole() {
    for text in [
        "",
        " ",
        "max-age",
        "Max-Age=60",
        "max-age =60",
        "max-age= 60",
        "max-age=60,",
        "max-age=60, no-cache=",
        "max-age=60; x=\u{e9}",
        "max-age=60 no-store",
        "max-age=9999999999999999",
        "max-age=60, &",
    ] {
        let expected = text == "max-age";
        assert_eq!(of(text).is_some(), expected, "{text:?}");
    }
    // By its grammar it is a member: true, where a number is wanted.
    assert_eq!(of("max-age").unwrap().max_age, secs(0));
}

/// §2.1: values of other types than the directive's are not consumed. A lifetime that cannot be
/// read makes the response stale (RFC 9111 §4.2.1).
#[test]
fn values_of_another_type_are_not_consumed() {
    for text in [
        "max-age=\"60\"",
        "max-age=60.5",
        "max-age=sixty",
        "max-age=(60)",
        "max-age=-1",
        "max-age=:aGk=:",
    ] {
        assert_eq!(of(text).unwrap().max_age, secs(0), "{text}");
    }
    assert_eq!(of("a, max-age=?0").unwrap().max_age, None);
    assert!(!of("no-store=?0").unwrap().no_store);
    assert!(of("private=(a b)").unwrap().private);
    assert_eq!(
        of("stale-while-revalidate=\"60\"")
            .unwrap()
            .stale_while_revalidate,
        None
    );
}

/// RFC 8941 §3.2: the last of several members counts; §4.2: lines are one list.
#[test]
fn lines_are_one_dictionary_whose_last_member_counts() {
    let lines = [
        (&CDN_CACHE_CONTROL, "max-age=1"),
        (&CDN_CACHE_CONTROL, "max-age=2, public"),
        (&CDN_CACHE_CONTROL, "immutable"),
    ];
    let found = select(&head(&lines), &[CDN_CACHE_CONTROL]).unwrap();
    assert_eq!(found.max_age, secs(2));
    assert!(found.public && found.immutable);
    let broken = [lines[0], (&CDN_CACHE_CONTROL, "=")];
    assert_eq!(select(&head(&broken), &[CDN_CACHE_CONTROL]), None);
}

/// §2.2: the first of the target list that is valid and not empty, whatever the order of fields.
#[test]
fn the_first_valid_target_counts() {
    let targets = [OURS, CDN_CACHE_CONTROL];
    let choose = |lines: &[(&HeaderName, &str)]| {
        let found = select(&head(lines), &targets);
        found.map(|found| found.max_age.unwrap_or_default().as_secs())
    };
    let cdn = (&CDN_CACHE_CONTROL, "max-age=1");
    assert_eq!(choose(&[cdn, (&OURS, "max-age=2")]), Some(2));
    assert_eq!(choose(&[cdn, (&OURS, "max-age=2,")]), Some(1));
    assert_eq!(choose(&[cdn, (&OURS, "")]), Some(1));
    assert_eq!(choose(&[(&OURS, "public"), cdn]), Some(0));
    assert_eq!(choose(&[(&CACHE_CONTROL, "max-age=3")]), None);
    assert_eq!(select(&head(&[cdn]), &[]), None);
}

/// §2.2: then `Cache-Control` and `Expires` are ignored; else they count.
#[test]
fn it_counts_in_place_of_cache_control_and_expires() {
    let lines = [
        (&CACHE_CONTROL, "no-store, private, max-age=9"),
        (&CDN_CACHE_CONTROL, "public"),
    ];
    let found = ResponseDirectives::of(&head(&lines), &[CDN_CACHE_CONTROL]);
    assert!(found.public && !found.no_store && !found.private && found.without_expires);
    assert_eq!(found.max_age, None);
    let fallback = ResponseDirectives::of(&head(&lines), &[OURS]);
    assert!(fallback.no_store && !fallback.without_expires);
}
