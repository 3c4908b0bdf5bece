//! Which request fields a URL's responses vary on.

use http::header::HeaderName;

use crate::clock::Moment;
use crate::entry::{Fence, Stamp};

/// The Vary rule of one URL, stored under its primary key in place of a response.
///
/// The union of all `Vary` fields seen: more fields than one response named only make its variant
/// narrower, which is safe.
#[derive(Debug)]
pub(crate) struct VaryRule {
    /// The fence (or local counter) under which this rule was made; part of each variant's key.
    pub(crate) generation: u64,
    /// Sorted, without repeats.
    pub(crate) fields: Vec<HeaderName>,
    /// The text of the primary key.
    pub(crate) key: Box<[u8]>,
    pub(crate) stamp: Stamp,
    /// When it has to be looked up again in the shared tier, which may have lost it, or have
    /// another one by then.
    pub(crate) until: Moment,
    /// The last soft purge of the URL: its variants from before that are stale.
    pub(crate) softened: Option<Softened>,
}

/// A soft purge, to those of a URL's variants which it makes stale: there is no list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Softened {
    /// Its fence; `None` if it never reached the shared tier.
    pub(crate) fence: Option<Fence>,
    /// When that was, on this process's clock.
    pub(crate) at: Moment,
}

impl Softened {
    /// True if what bears `stamp` is from before the purge.
    pub(crate) fn covers(&self, stamp: &Stamp) -> bool {
        match (stamp.fence, self.fence) {
            (Some(ours), Some(purge)) => ours < purge,
            _ => stamp.fetched <= self.at,
        }
    }
}

impl VaryRule {
    /// The same rule, in which the variants so far are stale.
    pub(crate) fn softened(&self, by: Softened, until: Moment) -> Self {
        Self {
            softened: Some(by),
            ..self.trusted(until)
        }
    }

    /// The same rule, to be looked up again at `until`.
    pub(crate) fn trusted(&self, until: Moment) -> Self {
        let (fence, body) = (self.stamp.fence, self.stamp.body);
        Self {
            generation: self.generation,
            fields: self.fields.clone(),
            key: self.key.clone(),
            stamp: Stamp::new(fence, body, self.stamp.fetched, self.stamp.epoch()),
            until,
            softened: self.softened,
        }
    }
}
