//! Looking fields up, however they are held.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field lines of a head.
pub(crate) trait Lines {
    /// The value of the first line of this name.
    fn line(&self, name: &HeaderName) -> Option<&HeaderValue>;

    /// The values of all lines of this name, in their order.
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue>;
}

impl Lines for HeaderMap {
    fn line(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.get(name)
    }

    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        self.get_all(name).iter()
    }
}
