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
        let known = forms(imf);
        let one = known.iter().any(|form| form.eq_ignore_ascii_case(&given));
        assert!(one, "{given:?} is none of {known:?}");
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

/// All ways to write a date. In the last, a day of one digit may have a zero or a space before it.
fn forms(imf: &str) -> [String; 4] {
    let (weekday, day, month) = (&imf[..3], &imf[5..7], &imf[8..11]);
    let (year, time) = (&imf[12..16], &imf[17..25]);
    let long = match weekday {
        "Tue" => "Tuesday".to_owned(),
        "Wed" => "Wednesday".to_owned(),
        "Thu" => "Thursday".to_owned(),
        "Sat" => "Saturday".to_owned(),
        short => format!("{short}day"),
    };
    let spaced = match day.strip_prefix('0') {
        Some(digit) => format!(" {digit}"),
        None => day.to_owned(),
    };
    [
        imf.to_owned(),
        format!("{long}, {day}-{month}-{} {time} GMT", &year[2..]),
        format!("{weekday} {month} {day} {time} {year}"),
        format!("{weekday} {month} {spaced} {time} {year}"),
    ]
}
