use http::StatusCode;
use http::header::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::semantics::targeted::CDN_CACHE_CONTROL;

const OLD: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const OLD_850: &str = "Wednesday, 01-Jan-20 00:00:00 GMT";
const MIDDLE: &str = "Thu, 02 Jan 2020 00:00:00 GMT";
const NEW: &str = "Fri, 03 Jan 2020 00:00:00 GMT";

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// True if this client has this head's content already.
fn not_modified(request: &HeaderMap, head: &Head) -> bool {
    super::not_modified(request, head.status, &head.headers)
}

fn head(lines: &[(&str, &str)]) -> Head {
    Head {
        status: StatusCode::OK,
        headers: fields(lines),
    }
}

#[test]
fn our_conditions_take_the_place_of_the_clients() {
    let client = fields(&[
        ("accept", "x"),
        ("if-none-match", "\"theirs\""),
        ("if-none-match", "\"more\""),
        ("if-modified-since", NEW),
        ("if-match", "\"theirs\""),
        ("if-unmodified-since", NEW),
        ("if-range", "\"theirs\""),
        ("range", "bytes=0-1"),
    ]);
    let mut request = client.clone();
    ask_conditionally(&mut request, None::<&HeaderMap>);
    assert_eq!(request, fields(&[("accept", "x")]));

    let mut request = client.clone();
    ask_conditionally(
        &mut request,
        Some(&head(&[("etag", "W/\"ours\""), ("last-modified", OLD)]).headers),
    );
    assert_eq!(
        request,
        fields(&[
            ("accept", "x"),
            ("if-none-match", "W/\"ours\""),
            ("if-modified-since", OLD)
        ])
    );

    let mut request = client;
    ask_conditionally(&mut request, Some(&head(&[]).headers));
    assert_eq!(request, fields(&[("accept", "x")]));
}

#[test]
fn a_304_selects_what_has_its_validators() {
    let strong = ("etag", "\"a\"");
    let weak = ("etag", "W/\"a\"");
    let other = ("etag", "\"b\"");
    let weak_other = ("etag", "W/\"b\"");
    let old = ("last-modified", OLD);
    let new = ("last-modified", NEW);
    let made = ("date", MIDDLE);
    for (stored, answer, expected) in [
        (&[strong][..], &[strong][..], true),
        (&[strong], &[other], false),
        (&[strong], &[weak], true),
        (&[strong], &[weak_other], false),
        (&[weak], &[weak], true),
        (&[weak], &[strong], false),
        (&[weak, old, made], &[strong, old], true),
        (&[weak, old, made], &[strong, new], false),
        (&[weak, old, made], &[other, old], false),
        (&[weak, old, ("date", OLD)], &[strong, old], false),
        (&[weak, old], &[strong, old], false),
        (&[strong, old, made], &[other, old], false),
        (&[strong, old], &[strong, new], true),
        (&[strong, old], &[other, old], false),
        (&[strong, old], &[old], true),
        (&[strong, old], &[new], false),
        (&[old], &[old], true),
        (&[old], &[("last-modified", OLD_850)], true),
        (&[("last-modified", "x")], &[("last-modified", "y")], false),
        (&[old], &[new], false),
        (&[old], &[strong, old], false),
        (&[old], &[weak, old], true),
        (&[old], &[weak], false),
        (&[strong], &[old], false),
        (&[strong], &[], true),
        (&[old], &[], true),
        (&[], &[], true),
        (&[], &[strong], false),
    ] {
        assert_eq!(
            selects(&head(stored), &fields(answer)),
            expected,
            "{stored:?} {answer:?}"
        );
    }
}

#[test]
fn a_304_renews_fields_but_not_those_of_the_body() {
    let stored = Head {
        status: StatusCode::NOT_FOUND,
        headers: fields(&[
            ("a", "1"),
            ("a", "2"),
            ("b", "3"),
            ("date", OLD),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("etag", "W/\"x\""),
        ]),
    };
    let answer = fields(&[
        ("a", "8"),
        ("a", "9"),
        ("c", "7"),
        ("date", NEW),
        ("age", "7"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/2"),
        ("content-type", "text/html"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "x"),
        ("connection", "h"),
        ("h", "1"),
        ("cache-control", "no-cache=\"s\", max-age=3"),
        ("s", "1"),
    ]);
    let expected = fields(&[
        ("a", "8"),
        ("a", "9"),
        ("b", "3"),
        ("c", "7"),
        ("date", NEW),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("content-type", "text/html"),
        ("etag", "W/\"x\""),
        ("cache-control", "no-cache=\"s\", max-age=3"),
    ]);
    let (found, own) = freshened(&stored, &answer, |fields| {
        ResponseDirectives::of(fields, &[])
    });
    assert_eq!(own, fields(&[("s", "1")]));
    assert_eq!(found.headers, expected);
    assert_eq!(found.status, StatusCode::NOT_FOUND);
}

#[test]
fn an_old_date_does_not_outlive_a_304_without_one() {
    let (found, _) = freshened(&head(&[("date", OLD)]), &HeaderMap::new(), |_| {
        ResponseDirectives::default()
    });
    assert!(!found.headers.contains_key(DATE));
}

#[test]
fn if_none_match_is_a_list_compared_weakly() {
    for (stored, lines, expected) in [
        (Some("\"a\""), &["\"a\""][..], true),
        (Some("\"a\""), &["W/\"a\""], true),
        (Some("W/\"a\""), &["W/\"a\""], true),
        (Some("W/\"a\""), &["\"a\""], true),
        (Some("\"a\""), &["\"b\""], false),
        (Some("\"a\""), &["\"A\""], false),
        (Some("\"a\""), &["\"a\", \"1\", \"2\""], true),
        (Some("\"a\""), &["\"1\",\"a\" ,\"2\""], true),
        (Some("\"a\""), &["\"1\", W/\"2\",, \"a\""], true),
        (Some("\"a\""), &["\"1\"", "\"a\""], true),
        (Some("\"a,b\""), &["\"a,b\""], true),
        (Some("\"b\""), &["\"a,\"b\",c\""], false),
        (Some("\"a\""), &["*"], true),
        (None, &["*"], true),
        (None, &["\"a\""], false),
        (Some("\"a\""), &["\"b\", *"], false),
        (Some("\"a\""), &[""], false),
        (Some(""), &[""], false),
        (Some("a"), &["a"], true),
        (Some("\"a\""), &["a"], false),
        (Some("a"), &["\"a\""], false),
    ] {
        let stored: Vec<_> = stored.map(|tag| ("etag", tag)).into_iter().collect();
        let request: Vec<_> = lines.iter().map(|line| ("if-none-match", *line)).collect();
        let found = not_modified(&fields(&request), &head(&stored));
        assert_eq!(found, expected, "{stored:?} {lines:?}");
    }
}

#[test]
fn tags_take_precedence_over_dates() {
    let stored = head(&[("etag", "\"a\""), ("last-modified", OLD)]);
    let request = |tag| fields(&[("if-none-match", tag), ("if-modified-since", NEW)]);
    assert!(not_modified(&request("\"a\""), &stored));
    assert!(!not_modified(&request("\"b\""), &stored));
}

#[test]
fn if_modified_since_compares_with_the_change_or_the_date() {
    for (stored, since, expected) in [
        (&[("last-modified", MIDDLE)][..], MIDDLE, true),
        (&[("last-modified", MIDDLE)], NEW, true),
        (&[("last-modified", MIDDLE)], OLD, false),
        (&[("last-modified", OLD)], OLD_850, true),
        (&[("last-modified", OLD), ("date", NEW)], MIDDLE, true),
        (&[("date", OLD)], MIDDLE, true),
        (&[("date", NEW)], MIDDLE, false),
        (&[("last-modified", "x"), ("date", OLD)], MIDDLE, false),
        (&[("last-modified", OLD)], "x", false),
        (&[("last-modified", "x")], "x", false),
        (&[], MIDDLE, false),
    ] {
        let request = fields(&[("if-modified-since", since)]);
        let found = not_modified(&request, &head(stored));
        assert_eq!(found, expected, "{stored:?} {since}");
    }
    let twice = fields(&[("if-modified-since", NEW), ("if-modified-since", NEW)]);
    assert!(!not_modified(&twice, &head(&[("last-modified", OLD)])));
}

#[test]
fn only_a_success_is_answered_with_304() {
    let request = fields(&[("if-none-match", "*"), ("if-modified-since", NEW)]);
    for (status, expected) in [(200, true), (203, true), (301, false), (404, false)] {
        let stored = Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: fields(&[("last-modified", OLD)]),
        };
        assert_eq!(not_modified(&request, &stored), expected, "{status}");
        let dated = fields(&[("if-modified-since", NEW)]);
        assert_eq!(not_modified(&dated, &stored), expected, "{status}");
    }
}

#[test]
fn evaluating_conditions_does_not_allocate() {
    let stored = head(&[("etag", "\"a\""), ("last-modified", OLD)]);
    let requests = [
        fields(&[("accept", "x")]),
        fields(&[("if-none-match", "\"1\", \"2\"")]),
        fields(&[("if-modified-since", NEW)]),
    ];
    let measured = allocation_counter::measure(|| {
        for request in &requests {
            let _ = not_modified(request, &stored);
        }
    });
    assert_eq!(measured.count_total, 0);
}

#[test]
fn a_304_carries_what_updates_caches() {
    let all = [
        ("cache-control", "max-age=1"),
        ("cache-control", "x"),
        ("cdn-cache-control", "max-age=2"),
        ("content-location", "/x"),
        ("date", OLD),
        ("etag", "\"a\""),
        ("expires", NEW),
        ("vary", "x"),
    ];
    let rest = [
        ("last-modified", OLD),
        ("content-type", "x"),
        ("content-length", "1"),
    ];
    let stored = head(&[&all[..], &rest].concat());
    assert_eq!(
        not_modified_headers(&stored.headers, &[CDN_CACHE_CONTROL]),
        fields(&all)
    );
    assert_eq!(
        not_modified_headers(&head(&rest).headers, &[]),
        fields(&[("last-modified", OLD)])
    );
}

proptest! {
    /// The obvious model: some tag of the list is the stored one but for its weakness.
    #[test]
    fn if_none_match_agrees_with_a_slow_model(
        stored in "(W/)?\"[ab,*]{0,2}\"",
        list in proptest::collection::vec("(W/)?\"[ab,*]{0,2}\"", 0..5),
        separator in "[ \t]{0,2},[ ,]{0,2}",
    ) {
        let bare = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let expected = list.iter().any(|tag| bare(tag) == bare(&stored));
        let line = list.join(&separator);
        let request = fields(&[("if-none-match", &line)]);
        prop_assert_eq!(not_modified(&request, &head(&[("etag", &stored)])), expected);
    }

    #[test]
    fn no_value_panics(
        tag in "[ -~\u{80}-\u{ff}]{0,12}",
        line in "[ -~\u{80}-\u{ff}]{0,24}",
    ) {
        let request = fields(&[("if-none-match", &line), ("if-modified-since", &line)]);
        let _ = not_modified(&request, &head(&[("etag", &tag), ("last-modified", &tag)]));
        let _ = selects(&head(&[("etag", &tag)]), &fields(&[("etag", &line)]));
    }
}
