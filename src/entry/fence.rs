//! Fencing tokens: the order in which refreshes were permitted.

use std::fmt;

/// A fencing token. Of two refreshes of one entry, the later permitted one has the larger fence,
/// and the store refuses what comes with a smaller one.
///
/// Minted as the larger of the store's clock in microseconds and the entry's last fence plus one,
/// so that it goes on rising when the entry was lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// The fence with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number: compare it, store it with what you write, refuse smaller ones.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence({})", self.0)
    }
}
