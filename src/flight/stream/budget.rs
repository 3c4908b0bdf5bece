//! One bound on the memory of all bodies under way.

use std::sync::Arc;

use crate::sync::atomic::{AtomicU64, Ordering};

/// The bytes that all running logs of a process hold, and how many they may.
///
/// It is a tally, not a lock: a log adds what it has taken, and gives up if that was too much.
/// Logs at the edge may exceed it by a chunk each.
#[derive(Debug)]
pub(crate) struct Budget {
    capacity: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            used: AtomicU64::new(0),
        })
    }

    /// Adds what was taken.
    pub(super) fn charge(&self, bytes: u64) {
        // Relaxed: the tally guards no other memory.
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes off what was given back, charged before.
    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// True if more is held than may be.
    pub(super) fn is_over(&self) -> bool {
        self.used() > self.capacity
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
