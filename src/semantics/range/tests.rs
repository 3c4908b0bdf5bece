use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

const EARLY: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const EARLY_850: &str = "Wednesday, 01-Jan-20 00:00:00 GMT";
const SECOND_LATER: &str = "Wed, 01 Jan 2020 00:00:01 GMT";
const LATER: &str = "Thu, 02 Jan 2020 00:00:00 GMT";

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn ask(range: &str, length: u64) -> Selection {
    select(&fields(&[("range", range)]), &HeaderMap::new(), length)
}

/// As a client would see it: `Content-Range`s, `*` for 416, nothing for all of it.
fn shown(selection: &Selection) -> String {
    let text = |value: HeaderValue| value.to_str().unwrap().replace("bytes ", "");
    match selection {
        Selection::Whole => String::new(),
        Selection::One(span) => text(span.content_range()),
        Selection::Many(spans) => {
            assert!(spans.len() > 1);
            let spans: Vec<_> = spans
                .iter()
                .map(|span| text(span.content_range()))
                .collect();
            spans.join(" ")
        }
        Selection::Unsatisfiable(length) => text(unsatisfied(*length)),
    }
}

/// RFC 9110 §14.1.2, with its own examples of 10,000 bytes.
#[test]
fn ranges_are_resolved_against_the_length() {
    for (range, length, expected) in [
        ("bytes=0-499", 10_000, "0-499/10000"),
        ("bytes=500-999", 10_000, "500-999/10000"),
        ("bytes=-500", 10_000, "9500-9999/10000"),
        ("bytes=9500-", 10_000, "9500-9999/10000"),
        ("bytes=0-0,-1", 10_000, "0-0/10000 9999-9999/10000"),
        (
            "bytes= 0-999, 4500-5499, -1000",
            10_000,
            "0-999/10000 4500-5499/10000 9000-9999/10000",
        ),
        ("bytes=0-", 10, "0-9/10"),
        ("bytes=0-9", 10, "0-9/10"),
        ("bytes=9-", 10, "9-9/10"),
        ("bytes=5-99", 10, "5-9/10"),
        ("bytes=5-99999999999999999999999", 10, "5-9/10"),
        ("bytes=-99", 10, "0-9/10"),
        ("bytes=-99999999999999999999999", 10, "0-9/10"),
        ("bytes=007-08", 10, "7-8/10"),
    ] {
        assert_eq!(shown(&ask(range, length)), expected, "{range} of {length}");
    }
}

/// RFC 9110 §14.1.2: satisfiable is a first position within, or the end of something.
#[test]
fn what_begins_beyond_the_end_is_unsatisfiable_unless_another_range_is_not() {
    for (range, length, expected) in [
        ("bytes=10-", 10, "*/10"),
        ("bytes=10-20", 10, "*/10"),
        ("bytes=99999999999999999999999-", 10, "*/10"),
        ("bytes=-0", 10, "*/10"),
        ("bytes=10-, 20-30, -0", 10, "*/10"),
        ("bytes=10-, 3-4", 10, "3-4/10"),
        ("bytes=-0, 1-1, 50-", 10, "1-1/10"),
        ("bytes=0-", 0, "*/0"),
        ("bytes=0-0", 0, "*/0"),
        ("bytes=-0", 0, "*/0"),
        ("bytes=-5", 0, ""),
        ("bytes=0-, -5", 0, ""),
    ] {
        assert_eq!(shown(&ask(range, length)), expected, "{range} of {length}");
    }
}

#[test]
fn a_range_is_beyond_a_size_if_no_body_of_that_size_has_any_of_it() {
    for (range, beyond) in [
        ("bytes=10-", true),
        ("bytes=10-20, 12-", true),
        ("bytes=9-", false),
        ("bytes=10-, 9-9", false),
        ("bytes=-1", false),
        ("bytes=10-, -1", false),
        ("bytes=20-10", false),
        ("lines=10-", false),
    ] {
        let request = fields(&[("range", range)]);
        assert_eq!(is_beyond(&request, 10), beyond, "{range}");
    }
    assert!(!is_beyond(&HeaderMap::new(), 0));
}

/// RFC 9110 §14.1, §14.1.1, §14.2.
#[test]
fn other_units_and_bad_syntax_are_ignored() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes= , ,",
        "bytes=-",
        "bytes=--1",
        "bytes=1",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=1 - 2",
        "bytes=2-1",
        "bytes=1-2;3-4",
        "bytes=1-2, x",
        "bytes=1-2, 4-3",
        "bytes =1-2",
        "bytes1-2",
        "=1-2",
        "items=1-2",
        "bytess=1-2",
        "1-2",
    ] {
        assert_eq!(ask(range, 10), Selection::Whole, "{range}");
    }
    for range in ["BYTES=1-2", "Bytes=1-2", "bytes=,, 1-2\t, ", "bytes=1-2 "] {
        assert_eq!(shown(&ask(range, 10)), "1-2/10", "{range}");
    }
    let twice = fields(&[("range", "bytes=1-2"), ("range", "bytes=4-5")]);
    assert_eq!(select(&twice, &HeaderMap::new(), 10), Selection::Whole);
    assert_eq!(
        select(&HeaderMap::new(), &HeaderMap::new(), 10),
        Selection::Whole
    );
}

/// RFC 9110 §14.2, §15.3.7.2, §17.15.
#[test]
fn what_touches_is_joined_in_the_order_of_the_request_and_too_many_are_ignored() {
    for (range, expected) in [
        ("bytes=0-4,2-6", "0-6/100"),
        ("bytes=0-4,5-6", "0-6/100"),
        ("bytes=5-6,0-4", "0-6/100"),
        ("bytes=0-4,6-7", "0-4/100 6-7/100"),
        ("bytes=6-7,0-4", "6-7/100 0-4/100"),
        ("bytes=0-99,5-6,-1", "0-99/100"),
        ("bytes=50-60,0-1,55-70", "50-70/100 0-1/100"),
        (
            "bytes=90-95,0-1,50-60,2-2,93-",
            "90-99/100 0-2/100 50-60/100",
        ),
        ("bytes=3-3,3-3,3-3", "3-3/100"),
    ] {
        assert_eq!(shown(&ask(range, 100)), expected, "{range}");
    }
    let many = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|n| format!("{}-{0}", n * 2)).collect();
        ask(&format!("bytes={}", ranges.join(",")), 100)
    };
    assert!(matches!(many(MOST), Selection::Many(spans) if spans.len() == MOST));
    assert_eq!(many(MOST + 1), Selection::Whole);
    assert_eq!(
        ask(&format!("bytes={}", "0-,".repeat(17)), 9),
        Selection::Whole
    );
}

/// RFC 9110 §13.1.5, §8.8.2.2.
#[test]
fn if_range_takes_a_strong_validator_of_what_there_is() {
    type Fields = &'static [(&'static str, &'static str)];
    let tagged: Fields = &[("etag", "\"a\""), ("last-modified", EARLY), ("date", LATER)];
    let table: [(&str, Fields, bool); 18] = [
        ("\"a\"", tagged, true),
        (" \"a\" ", tagged, true),
        ("\"b\"", tagged, false),
        ("W/\"a\"", tagged, false),
        ("*", tagged, false),
        ("", tagged, false),
        ("a", &[("etag", "a")], false),
        ("W/\"a\"", &[("etag", "W/\"a\"")], false),
        ("\"a\"", &[("etag", "W/\"a\"")], false),
        ("\"a\"", &[], false),
        (EARLY, tagged, true),
        (EARLY_850, tagged, true),
        // Neither earlier nor later will do.
        (LATER, tagged, false),
        (EARLY, &[("last-modified", LATER), ("date", LATER)], false),
        (
            EARLY,
            &[("last-modified", EARLY), ("date", SECOND_LATER)],
            true,
        ),
        (EARLY, &[("last-modified", EARLY), ("date", EARLY)], false),
        (EARLY, &[("last-modified", EARLY)], false),
        (EARLY, &[("date", EARLY)], false),
    ];
    for (validator, response, holds) in table {
        let request = fields(&[("range", "bytes=1-2"), ("if-range", validator)]);
        let expected = if holds { "1-2/10" } else { "" };
        let selection = select(&request, &fields(response), 10);
        assert_eq!(shown(&selection), expected, "{validator} {response:?}");
    }
    let twice = fields(&[
        ("range", "bytes=1-2"),
        ("if-range", "\"a\""),
        ("if-range", "\"a\""),
    ]);
    assert_eq!(select(&twice, &fields(tagged), 10), Selection::Whole);
    // If it does not hold there is nothing to be unsatisfied with.
    let beyond = fields(&[("range", "bytes=10-"), ("if-range", "\"b\"")]);
    assert_eq!(select(&beyond, &fields(tagged), 10), Selection::Whole);
}

/// RFC 9110 §13.1.1, §13.1.4.
#[test]
fn no_part_of_another_version_goes_to_who_names_its_own() {
    type Fields = &'static [(&'static str, &'static str)];
    let stored: Fields = &[("etag", "\"a\""), ("last-modified", EARLY)];
    let table: [(Fields, Fields, bool); 10] = [
        (&[("if-match", "\"x\", \"a\"")], stored, true),
        (
            &[("if-match", "\"x\""), ("if-match", "\"a\"")],
            stored,
            true,
        ),
        (&[("if-match", "*")], &[], true),
        (&[("if-match", "\"b\"")], stored, false),
        (&[("if-match", "W/\"a\"")], &[("etag", "W/\"a\"")], false),
        (
            &[("if-match", "\"a\""), ("if-unmodified-since", EARLY)],
            &[("etag", "\"a\"")],
            true,
        ),
        (&[("if-unmodified-since", EARLY)], stored, true),
        (
            &[("if-unmodified-since", EARLY)],
            &[("last-modified", LATER)],
            false,
        ),
        (&[("if-unmodified-since", EARLY)], &[], false),
        (&[("if-unmodified-since", "x")], stored, false),
    ];
    for (conditions, response, holds) in table {
        let mut request = fields(conditions);
        request.insert(RANGE, HeaderValue::from_static("bytes=1-2"));
        let expected = if holds { "1-2/10" } else { "" };
        let selection = select(&request, &fields(response), 10);
        assert_eq!(shown(&selection), expected, "{conditions:?} {response:?}");
    }
}

/// The bytes that each part has, picked one by one: every byte that a range names, in runs, each
/// run in the place of the first range that has a byte in it.
fn model(specs: &[(Option<u64>, Option<u64>)], body: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let length = body.len() as u64;
    let names = |spec: &(Option<u64>, Option<u64>), at: u64| match *spec {
        (Some(first), Some(last)) => first <= at && at <= last,
        (Some(first), None) => first <= at,
        (None, Some(suffix)) => at + suffix >= length,
        (None, None) => false,
    };
    let by = |at: usize| specs.iter().position(|spec| names(spec, at as u64));
    let mut runs: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    for (at, &byte) in body.iter().enumerate() {
        let Some(place) = by(at) else { continue };
        match runs.last_mut() {
            Some((first, start, run)) if *start + run.len() == at => {
                run.push(byte);
                *first = place.min(*first);
            }
            _ => runs.push((place, at, vec![byte])),
        }
    }
    runs.sort_by_key(|(place, _, _)| *place);
    runs.into_iter()
        .map(|(_, start, run)| (start, run))
        .collect()
}

fn spec() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    prop_oneof![
        (0_u64..40, 0_u64..12).prop_map(|(first, more)| (Some(first), Some(first + more))),
        (0_u64..40).prop_map(|first| (Some(first), None)),
        (0_u64..40).prop_map(|suffix| (None, Some(suffix))),
    ]
}

fn written(specs: &[(Option<u64>, Option<u64>)]) -> String {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let specs: Vec<_> = specs
        .iter()
        .map(|(first, last)| format!("{}-{}", number(*first), number(*last)))
        .collect();
    format!("bytes={}", specs.join(", "))
}

proptest! {
    #[test]
    fn parts_are_what_the_slow_and_obvious_model_picks(
        specs in proptest::collection::vec(spec(), 1..=MOST),
        body in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let spans = match ask(&written(&specs), body.len() as u64) {
            Selection::One(span) => vec![span],
            Selection::Many(spans) => spans.to_vec(),
            Selection::Unsatisfiable(length) => {
                prop_assert_eq!(length, body.len() as u64);
                Vec::new()
            }
            Selection::Whole => return Err(TestCaseError::fail("it was ignored")),
        };
        let parts: Vec<_> = spans
            .iter()
            .map(|span| {
                let (first, last) = (span.first as usize, span.last as usize);
                assert_eq!(span.length() as usize, last + 1 - first);
                (first, body[first..=last].to_vec())
            })
            .collect();
        prop_assert_eq!(parts, model(&specs, &body));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), length: u64) {
        if let Ok(line) = HeaderValue::from_bytes(&bytes) {
            let mut request = HeaderMap::new();
            request.insert(RANGE, line.clone());
            request.insert(IF_RANGE, line);
            select(&request, &HeaderMap::new(), length);
        }
    }

    #[test]
    fn no_numbers_panic(first: u64, last: u64, suffix: u64, length: u64) {
        let range = format!("bytes={first}-{last}, {last}-{first}0, {suffix}-, -{suffix}");
        ask(&range, length);
        ask(&format!("bytes={first}-, 0-, -{suffix}"), length);
        ask("bytes=0-18446744073709551615, 18446744073709551614-", length);
        ask("bytes=0-18446744073709551615, 18446744073709551614-", u64::MAX);
    }
}

#[test]
fn a_hostile_line_takes_linear_time() {
    for unit in ["0-,", ",", " ,", "-", "9", "0-0,2-2,"] {
        let line = format!("bytes={}", unit.repeat(100_000));
        assert_eq!(ask(&line, 10), Selection::Whole, "{unit}");
    }
}
