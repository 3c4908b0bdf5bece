//! What things are called in the store.

use super::era::{ERA, Era};
use super::shards;
use super::topology::slots;
use crate::error::Error;
use crate::key::EntryId;

/// The two keys of an entry. The braces put both into one slot of a cluster.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) entry: String,
    pub(super) lease: String,
}

impl Names {
    /// In the order in which the scripts take them.
    pub(super) fn keys(&self) -> [&str; 2] {
        [&self.entry, &self.lease]
    }
}

/// The part of the store that is ours. `bw1` is the version of the layout.
#[derive(Debug)]
pub(super) struct Space {
    prefix: String,
    /// The channel of everyone's events. Pub/sub does not know databases, so it names its own.
    pub(super) channel: String,
    /// Those that go by a part of a cluster each.
    pub(super) shards: Vec<String>,
    /// Which of it counts: what was before the last purge of everything does not.
    pub(super) era: Era,
    namespace: String,
    /// The channel of this node's own heartbeat: on the shared one, heartbeats would cost the
    /// square of the number of nodes.
    pub(super) pulse: String,
}

impl Space {
    /// # Errors
    /// `Config` if the namespace is empty, too long, or holds what would change the keys' meaning.
    pub(super) fn new(namespace: &str, db: u32) -> Result<Self, Error> {
        let fits = (1..=64).contains(&namespace.len())
            && namespace
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !fits {
            return Err(Error::config(format!(
                "redis namespace: 1 to 64 of a-z A-Z 0-9 . _ - are allowed, got {namespace:?}"
            )));
        }
        let channel = format!("bw1:{db}:{namespace}:ev");
        Ok(Self {
            prefix: format!("bw1:{namespace}"),
            era: Era::new(),
            shards: shards::channels(&channel),
            pulse: format!("{channel}:{:016x}", fastrand::u64(..)),
            namespace: namespace.to_owned(),
            channel,
        })
    }

    /// The slot of a cluster that an entry is in.
    pub(super) fn slot(&self, id: EntryId) -> u16 {
        slots::of_tag(format!("{}:{id}", self.prefix).as_bytes())
    }

    /// What a node listens to.
    pub(super) fn channels(&self) -> [&str; 2] {
        [&self.channel, &self.pulse]
    }

    /// Where the era is kept.
    pub(super) fn era_key(&self) -> String {
        format!("{{{}:{ERA}}}:era", self.prefix)
    }

    /// The word of an access rule that permits all keys of ours.
    pub(super) fn key_right(&self) -> String {
        format!("~{{{}:*", self.prefix)
    }

    /// The same for our channels.
    pub(super) fn channel_right(&self) -> String {
        format!("&bw1:*:{}:ev*", self.namespace)
    }

    pub(super) fn names(&self, id: EntryId) -> Names {
        self.names_in(self.era.current(), id)
    }

    /// The two keys of a lock, whatever is purged.
    pub(super) fn lock_names(&self, id: EntryId) -> Names {
        self.names_in(0, id)
    }

    pub(super) fn names_in(&self, era: u64, id: EntryId) -> Names {
        let slot = format!("{{{}:{id}}}", self.prefix);
        let era = if era == 0 {
            String::new()
        } else {
            format!("@{era}")
        };
        Names {
            entry: format!("{slot}:e{era}"),
            lease: format!("{slot}:l{era}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_of_an_entry_share_a_slot_and_a_namespace() {
        let names = Space::new("a.b", 3)
            .unwrap()
            .names(EntryId::from_bytes([1; 16]));
        assert_eq!(names.entry, format!("{{bw1:a.b:{}}}:e", "01".repeat(16)));
        assert_eq!(names.lease, format!("{{bw1:a.b:{}}}:l", "01".repeat(16)));
        let later = Space::new("a.b", 3)
            .unwrap()
            .names_in(7, EntryId::from_bytes([1; 16]));
        assert_eq!(later.entry, format!("{}@7", names.entry));
        assert_eq!(later.lease, format!("{}@7", names.lease));
    }

    #[test]
    fn a_namespace_that_would_change_the_slot_is_refused() {
        for bad in ["", "a}b", "a{b", "a:b", "a b", "ä", &"x".repeat(65)] {
            assert!(Space::new(bad, 0).expect_err(bad).is_config(), "{bad}");
        }
    }
}
