use std::time::UNIX_EPOCH;

use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

const NOW: u64 = 1_767_225_600;

/// Fields whose values are texts, or dates if they are numbers of seconds after `NOW`.
fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        let value = match value.strip_prefix("now") {
            Some(offset) => {
                let offset: i64 = offset.parse().unwrap_or(0);
                date::render(at(NOW.checked_add_signed(offset).unwrap())).unwrap()
            }
            None => HeaderValue::from_str(value).unwrap(),
        };
        headers.append(name, value);
    }
    headers
}

fn stated(list: &[(&str, &str)]) -> Option<u64> {
    let headers = fields(list);
    let directives = ResponseDirectives::of(&headers, &[]);
    let made = made(&headers, at(NOW));
    explicit(&directives, &headers, made).map(|fresh| fresh.as_secs())
}

#[test]
fn the_lifetime_comes_from_s_maxage_then_max_age_then_expires() {
    const EXPIRES: (&str, &str) = ("expires", "now+30");
    const DATE: (&str, &str) = ("date", "now");
    let control = |text| ("cache-control", text);
    for (list, expected) in [
        (vec![], None),
        (vec![control("public")], None),
        (vec![control("max-age=60, s-maxage=1")], Some(1)),
        (vec![control("s-maxage=60, max-age=1")], Some(60)),
        (vec![control("max-age=60"), EXPIRES, DATE], Some(60)),
        (vec![control("max-age=0"), EXPIRES, DATE], Some(0)),
        (vec![control("max-age=x"), EXPIRES, DATE], Some(0)),
        (vec![EXPIRES, DATE], Some(30)),
        (vec![EXPIRES], Some(30)),
        (vec![EXPIRES, ("date", "foo")], Some(30)),
        (vec![EXPIRES, ("date", "now+40")], Some(0)),
        (vec![EXPIRES, ("date", "now-10")], Some(40)),
        (vec![("expires", "now"), DATE], Some(0)),
        (vec![("expires", "now-5"), DATE], Some(0)),
        (vec![("expires", "0"), DATE], Some(0)),
        (vec![("expires", ""), DATE], Some(0)),
        (vec![("expires", "0")], Some(0)),
        (vec![("expires", "0"), EXPIRES, DATE], Some(0)),
        (
            vec![("expires", "Wed, 18 Aug 9999 02:01:18 GMT"), DATE],
            Some(1 << 31),
        ),
        // A wrong day makes a date no less clear.
        (
            vec![("expires", "Thu, 18 Aug 9999 02:01:18 GMT"), DATE],
            Some(1 << 31),
        ),
    ] {
        assert_eq!(stated(&list), expected, "{list:?}");
    }
}

#[test]
fn the_guess_is_a_tenth_of_the_time_without_change_up_to_the_cap() {
    let cap = Duration::from_secs(86_400);
    for (changed, expected) in [
        ("now-100", Some(10)),
        ("now-86400000", Some(86_400)),
        ("now", Some(0)),
        ("now+100", Some(0)),
        ("yesterday", None),
    ] {
        let headers = fields(&[("last-modified", changed)]);
        let guess = heuristic(&headers, at(NOW), cap).map(|fresh| fresh.as_secs());
        assert_eq!(guess, expected, "{changed}");
    }
    assert_eq!(heuristic(&HeaderMap::new(), at(NOW), cap), None);
}

#[test]
fn age_fields_are_read_or_ignored() {
    for (lines, expected) in [
        (&[][..], 0),
        (&["30"], 30),
        (&["abc"], 0),
        (&["-7200"], 0),
        (&["7200.0"], 0),
        (&["7200;foo=bar"], 0),
        (&["7200;foo=111"], 0),
        (&[""], 0),
        (&["2147483647"], (1 << 31) - 1),
        (&["2147483648"], 1 << 31),
        (&["99999999999999999999999"], 1 << 31),
        (&["7200, 0"], 7200),
        (&["0, 7200"], 0),
        (&["7200", "0"], 7200),
        (&["0", "7200"], 0),
        (&["3600", "3600"], 3600),
    ] {
        let list: Vec<_> = lines.iter().map(|line| ("age", *line)).collect();
        let age = initial_age(&fields(&list), at(NOW), at(NOW));
        assert_eq!(age.as_secs(), expected, "{lines:?}");
    }
}

#[test]
fn a_date_of_the_same_second_makes_nothing_older() {
    let received = at(NOW) + Duration::from_millis(999);
    let headers = fields(&[("date", "now")]);
    assert_eq!(initial_age(&headers, received, received), Duration::ZERO);
}

#[test]
fn clocks_that_ran_backwards_count_as_no_time() {
    let headers = fields(&[("date", "now+500"), ("age", "7")]);
    assert_eq!(initial_age(&headers, at(NOW + 50), at(NOW)).as_secs(), 7);
}

proptest! {
    /// RFC 9111 §4.2.3 as it is printed, in whole seconds.
    #[test]
    fn the_initial_age_is_that_of_the_rfc(
        date in proptest::option::of(-5_000_i64..5_000),
        age in proptest::option::of(0_i64..5_000),
        delay in 0_i64..500,
    ) {
        let mut list = Vec::new();
        let date_text = date.map(|offset| format!("now{offset:+}"));
        let age_text = age.map(|age| age.to_string());
        list.extend(date_text.as_deref().map(|text| ("date", text)));
        list.extend(age_text.as_deref().map(|text| ("age", text)));

        let response_time = 0;
        let request_time = response_time - delay;
        let apparent_age = 0.max(response_time - date.unwrap_or(response_time));
        let response_delay = response_time - request_time;
        let corrected_age_value = age.unwrap_or(0) + response_delay;
        let corrected_initial_age = apparent_age.max(corrected_age_value);

        let sent = at(NOW.checked_add_signed(request_time).unwrap());
        let found = initial_age(&fields(&list), sent, at(NOW));
        prop_assert_eq!(i64::try_from(found.as_secs()).unwrap(), corrected_initial_age);
    }
}
