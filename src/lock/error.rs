//! Why there is no lock.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::lock::heartbeat::Loss;

/// Why there is no lock, or not any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it. From [`try_lock`](super::Lock::try_lock).
    Held {
        /// Time left of the other's lease, if that is not renewed.
        left: Duration,
    },
    /// Somebody else had it until the deadline. From [`lock`](super::Lock::lock).
    TimedOut,
    /// It was ours, and is not surely ours any more: what the work did last may have been done
    /// beside another holder.
    Lost(Loss),
    /// The store did not answer: whether the lock was free is not known. What may have been granted
    /// is given back.
    Unavailable(Error),
}

impl LockError {
    /// True if another holder is the reason ([`Held`](Self::Held) or [`TimedOut`](Self::TimedOut)).
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::TimedOut)
    }

    /// True if the store is the reason.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// True if it was ours before.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { .. } => f.write_str("somebody else has the lock"),
            Self::TimedOut => f.write_str("somebody else had the lock until the deadline"),
            Self::Lost(loss) => write!(f, "the lock is lost: {loss}"),
            Self::Unavailable(_) => f.write_str("the store of the lock is out of reach"),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            Self::Held { .. } | Self::TimedOut | Self::Lost(_) => None,
        }
    }
}

impl From<Error> for LockError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error)
    }
}
