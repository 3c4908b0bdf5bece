//! What a lock is called.

use std::fmt;
use std::sync::Arc;

use crate::key::EntryId;

/// Most characters of a name that are kept for people to read.
const READABLE: usize = 120;

/// The name of a lock: any bytes, of any length.
///
/// What stands in the store, and what decides which lock it is, is a 128-bit digest (BLAKE3): so no
/// name is too long, none can change the meaning of a key, and none ends up in another slot of a
/// cluster than its lock. The beginning of the text is kept beside it, for people.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    id: EntryId,
    text: Arc<str>,
}

impl Name {
    /// The name that these bytes are. Text is taken as its UTF-8.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let bytes = name.as_ref();
        // Keyed apart from the entries of a cache, which may share the store.
        let digest = blake3::derive_key("bellwether 2026 name of a lock", bytes);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        let text = String::from_utf8_lossy(bytes);
        let mut kept: String = text.chars().take(READABLE).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        Self {
            id: EntryId::from_bytes(id),
            text: kept.into(),
        }
    }

    /// The digest, by which the store knows it.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Its text for people: the beginning of a long one, and � for what is no text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text.escape_debug(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self} {})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_any_byte_however_long_they_are() {
        let long = "x".repeat(100_000);
        let longer = format!("{long}y");
        let names: [&[u8]; 9] = [
            b"",
            b"a",
            b"a ",
            b"{a}",
            b"a}b{c",
            b"\0",
            b"\xff\xfe",
            long.as_bytes(),
            longer.as_bytes(),
        ];
        let ids: std::collections::HashSet<_> =
            names.into_iter().map(|n| Name::new(n).id()).collect();
        assert_eq!(ids.len(), names.len());
        assert_eq!(Name::new("a"), Name::new([b'a']));
    }

    #[test]
    fn what_people_see_is_short_and_harmless() {
        assert_eq!(Name::new("ä".repeat(500)).text().chars().count(), 121);
        assert_eq!(Name::new(b"\xff\n").to_string(), "\u{fffd}\\n");
    }
}
