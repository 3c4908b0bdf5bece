//! Dates in the three forms of RFC 9110 §5.6.7.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A value as it stands, or a date: `@imf:-60` is a minute ago; `@850:` and `@asc:` are the
/// obsolete forms.
#[expect(
    clippy::disallowed_methods,
    reason = "the cache's wall clock is the real one in these tests"
)]
pub(crate) fn value(text: &str) -> String {
    let Some((form, seconds)) = text.strip_prefix('@').and_then(|text| text.split_once(':')) else {
        return text.to_owned();
    };
    let seconds: i64 = seconds.parse().expect("seconds");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let then = now.as_secs().saturating_add_signed(seconds);
    let imf = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(then));
    // Sun, 06 Nov 1994 08:49:37 GMT
    let (day, month, year, time) = (&imf[5..7], &imf[8..11], &imf[12..16], &imf[17..25]);
    match form {
        "850" => format!(
            "{}, {day}-{month}-{} {time} GMT",
            long(&imf[..3]),
            &year[2..]
        ),
        "asc" => {
            let day = day
                .strip_prefix('0')
                .map_or(day.to_owned(), |day| format!(" {day}"));
            format!("{} {month} {day} {time} {year}", &imf[..3])
        }
        _ => imf,
    }
}

fn long(day: &str) -> &'static str {
    [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ]
    .into_iter()
    .find(|long| long.starts_with(day))
    .expect("a day")
}
