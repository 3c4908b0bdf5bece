//! Paths as rules are matched against them.
//!
//! What one server takes for `/static/..%2faccount`, another takes for `/account`. A rule that is
//! meant for the one must not hold for the other, or an attacker chooses which rule holds for a
//! page. So a path is read twice, naively and as the most obliging of servers would.

use smallvec::SmallVec;

/// A path that had to be rewritten.
pub(crate) type Text = SmallVec<[u8; 112]>;

/// The path with its percent-encoding undone, as far as that leaves its structure alone; `None` if
/// it stays as it is.
pub(crate) fn plain(path: &str) -> Option<Text> {
    path.contains('%').then(|| {
        let mut text = Text::new();
        decode(path.as_bytes(), |byte, encoded| match encoded {
            Some(as_written) if separates(byte) => text.extend_from_slice(as_written),
            _ => text.push(byte),
        });
        text
    })
}

/// The same for a glob: what is special in globs and was encoded stays itself.
pub(crate) fn plain_glob(glob: &str) -> String {
    let mut text = Vec::with_capacity(glob.len());
    decode(glob.as_bytes(), |byte, encoded| match encoded {
        Some(as_written) if separates(byte) => text.extend_from_slice(as_written),
        Some(_) if b"*?[]{},!\\".contains(&byte) => text.extend_from_slice(&[b'\\', byte]),
        _ => text.push(byte),
    });
    String::from_utf8(text).unwrap_or_else(|_| glob.to_owned())
}

/// The path as far as it could be taken: all encoding undone, `\` for `/`, `;...` cut off each
/// segment, dot segments resolved (RFC 3986 §5.2.4), slashes merged, and nothing behind an encoded
/// `?`, `#` or NUL. `None` if it stays as it is.
pub(crate) fn obliging(path: &str) -> Option<Text> {
    let bytes = path.as_bytes();
    let clean = !bytes.iter().any(|byte| b"%;\\".contains(byte))
        && !bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.");
    if clean {
        return None;
    }
    let mut decoded = Text::new();
    let mut ended = false;
    decode(bytes, |byte, _| {
        ended |= matches!(byte, b'?' | b'#' | 0);
        if !ended {
            decoded.push(if byte == b'\\' { b'/' } else { byte });
        }
    });
    let mut text = Text::new();
    let mut starts: SmallVec<[usize; 16]> = SmallVec::new();
    let folder = matches!(last_segment(&decoded), b"" | b"." | b"..");
    for segment in decoded.split(|&byte| byte == b'/').map(without_parameters) {
        match segment {
            b"" | b"." => {}
            b".." => text.truncate(starts.pop().unwrap_or(0)),
            _ => {
                starts.push(text.len());
                text.push(b'/');
                text.extend_from_slice(segment);
            }
        }
    }
    if folder || text.is_empty() {
        text.push(b'/');
    }
    Some(text)
}

fn last_segment(path: &[u8]) -> &[u8] {
    let last = path.rsplit(|&byte| byte == b'/').next();
    without_parameters(last.unwrap_or_default())
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    let end = segment.iter().position(|&byte| byte == b';');
    &segment[..end.unwrap_or(segment.len())]
}

/// True for what gives a path its structure, to some server at least.
fn separates(byte: u8) -> bool {
    b"/\\;?#%".contains(&byte) || byte.is_ascii_control()
}

/// Hands out each byte, decoded once, with the three that it was written as if it was encoded.
fn decode<'a>(mut text: &'a [u8], mut take: impl FnMut(u8, Option<&'a [u8]>)) {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    while let [first, rest @ ..] = text {
        if let [b'%', high, low, after @ ..] = text
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            let byte = u8::try_from(high << 4 | low).expect("two hexadecimal digits are a byte");
            take(byte, Some(&text[..3]));
            text = after;
        } else {
            take(*first, None);
            text = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: Option<Text>, path: &str) -> String {
        text.map_or_else(
            || path.to_owned(),
            |text| String::from_utf8_lossy(&text).into_owned(),
        )
    }

    #[test]
    fn what_is_equivalent_is_decoded_and_the_structure_stays() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/%61/%7Eb", "/a/~b"),
            ("/caf%C3%A9/a%20b", "/café/a b"),
            ("/a%2Fb%2f", "/a%2Fb%2f"),
            ("/a%3Bb%3f%23%00%5c", "/a%3Bb%3f%23%00%5c"),
            // Decoded once only.
            ("/%2561", "/%2561"),
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%zz%61", "/%zza"),
        ] {
            assert_eq!(text(plain(path), path), expected);
        }
    }

    #[test]
    fn a_glob_may_be_written_encoded_or_plain() {
        for (glob, expected) in [
            ("/a/**", "/a/**"),
            ("/caf%C3%A9/*", "/café/*"),
            ("/a%2A/*", "/a\\*/*"),
            ("/a%2F*", "/a%2F*"),
            ("/%ff/*", "/%ff/*"),
        ] {
            assert_eq!(plain_glob(glob), expected);
        }
    }

    #[test]
    fn the_obliging_reading_goes_as_far_as_any_server() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/", "/"),
            ("/a.b/c", "/a.b/c"),
            ("/static/../account", "/account"),
            ("/static/..%2faccount", "/account"),
            ("/static/%2e%2E/account", "/account"),
            ("/static/..;/account", "/account"),
            ("/static/..\\account", "/account"),
            ("/static/..%5caccount", "/account"),
            ("/account/me;x.css", "/account/me"),
            ("/account/me%3bx.css", "/account/me"),
            ("/account/me%3Fx.css", "/account/me"),
            ("/account/me%23x.css", "/account/me"),
            ("/account/me%00.css", "/account/me"),
            ("//account///me", "/account/me"),
            ("/account/", "/account/"),
            ("/account/x/..", "/account/"),
            ("/account/.", "/account/"),
            ("/../../a", "/a"),
            ("/..", "/"),
            ("/a/b/../../..", "/"),
            ("/.hidden", "/.hidden"),
            ("/%2561", "/%61"),
        ] {
            assert_eq!(text(obliging(path), path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics_and_the_result_is_one(path in "/[a-b/.;%\\\\2efF]{0,24}") {
            let read = text(obliging(&path), &path);
            prop_assert!(read.starts_with('/'));
            prop_assert!(!read.contains("//") && !read.contains(';'));
            prop_assert!(!read.split('/').any(|segment| segment == ".."));
            let _ = plain(&path);
        }
    }
}
