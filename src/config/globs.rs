//! Patterns in settings, compiled.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::Error;
use crate::semantics::path;

/// Patterns of which one has to match.
#[derive(Debug, Clone)]
pub(crate) struct Globs(GlobSet);

/// What patterns are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `*` stays within a segment, `**` does not. Case counts.
    Path,
    /// Case does not count, and brackets are those of an address: `[::1]`.
    Host,
    /// Of parameters. Case counts.
    Parameter,
    /// Of cookies. Case does not count: to some origins it does not.
    Cookie,
}

impl Globs {
    /// Compiles them; `setting` is what an error calls them.
    pub(crate) fn new(setting: &str, kind: Kind, patterns: &[String]) -> Result<Self, Error> {
        let wrong = |value: &dyn std::fmt::Debug, allowed: &dyn std::fmt::Display| {
            Error::config(format!("{setting} is {value:?}, must be {allowed}"))
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            if let Some(allowed) = kind.refuses(pattern) {
                return Err(wrong(pattern, &allowed));
            }
            let text = match kind {
                Kind::Path => path::plain_glob(pattern),
                Kind::Host => pattern.replace('[', "\\["),
                Kind::Parameter | Kind::Cookie => pattern.clone(),
            };
            let glob = GlobBuilder::new(&text)
                .literal_separator(kind == Kind::Path)
                .case_insensitive(matches!(kind, Kind::Host | Kind::Cookie))
                .backslash_escape(true)
                .empty_alternates(true)
                .build();
            let allowed = |error: &globset::Error| format!("a glob: {}", error.kind());
            set.add(glob.map_err(|error| wrong(pattern, &allowed(&error)))?);
        }
        let set = set.build();
        let set = set.map_err(|error| wrong(&patterns, &error.kind()))?;
        Ok(Self(set))
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match_candidate(&Candidate::from_bytes(text))
    }
}

impl Kind {
    /// What a pattern has to be that can match nothing, or not what it seems to.
    fn refuses(self, pattern: &str) -> Option<&'static str> {
        let has = |bytes: &[u8]| pattern.bytes().any(|byte| bytes.contains(&byte));
        match self {
            _ if pattern.is_empty() => Some("not empty"),
            Self::Path if !pattern.starts_with(['/', '*']) => {
                Some("a path, which begins with / (or with **)")
            }
            Self::Path if has(b"?#") => Some("a path without its query (see query)"),
            Self::Path if !whole_segments(pattern) => {
                Some("a path in which ** stands between slashes or at an end, like /a/**")
            }
            Self::Host if has(b"/@ ") => Some("a host, or host:port, like *.example.com"),
            Self::Parameter if has(b"&=#") => Some("the name of a parameter, like utm_*"),
            Self::Cookie if has(b";= ") => Some("the name of a cookie, like wp_*"),
            _ => None,
        }
    }
}

/// True if each `**` stands where it means any number of segments; elsewhere it would be a `*`.
fn whole_segments(pattern: &str) -> bool {
    pattern.match_indices("**").all(|(at, _)| {
        let (before, after) = (&pattern[..at], &pattern[at + 2..]);
        (before.is_empty() || before.ends_with(['/', '{', ',']))
            && (after.is_empty() || after.starts_with(['/', '}', ',']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(kind: Kind, pattern: &str) -> Globs {
        Globs::new("x", kind, &[pattern.to_owned()]).expect("a good pattern")
    }

    #[test]
    fn patterns_match_as_documented() {
        for (kind, pattern, yes, no) in [
            (
                Kind::Path,
                "/a",
                &["/a"][..],
                &["/a/", "/A", "/ab", "/"][..],
            ),
            (
                Kind::Path,
                "/a/*",
                &["/a/b", "/a/", "/a/.b"],
                &["/a", "/a/b/c"],
            ),
            (
                Kind::Path,
                "/a/**",
                &["/a/", "/a/b", "/a/b/c", "/a/.b/..c"],
                &["/a", "/ab"],
            ),
            (Kind::Path, "/a*", &["/a", "/abc"], &["/a/b"]),
            (
                Kind::Path,
                "/**/*.css",
                &["/x.css", "/a/b/x.css", "/.css"],
                &["/x.css/", "/xcss"],
            ),
            (
                Kind::Path,
                "**/*.css",
                &["/x.css", "/a/b/x.css"],
                &["/x.css/a"],
            ),
            (Kind::Path, "**", &["/", "/a/b"], &[]),
            (
                Kind::Path,
                "/*.{css,js}",
                &["/a.css", "/a.js"],
                &["/a.png", "/a/b.js"],
            ),
            (Kind::Path, "/[ab]x", &["/ax", "/bx"], &["/cx"]),
            (Kind::Path, "/caf%C3%A9", &["/café"], &["/caf%C3%A9"]),
            (
                Kind::Host,
                "example.com",
                &["example.com", "EXAMPLE.com"],
                &["a.example.com", "example.com:1"],
            ),
            (
                Kind::Host,
                "*.Example.com",
                &["a.example.com", "a.b.example.com"],
                &["example.com"],
            ),
            (Kind::Host, "[::1]", &["[::1]"], &[":", "1"]),
            (
                Kind::Parameter,
                "utm_*",
                &["utm_", "utm_a/b"],
                &["UTM_a", "xutm_a"],
            ),
            (Kind::Cookie, "wp_*", &["wp_a", "WP_A"], &["awp_"]),
            (Kind::Cookie, "*", &["", "a"], &[]),
        ] {
            let globs = globs(kind, pattern);
            for text in yes {
                assert!(globs.matches(text.as_bytes()), "{pattern} {text}");
            }
            for text in no {
                assert!(!globs.matches(text.as_bytes()), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_pattern_that_cannot_mean_what_it_says_is_refused() {
        for (kind, pattern, why) in [
            (Kind::Path, "", "not empty"),
            (Kind::Path, "api/**", "begins with /"),
            (Kind::Path, "/a?b=*", "without its query"),
            (Kind::Path, "/a**", "stands between slashes"),
            (Kind::Path, "/**.css", "stands between slashes"),
            (Kind::Path, "/[a", "unclosed character class"),
            (Kind::Path, "/{a", "unclosed alternate"),
            (Kind::Path, "/a\\", "dangling"),
            (Kind::Host, "http://a", "a host"),
            (Kind::Parameter, "a=b", "the name of a parameter"),
            (Kind::Cookie, "a;b", "the name of a cookie"),
        ] {
            let error = Globs::new("rules[1].x", kind, &["*".into(), pattern.into()]);
            let error = error.map(drop).unwrap_err().to_string();
            let start = format!("rules[1].x is {pattern:?}, must be ");
            assert!(error.starts_with(&start) && error.contains(why), "{error}");
        }
    }
}
