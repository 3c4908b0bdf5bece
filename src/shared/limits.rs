//! What both adapters cut durations to, so that they answer alike.

use std::time::Duration;

use crate::entry::LONGEST_SHARED;

/// How long the book-keeping of an entry (its newest fence, its marks) outlives its last use. Far
/// above the longest hold of a lease, so that whoever still holds one meets the fence that beat it.
pub(super) const GRACE: Duration = Duration::from_secs(600);

/// No duration on the wire is longer than ten years: sums of it stay exact, in Lua too.
const LONGEST: u64 = LONGEST_SHARED.as_secs() * 1_000;

/// Whole milliseconds, at most ten years.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .min(LONGEST)
}

/// Whole milliseconds for something that has to exist for a moment at least.
pub(super) fn millis_at_least_one(duration: Duration) -> u64 {
    millis(duration).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_cut_to_what_the_wire_takes() {
        assert_eq!(millis(Duration::MAX), LONGEST);
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis_at_least_one(Duration::ZERO), 1);
    }
}
