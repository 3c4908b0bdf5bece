//! Which request fields a URL's responses vary on.

use http::header::HeaderName;

use crate::clock::Moment;
use crate::entry::Stamp;

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
    /// When it has to be looked up again in the shared tier, which keeps it no longer.
    pub(crate) until: Moment,
}
