use proptest::prelude::*;

use super::*;

fn named(name: &str) -> Name {
    Name::of(name).expect("it is fit for a name")
}

fn text(report: Report) -> String {
    render(&named("b"), &report).to_str().unwrap().to_owned()
}

#[test]
fn reports_are_written_in_order() {
    let none = Report::default();
    for (report, expected) in [
        (none, "b"),
        (Report { hit: true, ..none }, "b; hit"),
        (
            Report {
                hit: true,
                fwd: Some(Fwd::Stale),
                ttl: Some(-412),
                ..none
            },
            "b; hit; ttl=-412",
        ),
        (
            Report {
                fwd: Some(Fwd::VaryMiss),
                fwd_status: Some(304),
                ttl: Some(0),
                stored: true,
                collapsed: true,
                detail: Some("no-store"),
                ..none
            },
            "b; fwd=vary-miss; fwd-status=304; ttl=0; stored; collapsed; detail=no-store",
        ),
        (
            Report {
                detail: Some("a \"b\" \\"),
                ..none
            },
            "b; detail=\"a \\\"b\\\" \\\\\"",
        ),
    ] {
        assert_eq!(text(report), expected);
    }
}

#[test]
fn integers_stay_in_range() {
    for (ttl, expected) in [
        (i64::MAX, "b; ttl=999999999999999"),
        (i64::MIN, "b; ttl=-999999999999999"),
        (1_000, "b; ttl=1000"),
    ] {
        let report = Report {
            ttl: Some(ttl),
            ..Report::default()
        };
        assert_eq!(text(report), expected);
    }
}

#[test]
fn names_become_tokens_or_strings() {
    for (name, expected) in [
        ("bellwether", Some("bellwether")),
        ("edge.example:80/x", Some("edge.example:80/x")),
        ("*", Some("*")),
        ("1st", Some("\"1st\"")),
        ("my cache", Some("\"my cache\"")),
        ("a\"\\", Some("\"a\\\"\\\\\"")),
        ("a;b", Some("\"a;b\"")),
        ("", None),
        ("caf\u{e9}", None),
        ("a\n", None),
    ] {
        assert_eq!(identifier(name).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_name_that_no_field_can_hold_does_not_panic() {
    let name = Name {
        text: "a\nb".to_owned(),
        hits: None,
    };
    let _ = render(&name, &Report::default());
}

#[test]
fn one_allocation_is_made() {
    let report = Report {
        hit: true,
        ttl: Some(30),
        collapsed: true,
        detail: Some("refreshing"),
        ..Report::default()
    };
    let name = named("bellwether");
    let measured = allocation_counter::measure(|| {
        std::hint::black_box(render(&name, &report));
    });
    assert_eq!(measured.count_total, 1);
}

#[test]
fn a_hit_reads_the_same_whichever_way_it_is_made() {
    let hits = Ready::behind(Name::hit("b"));
    let [ready, written] = [Some(&*Box::leak(Box::new(hits))), None].map(|hits| Name {
        text: "b".to_owned(),
        hits,
    });
    for ttl in (-3..20_000).chain([i64::MIN, i64::MAX]) {
        let report = Report {
            hit: true,
            ttl: Some(ttl),
            ..Report::default()
        };
        assert_eq!(render(&ready, &report), render(&written, &report));
        let others = [
            Report {
                hit: false,
                ..report
            },
            Report {
                fwd: Some(Fwd::Miss),
                ..report
            },
            Report {
                fwd_status: Some(200),
                ..report
            },
            Report {
                stored: true,
                ..report
            },
            Report {
                collapsed: true,
                ..report
            },
            Report {
                detail: Some("x"),
                ..report
            },
        ];
        for other in others {
            assert_eq!(render(&ready, &other), render(&written, &other));
        }
    }
}

proptest! {
    #[test]
    fn every_identifier_makes_a_value(name in "[ -~]{1,40}", ttl: i64) {
        let name = Name { text: identifier(&name).unwrap(), hits: None };
        let report = Report { ttl: Some(ttl), ..Report::default() };
        let value = render(&name, &report);
        prop_assert!(value.to_str().unwrap().starts_with(&name.text));
    }
}

#[test]
fn seconds_are_written_as_numbers_whichever_way_they_are_made() {
    for number in (0..20_000).chain([u64::MAX]) {
        assert_eq!(seconds(number), number.to_string());
    }
}
