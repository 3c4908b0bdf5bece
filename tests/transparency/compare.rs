//! Two answers that ought to be one.

use std::collections::{BTreeMap, BTreeSet};

use http::header::{HeaderMap, HeaderName};

use crate::allowed::Allowed;
use crate::support::client::Answer;

/// What the comparison of answers came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) differences: Vec<Difference>,
    pub(crate) allowed: BTreeMap<Allowed, u64>,
}

/// Something that differs and may not.
#[derive(Debug)]
pub(crate) struct Difference {
    /// A field, or `status`, or `body`.
    pub(crate) what: String,
    pub(crate) direct: String,
    pub(crate) proxied: String,
}

/// The lines of one field.
pub(crate) type Lines<'a> = Vec<&'a [u8]>;

/// Allows more than is allowed everywhere.
pub(crate) type Excuse<'a> = dyn Fn(&str, &[&[u8]], &[&[u8]]) -> Option<Allowed> + 'a;

impl Verdict {
    pub(crate) fn allow(&mut self, why: Allowed) {
        *self.allowed.entry(why).or_default() += 1;
    }

    pub(crate) fn differ(
        &mut self,
        what: impl Into<String>,
        direct: impl ToString,
        proxied: impl ToString,
    ) {
        self.differences.push(Difference {
            what: what.into(),
            direct: direct.to_string(),
            proxied: proxied.to_string(),
        });
    }

    /// Both in all that they are. `length` is that of the body which a GET gets.
    pub(crate) fn answers(&mut self, direct: &Answer, proxied: &Answer, length: usize) {
        if direct.status != proxied.status {
            self.differ("status", direct.status, proxied.status);
        }
        self.fields(direct, proxied, length, &|_, _, _| None);
        self.bodies(&direct.body, &proxied.body);
    }

    /// Each byte.
    pub(crate) fn bodies(&mut self, direct: &[u8], proxied: &[u8]) {
        if direct != proxied {
            let same = direct.iter().zip(proxied).take_while(|(a, b)| a == b);
            let same = same.count();
            let show = |body: &[u8]| {
                let there = &body[same..body.len().min(same + 16)];
                format!("{} bytes, at {same}: {}", body.len(), there.escape_ascii())
            };
            self.differ("body", show(direct), show(proxied));
        }
    }

    /// Each field, with all its lines in their order.
    pub(crate) fn fields(
        &mut self,
        direct: &Answer,
        proxied: &Answer,
        length: usize,
        excuse: &Excuse<'_>,
    ) {
        let names: BTreeSet<_> = [&direct.headers, &proxied.headers]
            .into_iter()
            .flat_map(HeaderMap::keys)
            .map(HeaderName::as_str)
            .collect();
        for name in names {
            let (ours, theirs) = (lines(&direct.headers, name), lines(&proxied.headers, name));
            if ours == theirs {
                continue;
            }
            let head = direct.body.is_empty() && length > 0;
            let why = everywhere(name, &ours, &theirs, length, head);
            match why.or_else(|| excuse(name, &ours, &theirs)) {
                Some(why) => self.allow(why),
                None => self.differ(name, show(&ours), show(&theirs)),
            }
        }
    }
}

/// What may differ in any answer, if it differs in this way.
fn everywhere(
    name: &str,
    direct: &[&[u8]],
    proxied: &[&[u8]],
    length: usize,
    head: bool,
) -> Option<Allowed> {
    let (added, one) = (direct.is_empty(), proxied.len() == 1);
    match name {
        "connection" | "keep-alive" | "transfer-encoding" => Some(Allowed::Hop),
        "via" => {
            let (last, before) = proxied.split_last()?;
            (before == direct && *last == b"1.1 bellwether").then_some(Allowed::Via)
        }
        "cache-status" => {
            let ours = added && one && proxied[0].starts_with(b"bellwether; ");
            ours.then_some(Allowed::CacheStatus)
        }
        // Their values are checked for each answer: see `timing`.
        "age" => (added && one).then_some(Allowed::Age),
        "date" => (direct.len() == 1 && one).then_some(Allowed::Date),
        "content-length" => {
            let right = added && *proxied == [length.to_string().as_bytes()];
            let why = if head {
                Allowed::LengthOfHead
            } else {
                Allowed::Length
            };
            right.then_some(why)
        }
        _ => None,
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Lines<'a> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| line.as_bytes()).collect()
}

fn show(lines: &[&[u8]]) -> String {
    match lines {
        [] => "nothing".to_owned(),
        lines => {
            let shown = lines
                .iter()
                .map(|line| format!("[{}]", line.escape_ascii()));
            shown.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(fields: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        Answer {
            status: http::StatusCode::OK,
            headers,
            body: body.into(),
            took: Duration::ZERO,
        }
    }

    /// The names of what differs.
    fn differing(direct: &Answer, proxied: &Answer) -> Vec<String> {
        let mut verdict = Verdict::default();
        verdict.answers(direct, proxied, direct.body.len());
        let found = verdict.differences.into_iter();
        found.map(|difference| difference.what).collect()
    }

    #[test]
    fn every_byte_and_every_line_counts() {
        let direct = answer(&[("a", "1"), ("a", "2"), ("b", "x")], "body");
        assert!(differing(&direct, &direct).is_empty());
        for (fields, body, what) in [
            (&[("a", "1"), ("a", "2"), ("b", "x")][..], "bodY", "body"),
            (&[("a", "1"), ("a", "2"), ("b", "x")], "bod", "body"),
            (&[("a", "2"), ("a", "1"), ("b", "x")], "body", "a"),
            (&[("a", "1, 2"), ("b", "x")], "body", "a"),
            (&[("a", "1"), ("b", "x")], "body", "a"),
            (&[("a", "1"), ("a", "2"), ("b", "X")], "body", "b"),
            (&[("a", "1"), ("a", "2")], "body", "b"),
        ] {
            assert_eq!(differing(&direct, &answer(fields, body)), [what]);
        }
    }

    #[test]
    fn what_is_allowed_has_to_be_right() {
        let direct = answer(&[("via", "1.1 a"), ("connection", "close")], "body");
        let good = [
            ("via", "1.1 a"),
            ("via", "1.1 bellwether"),
            ("age", "3"),
            ("content-length", "4"),
            ("cache-status", "bellwether; hit"),
        ];
        assert!(differing(&direct, &answer(&good, "body")).is_empty());
        for (at, wrong) in [
            (0, ("via", "1.1 b")),
            (1, ("via", "1.1 c")),
            (3, ("content-length", "5")),
            (4, ("cache-status", "other; hit")),
        ] {
            let mut fields = good;
            fields[at] = wrong;
            assert_eq!(differing(&direct, &answer(&fields, "body")), [wrong.0]);
        }
    }
}
