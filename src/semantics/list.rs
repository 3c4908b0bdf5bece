//! Comma-separated field values (RFC 9110 §5.6.1).

use http::header::{HeaderMap, HeaderName};

/// The members of a list-based field: all its lines as one list, without white space around the
/// members and without the empty ones (RFC 9110 §5.3, §5.6.1.2).
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| Members::of(line.as_bytes()))
        .filter(|member| !member.is_empty())
}

/// The members of one line; a comma in a quoted string does not separate.
pub(crate) struct Members<'a> {
    rest: &'a [u8],
    /// A quotation mark was never closed: from there on, all are ordinary characters.
    ///
    /// It must not hide a `no-store` that comes after it. And it is noted rather than found again
    /// for each member, so that no line takes more than linear time.
    plain: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Self {
        Self {
            rest: line,
            plain: false,
        }
    }
}

impl Members<'_> {
    fn end_of_member(&mut self) -> usize {
        let (mut open, mut escaped) = (None, false);
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                b',' if open.is_none() => return at,
                _ if self.plain => {}
                _ if escaped => escaped = false,
                b'\\' if open.is_some() => escaped = true,
                b'"' if open.is_none() => open = Some(at),
                b'"' => open = None,
                _ => {}
            }
        }
        let Some(open) = open else {
            return self.rest.len();
        };
        self.plain = true;
        let comma = self.rest[open..].iter().position(|&byte| byte == b',');
        comma.map_or(self.rest.len(), |comma| open + comma)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.end_of_member();
        let member = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(trim(member))
    }
}

/// Without optional white space (RFC 9110 §5.6.3) at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The inside of a quoted string, escapes as they stand; `None` if it is not one.
pub(crate) fn unquote(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inside @ .., b'"'] => Some(inside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<&str> {
        Members::of(line.as_bytes())
            .map(|member| std::str::from_utf8(member).unwrap())
            .collect()
    }

    #[test]
    fn commas_separate_but_not_within_quotes() {
        assert_eq!(split("a, b\t,c"), ["a", "b", "c"]);
        assert_eq!(split(r#"x="a, b", y"#), [r#"x="a, b""#, "y"]);
        assert_eq!(split(r#"x="a\", b", y"#), [r#"x="a\", b""#, "y"]);
        assert_eq!(split(",, a,"), ["", "", "a"]);
        assert_eq!(split(""), [""; 0]);
    }

    #[test]
    fn an_unclosed_quote_hides_nothing_after_it() {
        assert_eq!(split(r#"x="a, no-store"#), [r#"x="a"#, "no-store"]);
        assert_eq!(split(r#"x="a\", no-store"#), [r#"x="a\""#, "no-store"]);
        assert_eq!(
            split(r#"a="b", c="d, e="f, no-store"#),
            [r#"a="b""#, r#"c="d, e="f"#, "no-store"]
        );
        // Nor does it open what was closed before it.
        assert_eq!(
            split(r#"a="b, max-age=9" "c, no-store"#),
            [r#"a="b, max-age=9" "c"#, "no-store"]
        );
    }

    #[test]
    fn a_hostile_line_takes_linear_time() {
        for unit in [r#""\","#, r#""",""#, r#"",","#, ",\"", "\",", "\\\"", ","] {
            let line = unit.repeat(100_000);
            assert!(Members::of(line.as_bytes()).count() > 0, "{unit}");
        }
        let line = ["\"", &"a,".repeat(200_000)].concat();
        assert_eq!(Members::of(line.as_bytes()).count(), 200_000);
    }
}
