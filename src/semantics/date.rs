//! HTTP dates (RFC 9110 §5.6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, HeaderName, HeaderValue, LAST_MODIFIED};

use crate::entry::Lines;
use crate::semantics::list::trim;

/// Reads any of the three forms. Names of days, months and the zone may come in any case, since
/// senders get that wrong and no other reading is possible.
pub(crate) fn parse(value: &[u8]) -> Option<SystemTime> {
    let value = trim(value);
    // `httpdate` takes white space beyond ASCII off both ends, and in one of the forms anything for
    // the space before the time.
    let colon = value.iter().position(|&byte| byte == b':')?;
    if *value.get(colon.checked_sub(3)?)? != b' ' || !value.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    httpdate::parse_http_date(text)
        .ok()
        .or_else(|| parse_folded(value))
}

/// The same after folding the case of its words. The longest form has 33 characters.
fn parse_folded(value: &[u8]) -> Option<SystemTime> {
    let mut buffer = [0; 33];
    let folded = buffer.get_mut(..value.len())?;
    folded.copy_from_slice(value);
    let mut inside = false;
    for byte in folded.iter_mut() {
        if inside {
            byte.make_ascii_lowercase();
        } else {
            byte.make_ascii_uppercase();
        }
        inside = byte.is_ascii_alphabetic();
    }
    if folded.ends_with(b" Gmt") {
        let zone = folded.len() - 3;
        folded[zone..].make_ascii_uppercase();
    }
    let folded = std::str::from_utf8(folded).ok()?;
    httpdate::parse_http_date(folded)
        .ok()
        .or_else(|| parse_of_another_day(folded))
}

/// The same with another day of the week: a wrong one makes a date no less clear. The library
/// takes only the right one, so this finds which it is.
fn parse_of_another_day(folded: &str) -> Option<SystemTime> {
    const DAYS: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let end = folded.find(|letter: char| !letter.is_ascii_alphabetic())?;
    let (given, rest) = folded.split_at(end);
    let short = DAYS.iter().any(|day| day[..3] == *given);
    if !short && !DAYS.contains(&given) {
        return None;
    }
    DAYS.iter().find_map(|day| {
        let day = if short { &day[..3] } else { day };
        httpdate::parse_http_date(&format!("{day}{rest}")).ok()
    })
}

/// The date in the first line of this field; `None` if there is none or it is not valid.
pub(crate) fn first(headers: &impl Lines, name: &HeaderName) -> Option<SystemTime> {
    parse(headers.line(name)?.as_bytes())
}

/// When a response last changed, if that is a strong validator (RFC 9110 §8.8.2.2): it was made a
/// second later or more, and within the same second it could have changed once more.
pub(crate) fn strong_last_modified(headers: &impl Lines) -> Option<SystemTime> {
    let (changed, made) = (first(headers, &LAST_MODIFIED)?, first(headers, &DATE)?);
    let settled = made.duration_since(changed).unwrap_or_default() >= Duration::from_secs(1);
    settled.then_some(changed)
}

/// This time without its fraction of a second: dates have none, so comparing them with anything
/// finer would make every response up to a second older than it is.
pub(crate) fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Writes the preferred form; `None` outside the years 1970 to 9999.
pub(crate) fn render(time: SystemTime) -> Option<HeaderValue> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    if since.as_secs() >= YEAR_10000 {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUTUMN_1994: u64 = 784_111_777;

    #[test]
    fn all_three_forms_are_read_in_any_case() {
        let expected = UNIX_EPOCH + Duration::from_secs(AUTUMN_1994);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 NOV 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 gMT",
            "sunday, 06-nov-94 08:49:37 gmt",
            " \tSun, 06 Nov 1994 08:49:37 GMT ",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Wednesday, 06-Nov-94 08:49:37 GMT",
            "Sat Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "0",
            "-1",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 31 Feb 2050 02:01:18 GMT",
            "Day, 18 Aug 2050 02:01:18 GMT",
            "Thursday, 18 Aug 2050 02:01:18 GMT",
            "Wednesday, 06-Nov-94 08:49:37 GMT and more",
            "Sunday, 06-Nov-94\"08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT\u{a0}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(secs in 0_u64..253_402_300_800) {
            let time = UNIX_EPOCH + Duration::from_secs(secs);
            let text = render(time).unwrap();
            prop_assert_eq!(parse(text.as_bytes()), Some(time));
            prop_assert_eq!(parse(&text.as_bytes().to_ascii_lowercase()), Some(time));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_damaged_date_panics(at in 0_usize..33, byte: u8, form in 0_usize..3) {
            let mut text = [
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "Wednesday, 06-Nov-94 08:49:37 GMT",
                "Sun Nov  6 08:49:37 1994",
            ][form].as_bytes().to_vec();
            let length = text.len();
            text[at % length] = byte;
            let _ = parse(&text);
        }
    }

    #[test]
    fn years_that_cannot_be_written_are_refused() {
        assert_eq!(render(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(
            render(UNIX_EPOCH + Duration::from_secs(253_402_300_800)),
            None
        );
    }
}
