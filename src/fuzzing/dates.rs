//! HTTP dates (RFC 9110 §5.6.7).

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

use crate::semantics::date::{parse, render};
use crate::semantics::list::trim;

/// A text is a date only if it is one of the three forms of that very date, in any case.
pub fn dates(bytes: &[u8]) {
    // A value of a field, that is: no control characters.
    let value = HeaderValue::from_bytes(bytes).ok();
    if let Some(time) = value.and_then(|value| parse(value.as_bytes())) {
        let text = render(time).expect("a date that was read can be written");
        assert_eq!(parse(text.as_bytes()), Some(time));
        assert_eq!(parse(&bytes.to_ascii_lowercase()), Some(time));
        assert_eq!(parse(&bytes.to_ascii_uppercase()), Some(time));
        assert_eq!(parse(&[b"\t ", bytes, b" \t"].concat()), Some(time));

        let imf = text.to_str().expect("a date is ASCII");
        assert!(is_imf_fixdate(imf), "{imf}");
        let given = String::from_utf8_lossy(trim(bytes));
        let known = forms(imf).any(|form| form.eq_ignore_ascii_case(&given));
        assert!(known, "{given:?} is no form of {imf}");
    }
    if let Some(seconds) = bytes.first_chunk() {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*seconds)));
        if let Some((time, text)) = time.and_then(|time| Some((time, render(time)?))) {
            assert_eq!(parse(text.as_bytes()), Some(time));
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn is_imf_fixdate(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    shape == "Aaa, 99 Aaa 9999 99:99:99 AAA"
}

/// All ways to write a date. A wrong day of the week is none the less clear. In the last form, a day
/// of one digit may have a zero or a space before it.
fn forms(imf: &str) -> impl Iterator<Item = String> + '_ {
    let (day, month, year, time) = (&imf[5..7], &imf[8..11], &imf[12..16], &imf[17..25]);
    let spaced = match day.strip_prefix('0') {
        Some(digit) => format!(" {digit}"),
        None => day.to_owned(),
    };
    let days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday";
    days.split(' ').flat_map(move |name| {
        let short = &name[..3];
        [
            format!("{short}, {day} {month} {year} {time} GMT"),
            format!("{name}, {day}-{month}-{} {time} GMT", &year[2..]),
            format!("{short} {month} {day} {time} {year}"),
            format!("{short} {month} {spaced} {time} {year}"),
        ]
    })
}
