//! The ranges that are asked for, and what each comes to by RFC 9110 alone.

use crate::support::client::Answer;

/// One request with a `Range`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) range: String,
    pub(crate) if_range: Option<String>,
}

/// A number beyond 64 bits.
pub(crate) const TOO_LARGE: &str = "340282366920938463463374607431768211455";

/// The first and the last byte of a part.
pub(crate) type Span = (u64, u64);

/// All cases for a file, of which `whole` is the answer to a GET.
pub(crate) fn of(whole: &Answer) -> Vec<Case> {
    let length = whole.body.len() as u64;
    let [a, b, c, d] = [1, 3, 5, 8].map(|n| length * n / 10);
    let plain = [
        // One, in all ways to write it.
        format!("bytes={a}-{c}"),
        "bytes=0-0".to_owned(),
        "bytes=0-".to_owned(),
        format!("bytes={b}-"),
        format!("bytes={a}-{}", length + 1_000),
        format!("bytes=0-{}", length.saturating_sub(1)),
        "bytes=-1".to_owned(),
        format!("bytes=-{}", b.max(1)),
        format!("bytes=-{}", length + 10),
        format!("Bytes={a}-{b}"),
        format!("bytes= {a}-{b} ,"),
        // Several.
        format!("bytes={a}-{b},{}-{d}", c + 1),
        format!("bytes=-1, {}-{c} ,0-0", b + 1),
        format!("bytes=0-0,{}-", length + 5),
        format!("bytes={a}-{c},{b}-{d}"),
        format!("bytes={a}-{b},{}-{c}", b + 1),
        "bytes=0-,0-".to_owned(),
        format!("bytes={a}-{c},0-{d},{b}-"),
        (1..20).fold("bytes=0-1".to_owned(), |set, n| {
            format!("{set},{}-{}", n * 3, n * 3 + 1)
        }),
        // None.
        format!("bytes={length}-"),
        format!("bytes={}-{},{}-", length + 1, length + 9, length + 20),
        format!("bytes=0-,{TOO_LARGE}-"),
        "bytes=-0".to_owned(),
        // Nonsense.
        "bytes=9-3".to_owned(),
        "bytes=abc".to_owned(),
        "bytes=".to_owned(),
        "bytes=0-1,x".to_owned(),
        "lines=1-2".to_owned(),
        "bytes".to_owned(),
    ];
    let one = format!("bytes={a}-{c}");
    let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
    let validators = [
        tag,
        date,
        &format!("W/{tag}"),
        "\"another\"",
        "Mon, 01 Jan 2001 00:00:00 GMT",
        "nonsense",
    ];
    let plain = plain.into_iter().map(|range| Case {
        range,
        if_range: None,
    });
    let conditional = validators.into_iter().map(|validator| Case {
        range: one.clone(),
        if_range: Some(validator.to_owned()),
    });
    plain.chain(conditional).collect()
}

impl Case {
    /// What is asked for of so many bytes, or `None` if the field is to be ignored: a unit other
    /// than bytes, or bad syntax (RFC 9110 §14.1.1, §14.2). Written without a look at the crate.
    pub(crate) fn spans(&self, length: u64) -> Option<Vec<Span>> {
        let (unit, set) = self.range.split_once('=')?;
        let members = set.split(',').map(str::trim).filter(|m| !m.is_empty());
        let members: Vec<_> = members.collect();
        if !unit.eq_ignore_ascii_case("bytes") || members.is_empty() {
            return None;
        }
        let mut spans = Vec::new();
        for member in members {
            let (first, last) = member.split_once('-')?;
            let (first, last) = match (first, last) {
                ("", suffix) => match number(suffix)? {
                    0 => continue,
                    suffix => (length.saturating_sub(suffix), u64::MAX),
                },
                (first, "") => (number(first)?, u64::MAX),
                (first, last) => (number(first)?, number(last)?),
            };
            if first > last {
                return None;
            }
            if first < length {
                spans.push((first, last.min(length - 1)));
            }
        }
        Some(spans)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Sorted, with what overlaps or adjoins made one.
pub(crate) fn joined(spans: &[Span]) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for (first, last) in sorted {
        match joined.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(range: &str) -> Option<Vec<Span>> {
        let case = Case {
            range: range.to_owned(),
            if_range: None,
        };
        case.spans(10)
    }

    #[test]
    fn a_range_is_read_by_the_rfc() {
        assert_eq!(
            spans("bytes=0-0, -3,8-,99-"),
            Some(vec![(0, 0), (7, 9), (8, 9)])
        );
        assert_eq!(spans("bytes=10-"), Some(vec![]));
        assert_eq!(spans("bytes=-0"), Some(vec![]));
        for ignored in ["lines=1-2", "bytes=3-2", "bytes=", "bytes", "bytes=x"] {
            assert_eq!(spans(ignored), None, "{ignored}");
        }
        assert_eq!(joined(&[(5, 9), (0, 1), (2, 3)]), [(0, 3), (5, 9)]);
    }
}
