use http::HeaderValue;

use super::*;

fn demand(control: &str) -> Option<Demand> {
    let value = HeaderValue::from_str(control).unwrap();
    Demand::of(&HeaderMap::from_iter([(CACHE_CONTROL, value)]))
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn fresh(age: u64, left: u64) -> Condition {
    Condition {
        age: secs(age),
        fresh_for: secs(left),
        stale_for: Duration::ZERO,
    }
}

const fn stale(age: u64, since: u64) -> Condition {
    Condition {
        age: secs(age),
        fresh_for: Duration::ZERO,
        stale_for: secs(since),
    }
}

/// RFC 9111 §5.2.1.1 (max-age), §5.2.1.2 (max-stale), §5.2.1.3 (min-fresh), §5.2.1.4 (no-cache).
#[test]
fn each_directive_narrows_or_widens_what_will_do() {
    for (control, condition, accepted) in [
        ("no-cache", fresh(0, 60), false),
        ("No-Cache", fresh(0, 60), false),
        ("no-cache, max-stale", stale(70, 10), false),
        ("max-age=10", fresh(10, 50), true),
        ("max-age=10", fresh(11, 49), false),
        ("max-age=0", fresh(0, 60), true),
        ("max-age=0", fresh(1, 59), false),
        ("max-age=x", fresh(1, 59), false),
        ("max-age=100", stale(70, 10), false),
        ("max-age=100, max-stale", stale(70, 10), true),
        ("max-age=60, max-stale", stale(70, 10), false),
        ("min-fresh=50", fresh(10, 50), true),
        ("min-fresh=51", fresh(10, 50), false),
        ("min-fresh=1", stale(70, 10), false),
        ("max-stale=10", stale(70, 10), true),
        ("max-stale=9", stale(70, 10), false),
        ("max-stale", stale(9_000, 8_000), true),
        ("max-stale=9", fresh(1, 59), true),
        ("stale-if-error=5", stale(70, 10), true),
        ("only-if-cached", stale(70, 10), true),
    ] {
        let demand = demand(control).expect("it demands something");
        assert_eq!(demand.accepts(&condition), accepted, "{control}");
    }
}

#[test]
fn only_max_stale_asks_for_what_would_not_be_served() {
    let ten = stale(70, 10);
    for (control, tolerated, on_error) in [
        ("max-stale=10", true, true),
        ("max-stale=9", false, false),
        ("max-stale", true, true),
        ("max-age=100", false, false),
        ("stale-if-error=10", false, true),
        ("stale-if-error=9", false, false),
        ("no-cache, max-stale", false, false),
    ] {
        let demand = demand(control).expect("it demands something");
        let found = (demand.tolerates(&ten), demand.tolerates_on_error(&ten));
        assert_eq!(found, (tolerated, on_error), "{control}");
    }
}

#[test]
fn what_says_nothing_demands_nothing() {
    for control in ["", "foo", "max-fresh=1", "nothing-to-see-here"] {
        assert_eq!(demand(control), None, "{control}");
    }
    assert_eq!(Demand::of(&HeaderMap::new()), None);
}

/// §5.4: `Pragma` counts only where there is no `Cache-Control`.
#[test]
fn pragma_is_for_those_who_know_no_other() {
    let with = |lines: &[(http::HeaderName, &'static str)]| {
        let lines = lines.iter().cloned();
        let headers: HeaderMap = lines
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect();
        Demand::of(&headers)
    };
    let found = with(&[(PRAGMA, "foo, No-Cache")]).expect("it demands validation");
    assert!(!found.accepts(&fresh(0, 60)));
    assert_eq!(with(&[(PRAGMA, "foo")]), None);
    assert_eq!(with(&[(PRAGMA, "no-cache"), (CACHE_CONTROL, "x")]), None);
}
