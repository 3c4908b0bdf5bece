use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn lines(lines: &[&str]) -> HeaderMap {
    lines
        .iter()
        .map(|line| (CACHE_CONTROL, HeaderValue::from_str(line).unwrap()))
        .collect()
}

fn response(line: &str) -> ResponseDirectives {
    ResponseDirectives::parse(&lines(&[line]))
}

const fn secs(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs))
}

#[test]
fn an_absent_field_says_nothing() {
    let none = HeaderMap::new();
    assert_eq!(
        ResponseDirectives::parse(&none),
        ResponseDirectives::default()
    );
    assert_eq!(
        RequestDirectives::parse(&none),
        RequestDirectives::default()
    );
}

#[test]
fn every_response_directive_is_read_in_any_case() {
    let found = ResponseDirectives::parse(&lines(&[
        "MaX-aGe=1, S-MAXAGE=2, Stale-While-Revalidate=3",
        "STALE-IF-ERROR=4, no-STORE, No-CaChE, privatE, PUBLIC, Must-Revalidate",
        "proxy-REVALIDATE, must-Understand, Immutable, foobar, x=\"y\"",
    ]));
    assert_eq!(
        found,
        ResponseDirectives {
            max_age: secs(1),
            s_maxage: secs(2),
            stale_while_revalidate: secs(3),
            stale_if_error: secs(4),
            no_store: true,
            no_cache: true,
            no_cache_fields: Vec::new(),
            private: true,
            private_fields: Vec::new(),
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            immutable: true,
            without_expires: false,
        }
    );
}

#[test]
fn max_age_is_read_or_counts_as_stale() {
    for (text, expected) in [
        ("max-age=3600", secs(3600)),
        ("max-age=\"3600\"", secs(3600)),
        ("max-age=003600", secs(3600)),
        ("max-age=0", secs(0)),
        ("max-age=2147483648", secs(1 << 31)),
        ("max-age=99999999999", secs(1 << 31)),
        ("max-age=999999999999999999999999999999", secs(1 << 31)),
        // First come, first served.
        ("max-age=1800, max-age=1", secs(1800)),
        ("max-age=1, max-age=1800", secs(1)),
        ("max-age=x, max-age=1800", secs(0)),
        // What cannot be read is stale.
        ("max-age", secs(0)),
        ("max-age=", secs(0)),
        ("max-age=\"\"", secs(0)),
        ("max-age=-1", secs(0)),
        ("max-age=+1", secs(0)),
        ("max-age=1.5", secs(0)),
        ("max-age=1 2", secs(0)),
        ("max-age=a3600", secs(0)),
        ("max-age=3600a", secs(0)),
        ("max-age='3600'", secs(0)),
        ("max-age =3600", secs(0)),
        ("max-age= 3600", secs(0)),
        ("max-age=\"3600", secs(0)),
        // What is no directive of ours is none.
        ("extension=\"max-age=3600\"", None),
        ("extension=\"a\\\", max-age=3600\"", None),
        ("x-max-age=1", None),
        ("max-age2=1", None),
        ("maxage=1", None),
        ("", None),
        (",,,", None),
        ("=1", None),
    ] {
        assert_eq!(response(text).max_age, expected, "{text}");
    }
}

#[test]
fn a_quoted_extension_hides_its_text_but_not_what_follows() {
    assert_eq!(
        response("extension=\"max-age=3600\", max-age=1").max_age,
        secs(1)
    );
    assert_eq!(
        response("max-age=1, extension=\"max-age=3600\"").max_age,
        secs(1)
    );
    assert!(response("extension=\"unclosed, no-store").no_store);
}

#[test]
fn windows_that_cannot_be_read_are_not_stated() {
    for text in [
        "stale-while-revalidate",
        "stale-while-revalidate=x",
        "stale-while-revalidate=-1",
    ] {
        assert_eq!(response(text).stale_while_revalidate, None, "{text}");
    }
    assert_eq!(response("stale-if-error=0").stale_if_error, secs(0));
}

#[test]
fn qualified_forms_name_fields_and_bad_ones_count_as_unqualified() {
    for (text, all, names) in [
        ("no-cache", true, &[][..]),
        ("no-cache=\"a\"", false, &["a"]),
        ("no-cache=\"A , b,\"", false, &["a", "b"]),
        ("no-cache=set-cookie", false, &["set-cookie"]),
        ("no-cache=\"a\", no-cache=b", false, &["a", "b"]),
        ("no-cache=\"a\", no-cache", true, &["a"]),
        ("no-cache=", true, &[]),
        ("no-cache=\"\"", true, &[]),
        ("no-cache=\" , \"", true, &[]),
        ("no-cache=\"a b\"", true, &[]),
        ("no-cache =\"a\"", true, &[]),
    ] {
        let found = response(text);
        assert_eq!(found.no_cache, all, "{text}");
        assert_eq!(found.no_cache_fields, names, "{text}");
        let found = response(&text.replace("no-cache", "private"));
        assert_eq!(found.private, all, "{text}");
        assert_eq!(found.private_fields, names, "{text}");
    }
}

#[test]
fn request_directives_are_read() {
    let read = |text| RequestDirectives::parse(&lines(&[text]));
    assert_eq!(read("nothing-to-see-here"), RequestDirectives::default());
    assert_eq!(
        read("No-Store, ONLY-if-cached, no-cache, max-age=1, min-fresh=\"2\", max-stale=3"),
        RequestDirectives {
            no_store: true,
            only_if_cached: true,
            no_cache: true,
            max_age: secs(1),
            min_fresh: secs(2),
            max_stale: secs(3),
            stale_if_error: None,
        }
    );
    assert_eq!(read("max-stale").max_stale, Some(Duration::MAX));
    assert_eq!(read("max-stale=x").max_stale, None);
    assert_eq!(read("max-age=x").max_age, secs(0));
    assert_eq!(read("min-fresh=x").min_fresh, None);
}

proptest! {
    #[test]
    fn delta_seconds_agree_with_wide_arithmetic(text in "[0-9]{0,38}") {
        let expected = text
            .parse::<u128>()
            .ok()
            .map(|number| Duration::from_secs(number.min(1 << 31) as u64));
        prop_assert_eq!(delta_seconds(text.as_bytes()), expected);
    }

    #[test]
    fn no_bytes_panic_and_splitting_lines_changes_nothing(
        parts in proptest::collection::vec("[ -!#-+\\--~\u{80}-\u{ff}]{0,20}", 0..6),
    ) {
        // Without quotes and commas within, one line and several are the same list.
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let one = lines(&[&parts.join(",")]);
        let several = lines(&parts);
        prop_assert_eq!(ResponseDirectives::parse(&one), ResponseDirectives::parse(&several));
        prop_assert_eq!(RequestDirectives::parse(&one), RequestDirectives::parse(&several));
    }

    #[test]
    fn no_value_panics(bytes in proptest::collection::vec(0x20_u8..0x7f, 0..60)) {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_bytes(&bytes).unwrap());
        let _ = ResponseDirectives::parse(&headers);
    }

    #[test]
    fn no_store_is_found_wherever_it_stands(
        before in "[a-z=, ]{0,12}",
        after in "[a-z=, \"]{0,12}",
    ) {
        let text = format!("{before},no-store,{after}");
        prop_assert!(response(&text).no_store, "{}", text);
    }
}
