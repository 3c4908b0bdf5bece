//! What an entry is called: the text that says what was asked for, and its digest.

use std::fmt;

use smallvec::SmallVec;

/// The 128-bit name of an entry: the truncated BLAKE3 digest of its key's text.
///
/// The same on every node, so events can name entries by it. A collision is harmless: the full
/// text is kept with each entry and compared on every use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    /// The name with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads 32 lower-case hexadecimal digits, the form that [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

/// The text of a key. Most fit inline, so that a look-up does not allocate.
pub(crate) type KeyText = SmallVec<[u8; 112]>;

/// What was asked for: a URL, or one variant of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    id: EntryId,
    text: KeyText,
}

impl Key {
    /// The key of a URL: host (lower case), path and query.
    ///
    /// The scheme is left out: over HTTP/1.1 a server does not learn it, over HTTP/2 it does, and
    /// both must name the same entry.
    pub(crate) fn primary(host: &str, path_and_query: &str) -> Self {
        Self::of(host.as_bytes(), path_and_query)
    }

    /// The same, of a host that may be no text.
    pub(crate) fn of(host: &[u8], path_and_query: &str) -> Self {
        Self::from_text(Self::text_of(host, path_and_query))
    }

    /// The text of that key, which nobody has made a digest of yet.
    fn text_of(host: &[u8], path_and_query: &str) -> KeyText {
        let mut text = KeyText::from_slice(host);
        text.make_ascii_lowercase();
        // A space can stand in neither part, so no two URLs share a text.
        text.push(b' ');
        // `http://host?query` has the path `/` (RFC 9110 §4.2.3), which its text leaves out.
        if path_and_query.starts_with('?') {
            text.push(b'/');
        }
        text.extend_from_slice(path_and_query.as_bytes());
        text
    }

    /// True if that is the text of a key: the same comparison without making it.
    pub(crate) fn is_text_of(text: &[u8], host: &[u8], path_and_query: &str) -> bool {
        let Some((start, rest)) = text.split_at_checked(host.len()) else {
            return false;
        };
        let path = match rest {
            [b' ', b'/', path @ ..] if path_and_query.starts_with('?') => path,
            [b' ', path @ ..] => path,
            _ => return false,
        };
        // The text has it in lower case, and few write it otherwise.
        let same_host = start == host || start.eq_ignore_ascii_case(host);
        same_host && path == path_and_query.as_bytes()
    }

    /// The key of one variant of this URL: the values that the request has for the fields which
    /// the Vary rule of this `generation` lists.
    ///
    /// The generation is part of the key: when the rule goes (a purge), every variant that was
    /// stored under it can no longer be reached, on any node, without listing them.
    pub(crate) fn variant<'a>(
        &self,
        generation: u64,
        values: impl Iterator<Item = (&'a str, Option<SmallVec<[u8; 64]>>)>,
    ) -> Self {
        Self::from_text(Self::variant_text(&self.text, generation, values))
    }

    /// The text of that key, of the URL whose key has the text `url`.
    pub(crate) fn variant_text<'a>(
        url: &[u8],
        generation: u64,
        values: impl Iterator<Item = (&'a str, Option<SmallVec<[u8; 64]>>)>,
    ) -> KeyText {
        let mut text = KeyText::from_slice(url);
        text.push(b'\n');
        let digit = |shift: u32| b"0123456789abcdef"[(generation >> shift & 0xf) as usize];
        text.extend((0..16).rev().map(|place| digit(place * 4)));
        for (name, value) in values {
            // A field's value holds no line break; an absent field has no colon.
            text.push(b'\n');
            text.extend_from_slice(name.as_bytes());
            if let Some(value) = value {
                text.push(b':');
                text.extend_from_slice(&value);
            }
        }
        text
    }

    pub(crate) fn from_text(text: KeyText) -> Self {
        let digest = blake3::hash(&text);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_bytes()[..16]);
        Self {
            id: EntryId(id),
            text,
        }
    }

    /// The key of this text, under whose digest something with the same text was found.
    pub(crate) fn proven(id: EntryId, text: KeyText) -> Self {
        Self { id, text }
    }

    pub(crate) fn id(&self) -> EntryId {
        self.id
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Key {
    /// Shows the digest: keys may hold what users typed, and that does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_without_being_made() {
        let hosts = ["", "a", "A", "a.b", "a/"];
        let paths = ["/", "/x", "?q", "/?q", "", "//", " /"];
        let all = || {
            hosts
                .iter()
                .flat_map(|host| paths.iter().map(move |path| (host, path)))
        };
        for (host, path) in all() {
            let text = Key::text_of(host.as_bytes(), path);
            for (other, its_path) in all() {
                let same = Key::text_of(other.as_bytes(), its_path) == text;
                let known = Key::is_text_of(&text, other.as_bytes(), its_path);
                assert_eq!(known, same, "{host} {path}, {other} {its_path}");
            }
            assert!(!Key::is_text_of(
                &[&text[..], b"x"].concat(),
                host.as_bytes(),
                path
            ));
        }
    }

    fn value(text: &str) -> Option<SmallVec<[u8; 64]>> {
        Some(SmallVec::from_slice(text.as_bytes()))
    }

    #[test]
    fn host_is_compared_without_case_and_path_with_it() {
        assert_eq!(
            Key::primary("Example.COM", "/a"),
            Key::primary("example.com", "/a")
        );
        assert_ne!(
            Key::primary("example.com", "/A"),
            Key::primary("example.com", "/a")
        );
    }

    #[test]
    fn an_empty_path_is_a_slash() {
        let uri: http::Uri = "http://a?b".parse().unwrap();
        let path = uri.path_and_query().unwrap().as_str();
        assert_eq!(Key::primary("a", path), Key::primary("a", "/?b"));
    }

    #[test]
    fn variants_differ_by_value_absence_and_generation() {
        let url = Key::primary("a", "/");
        let keys = [
            url.clone(),
            url.variant(1, [("accept", value("x"))].into_iter()),
            url.variant(1, [("accept", value("y"))].into_iter()),
            url.variant(1, [("accept", value(""))].into_iter()),
            url.variant(1, [("accept", None)].into_iter()),
            url.variant(2, [("accept", value("x"))].into_iter()),
        ];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a.id(), b.id());
                assert_ne!(a.text(), b.text());
            }
        }
    }

    #[test]
    fn ids_read_back_from_their_text_and_from_nothing_else() {
        let id = Key::primary("a", "/").id();
        assert_eq!(EntryId::parse(&id.to_string()), Some(id));
        for bad in [
            "",
            "00",
            &id.to_string().to_uppercase(),
            &format!("{id}0"),
            "zz",
        ] {
            assert_eq!(EntryId::parse(bad), None, "{bad}");
        }
    }
}
