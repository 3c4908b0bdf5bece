use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn lines(name: &str, lines: &[&str]) -> HeaderMap {
    let name: HeaderName = name.parse().unwrap();
    lines
        .iter()
        .map(|line| (name.clone(), HeaderValue::from_str(line).unwrap()))
        .collect()
}

fn names(names: &[&str]) -> Vec<HeaderName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn vary_lists_fields_or_anything() {
    let fields = |list: &[&str]| Vary::Fields(names(list));
    for (text, expected) in [
        (&[][..], Vary::None),
        (&[""], Vary::None),
        (&[" , ,"], Vary::None),
        (&["Foo"], fields(&["foo"])),
        (&["foo,bar", "Baz ,FOO"], fields(&["bar", "baz", "foo"])),
        (&["*"], Vary::Any),
        (&["*, *"], Vary::Any),
        (&["*", "*"], Vary::Any),
        (&[", *"], Vary::Any),
        (&["", "*"], Vary::Any),
        (&["*, Foo"], Vary::Any),
        (&["Foo, *"], Vary::Any),
        (&["foo bar"], Vary::Any),
        (&["\"foo\""], Vary::Any),
        // The name of a pseudo field of ours.
        (&["foo, Cookie.lang"], Vary::Any),
        (&["cookie"], fields(&["cookie"])),
    ] {
        assert_eq!(parse(&lines("vary", text)), expected, "{text:?}");
    }
}

#[test]
fn a_union_is_sorted_and_has_no_repeats() {
    assert_eq!(
        union(&names(&["b", "c"]), &names(&["a", "b"])),
        names(&["a", "b", "c"])
    );
    assert_eq!(union(&[], &[]), names(&[]));
}

fn normal(name: &str, text: &[&str]) -> Option<String> {
    let fields = names(&[name]);
    let request = lines(name, text);
    let mut values = selecting(&fields, &request);
    let (found, value) = values.next().unwrap();
    assert_eq!(found, name);
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn values_that_mean_the_same_select_the_same() {
    for (name, same) in [
        (
            "foo",
            &[
                &["1, 2"][..],
                &["1,2"],
                &[" 1, 2 "],
                &["1 ,\t2"],
                &["1", "2"],
                &["1 ", " 2"],
            ][..],
        ),
        (
            "accept-language",
            &[
                &["en, de;q=0.5"],
                &["EN,De;Q=0.5"],
                &["en , de ; q=0.5"],
                &["en", "de;q=0.5"],
            ],
        ),
        (
            "accept",
            &[
                &["text/html;p=\"A, B\", */*"],
                &["TEXT/html ;P=\"A, B\",*/*"],
            ],
        ),
        ("accept-encoding", &[&["gzip, br"], &["GZIP,BR"]]),
        ("cookie", &[&["a=1; b=2"], &["a=1", "b=2"]]),
    ] {
        for values in same {
            assert_eq!(normal(name, values), normal(name, same[0]), "{values:?}");
        }
    }
}

#[test]
fn values_that_may_differ_in_meaning_select_apart() {
    for (name, a, b) in [
        ("foo", &["1, 2"][..], &["2, 1"][..]),
        ("foo", &["a"], &["A"]),
        ("foo", &["1,2"], &["1 2"]),
        ("foo", &["a;b"], &["a; b"]),
        ("foo", &["\"1,2\""], &["\"1, 2\""]),
        ("foo", &[""], &[]),
        ("cookie", &["a=1,2"], &["a=1, 2"]),
        ("accept-language", &["en, de"], &["de, en"]),
        ("accept", &["a/b;p=\"X\""], &["a/b;p=\"x\""]),
        ("accept", &["a/b;p=X"], &["a/b;p=x"]),
        ("cookie", &["a=1", "b=2"], &["a=1, b=2"]),
    ] {
        assert_ne!(normal(name, a), normal(name, b), "{name} {a:?} {b:?}");
    }
}

#[test]
fn a_cookie_of_the_key_is_read_out_of_all_cookie_lines() {
    let request = lines("cookie", &["a=1; lang=en", "LANG=de"]);
    let read = |field: &str| {
        let fields = names(&[field]);
        let (name, value) = selecting(&fields, &request).next().unwrap();
        (name.to_owned(), value.map(|value| value.to_vec()))
    };
    let found = Some(b"lang=en; LANG=de".to_vec());
    assert_eq!(read("cookie.lang"), ("cookie.lang".to_owned(), found));
    assert_eq!(read("cookie.b"), ("cookie.b".to_owned(), None));
    // A field that really has this name is not looked at.
    let request = lines("cookie.lang", &["en"]);
    let fields = names(&["cookie.lang"]);
    assert_eq!(selecting(&fields, &request).next().unwrap().1, None);
}

#[test]
fn absent_fields_are_told_apart_from_empty_ones() {
    assert_eq!(normal("foo", &[]), None);
    assert_eq!(normal("foo", &[""]).as_deref(), Some(""));
}

proptest! {
    #[test]
    fn normalising_again_changes_nothing(
        text in "[a-cA-C ,;\t\"\\\\]{0,24}",
        name in prop::sample::select(&["foo", "accept", "cookie"][..]),
    ) {
        let once = normal(name, &[&text]).unwrap();
        prop_assert_eq!(normal(name, &[&once]), Some(once.trim_matches([' ', '\t']).to_owned()));
    }

    #[test]
    fn nothing_but_white_space_and_case_is_lost(text in "[a-cA-C ,;\t\"\\\\]{0,24}") {
        let bare = |text: &str| text.replace([' ', '\t'], "").to_ascii_lowercase();
        for name in ["foo", "accept", "cookie"] {
            prop_assert_eq!(bare(&normal(name, &[&text]).unwrap()), bare(&text));
        }
    }
}
