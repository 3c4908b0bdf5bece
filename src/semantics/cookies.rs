//! Cookies out of requests (RFC 6265 §4.2): looking for some, taking some away.
//!
//! Names are compared without case. Browsers tell `ID` and `id` apart, but not every origin does,
//! and what it may read as a cookie must not be overlooked here.

use http::header::{COOKIE, HeaderMap, HeaderValue};
use smallvec::SmallVec;

use crate::semantics::list::trim;

/// What a pseudo field begins with that stands for the cookies of one name: `cookie.lang`.
pub(crate) const PSEUDO: &str = "cookie.";

/// True if a cookie has a name for which `matches` holds.
pub(crate) fn any(request: &HeaderMap, matches: impl Fn(&[u8]) -> bool) -> bool {
    let mut lines = request.get_all(COOKIE).iter();
    lines.any(|line| pairs(line).any(|pair| names(pair).any(&matches)))
}

/// All cookies of this name as whole pairs, in their order, joined with `; `. `None` if there is
/// none.
///
/// Whatever the origin may take for one is among them: over all lines, without regard to case, the
/// part after a comma (RFC 2109 separated by those), and the rest of the line after a quote that
/// is left open. Too much makes a variant narrower; too little would hide from the key what the
/// origin sees.
pub(crate) fn named<const N: usize>(request: &HeaderMap, name: &str) -> Option<SmallVec<[u8; N]>> {
    let mut found: Option<SmallVec<[u8; N]>> = None;
    for line in request.get_all(COOKIE) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b';');
            let end = end.unwrap_or(rest.len());
            let pair = &rest[..end];
            let wanted = names(pair).any(|found| found.eq_ignore_ascii_case(name.as_bytes()));
            let open = pair.iter().filter(|&&byte| byte == b'"').count() % 2 == 1;
            let end = if wanted && open { rest.len() } else { end };
            if wanted {
                let found = found.get_or_insert_default();
                if !found.is_empty() {
                    found.extend_from_slice(b"; ");
                }
                found.extend_from_slice(trim(&rest[..end]));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    found
}

/// Takes away the cookies for whose names `keep` does not hold. Lines of which nothing goes stay
/// as they are.
pub(crate) fn retain(request: &mut HeaderMap, keep: impl Fn(&[u8]) -> bool) {
    let stays = |line: &HeaderValue| pairs(line).all(|pair| keep(name(pair)));
    if request.get_all(COOKIE).iter().all(stays) {
        return;
    }
    let lines: SmallVec<[HeaderValue; 4]> = request.get_all(COOKIE).iter().cloned().collect();
    request.remove(COOKIE);
    for line in lines {
        if stays(&line) {
            request.append(COOKIE, line);
            continue;
        }
        let kept = pairs(&line).filter(|pair| keep(name(pair))).map(trim);
        let kept: SmallVec<[&[u8]; 16]> = kept.collect();
        if kept.is_empty() {
            continue;
        }
        let kept = kept.join(&b"; "[..]);
        let mut value = HeaderValue::from_bytes(&kept).expect("pieces of a value make a value");
        value.set_sensitive(line.is_sensitive());
        request.append(COOKIE, value);
    }
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&byte| byte == b';')
}

/// The name of a pair; a pair without `=` is its own.
fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|&byte| byte == b'=');
    trim(&pair[..end.unwrap_or(pair.len())])
}

/// The same, and those of what stands after commas in it.
fn names(pair: &[u8]) -> impl Iterator<Item = &[u8]> {
    pair.split(|&byte| byte == b',').map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> HeaderMap {
        let value = |line: &&str| HeaderValue::from_str(line).unwrap();
        let lines = lines.iter().map(|line| (COOKIE, value(line)));
        lines.collect()
    }

    #[test]
    fn a_cookie_is_found_however_it_is_written() {
        let wanted = |name: &[u8]| name.eq_ignore_ascii_case(b"id");
        for (lines, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["id=1"], true),
            (&["a=1; id=1"], true),
            (&["a=1;id=1"], true),
            (&["a=1 ;\tid = 1"], true),
            (&["a=1", "b=2; ID=1"], true),
            (&["id"], true),
            (&["id="], true),
            (&["a=1, id=1"], true),
            (&["a=\"x; id=1\""], true),
            (&["aid=1; ids=2; a=id; i%64=1"], false),
        ] {
            assert_eq!(any(&head(lines), wanted), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_key_gets_all_that_an_origin_may_read_as_this_cookie() {
        for (lines, expected) in [
            (&[][..], None),
            (&["a=1"], None),
            (&["lang=en"], Some("lang=en")),
            (&["a=1; lang=en; b=2"], Some("lang=en")),
            (&[" lang = en "], Some("lang = en")),
            (&["lang"], Some("lang")),
            (&["lang="], Some("lang=")),
            // Which of several counts is the origin's own affair: all, in their order.
            (&["lang=en; a=1; lang=de"], Some("lang=en; lang=de")),
            (&["lang=de; lang=en"], Some("lang=de; lang=en")),
            (&["a=1; lang=en", "lang=de"], Some("lang=en; lang=de")),
            (&["LANG=en; lang=de"], Some("LANG=en; lang=de")),
            // Old readers: commas separate, and quotes hold a semicolon.
            (&["a=1, lang=en; b=2"], Some("a=1, lang=en")),
            (&["lang=en, de; b=2"], Some("lang=en, de")),
            (&["lang=\"en; de\"; b=2"], Some("lang=\"en; de\"; b=2")),
            (&["lang=\"en\"; b=2"], Some("lang=\"en\"")),
            (&["a=\"x; lang=en\"; b=2"], Some("lang=en\"; b=2")),
        ] {
            let found = named::<64>(&head(lines), "lang");
            let found = found.map(|found| String::from_utf8(found.to_vec()).unwrap());
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn cookies_are_taken_away_and_the_others_stay() {
        let keep = |name: &[u8]| !name.starts_with(b"_") && name != b"x";
        for (lines, expected) in [
            (&[][..], &[][..]),
            (&["a=1;  b=2"], &["a=1;  b=2"]),
            (&["a=1; x=2; b=3"], &["a=1; b=3"]),
            (&["a=1;x=2;b=3"], &["a=1; b=3"]),
            (&["x=1"], &[]),
            (&["x=1; _ga=2"], &[]),
            (&["x=1", "a=1"], &["a=1"]),
            (&["a=1", "x=1; b=2", "_x"], &["a=1", "b=2"]),
            (&["x"], &[]),
            (&["x =1; a=\"x\"; x=\"a=1"], &["a=\"x\""]),
            (&["a=x=1; x=a=1"], &["a=x=1"]),
        ] {
            let mut request = head(lines);
            retain(&mut request, keep);
            let left: Vec<_> = request.get_all(COOKIE).iter().collect();
            assert_eq!(left, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_sensitive_value_stays_one() {
        let mut request = head(&["a=1; x=2"]);
        request.get_mut(COOKIE).unwrap().set_sensitive(true);
        retain(&mut request, |name| name != b"x");
        assert!(request[COOKIE].is_sensitive());
    }
}
