//! Dates by counting days (RFC 9110 §5.6.7).

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// How a date is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Imf,
    Rfc850,
    Asctime,
}

/// A date, so many seconds after the start of 1970, as text.
pub(super) fn write(seconds: i128, form: Form) -> String {
    let day_of_week = DAYS[usize::try_from((seconds / 86_400) % 7).unwrap()];
    let short = &day_of_week[..3];
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    let (mut year, mut month, mut days) = (1970, 0, seconds / 86_400);
    while days >= length_of_year(year) {
        days -= length_of_year(year);
        year += 1;
    }
    while days >= length_of_month(year, month) {
        days -= length_of_month(year, month);
        month += 1;
    }
    let (day, name) = (days + 1, MONTHS[month]);
    match form {
        Form::Imf => format!("{short}, {day:02} {name} {year} {time} GMT"),
        Form::Rfc850 => format!(
            "{day_of_week}, {day:02}-{name}-{:02} {time} GMT",
            year % 100
        ),
        Form::Asctime => format!("{short} {name} {day:>2} {time} {year}"),
    }
}

/// Seconds after the start of 1970; `None` for what is no date. The case of words makes no
/// difference, and neither does a wrong day of the week.
pub(super) fn read(text: &str) -> Option<i128> {
    let text = text.trim_matches([' ', '\t']).to_lowercase();
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [weekday, day, month, year, time, "gmt"] => {
            short_day(weekday.strip_suffix(',')?)?;
            count(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        [weekday, date, time, "gmt"] => {
            let weekday = weekday.strip_suffix(',')?;
            DAYS.iter().find(|day| day.to_lowercase() == weekday)?;
            let [day, month, year] = date.split('-').collect::<Vec<_>>()[..] else {
                return None;
            };
            let year = digits(year, 2)?;
            let year = if year < 70 { 2000 + year } else { 1900 + year };
            count(year, month, digits(day, 2)?, time)
        }
        [weekday, month, "", day, time, year] => {
            short_day(weekday)?;
            count(digits(year, 4)?, month, digits(day, 1)?, time)
        }
        [weekday, month, day, time, year] => {
            short_day(weekday)?;
            count(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        _ => None,
    }
}

fn short_day(word: &str) -> Option<()> {
    let known = DAYS.iter().any(|day| day[..3].to_lowercase() == word);
    known.then_some(())
}

fn count(year: i128, month: &str, day: i128, time: &str) -> Option<i128> {
    let month = MONTHS
        .iter()
        .position(|name| name.to_lowercase() == month)?;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    let possible = year >= 1970
        && (1..=length_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !possible {
        return None;
    }
    let years: i128 = (1970..year).map(length_of_year).sum();
    let months: i128 = (0..month).map(|month| length_of_month(year, month)).sum();
    Some((years + months + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn digits(text: &str, count: usize) -> Option<i128> {
    let all = text.len() == count && text.chars().all(|c| c.is_ascii_digit());
    all.then(|| text.parse().unwrap())
}

fn length_of_year(year: i128) -> i128 {
    (0..12).map(|month| length_of_month(year, month)).sum()
}

fn length_of_month(year: i128, month: usize) -> i128 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// The model has to be right about the examples of the RFC.
#[test]
fn the_examples_of_the_rfc_are_one_date() {
    let seconds = 784_111_777;
    for (form, text) in [
        (Form::Imf, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (Form::Rfc850, "Sunday, 06-Nov-94 08:49:37 GMT"),
        (Form::Asctime, "Sun Nov  6 08:49:37 1994"),
    ] {
        assert_eq!(write(seconds, form), text);
        assert_eq!(read(text), Some(seconds));
    }
}
