//! Entity tags (RFC 9110 §8.8.3).

use crate::semantics::list::trim;

/// One entity tag. What is no entity tag is kept as it stands, and equals only itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) weak: bool,
    /// With its quotation marks.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag of an `ETag` field.
    pub(crate) fn of(value: &'a [u8]) -> Self {
        let value = trim(value);
        match value.strip_prefix(b"W/") {
            Some(opaque @ [b'"', .., b'"']) => Self { weak: true, opaque },
            _ => Self {
                weak: false,
                opaque: value,
            },
        }
    }

    /// Weak comparison (RFC 9110 §8.8.3.2): good enough for reading.
    pub(crate) fn matches(&self, other: &Tag<'_>) -> bool {
        !self.opaque.is_empty() && self.opaque == other.opaque
    }

    /// Strong comparison: both mean the same bytes.
    pub(crate) fn matches_strongly(&self, other: &Tag<'_>) -> bool {
        !self.weak && !other.weak && self.matches(other)
    }
}

/// The tags of one `If-None-Match` line. A comma within a tag does not separate, and a tag has no
/// escapes, so this is not the usual list.
pub(crate) fn tags(line: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return None;
        }
        let (tag, after) = quoted(rest).unwrap_or_else(|| {
            let comma = rest.iter().position(|&byte| byte == b',');
            rest.split_at(comma.unwrap_or(rest.len()))
        });
        rest = after;
        Some(Tag::of(tag))
    })
}

/// Splits off a well-formed tag.
fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = if bytes.starts_with(b"W/") { 2 } else { 0 };
    let inside = bytes.get(start..)?.strip_prefix(b"\"")?;
    let length = inside.iter().position(|&byte| byte == b'"')?;
    Some(bytes.split_at(start + length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_strong_comparison_follow_the_table_of_the_rfc() {
        for (a, b, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            ("", "", false, false),
            (r#"w/"1""#, r#""1""#, false, false),
        ] {
            let (a, b) = (Tag::of(a.as_bytes()), Tag::of(b.as_bytes()));
            assert_eq!(a.matches_strongly(&b), strong, "{a:?} {b:?}");
            assert_eq!(a.matches(&b), weak, "{a:?} {b:?}");
        }
    }

    #[test]
    fn commas_and_backslashes_within_a_tag_belong_to_it() {
        let line = br#" "a,b" , W/"c\" ,, "d""e" x, "open"#;
        let found: Vec<_> = tags(line).map(|tag| (tag.weak, tag.opaque)).collect();
        let expected: [(bool, &[u8]); 6] = [
            (false, br#""a,b""#),
            (true, br#""c\""#),
            (false, br#""d""#),
            (false, br#""e""#),
            (false, b"x"),
            (false, br#""open"#),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hostile_line_takes_linear_time() {
        for unit in [r#"x"\","#, r#"W/","#, r#"W/"#, "x,", "\","] {
            let line = unit.repeat(100_000);
            assert!(tags(line.as_bytes()).count() > 0, "{unit}");
        }
    }
}
