//! One bound on the memory of all bodies under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use crate::sync::atomic::{AtomicU64, Ordering};

/// What is counted in.
const KIB: u64 = 1024;
/// A body waits for its turn as long as others come to their end this often: it is a rush then, and
/// each that has passed makes room for the next. Else what is under way is slow, or stands still.
const STANDSTILL: Duration = Duration::from_millis(250);
/// The longest that it waits.
const LONGEST: Duration = Duration::from_secs(5);

/// The memory for all bodies that are being fetched to be stored. Each takes its share before it
/// begins, and gives it back when it is whole or given up.
///
/// Shares of a known size are taken at once, in the order of the bodies' coming, so no two wait for
/// each other's rest. Who waits reads nothing, which holds the origin back.
#[derive(Debug)]
pub(crate) struct Budget {
    room: Arc<Semaphore>,
    /// KiB in all.
    total: u32,
    /// Shares that were given back.
    ended: AtomicU64,
}

impl Budget {
    /// Room for so many bytes.
    pub(crate) fn new(capacity: u64) -> Arc<Self> {
        let total = in_kib(capacity.max(KIB) / KIB * KIB);
        Arc::new(Self {
            room: Arc::new(Semaphore::new(total as usize)),
            total,
            ended: AtomicU64::new(0),
        })
    }

    /// Bytes of all shares.
    pub(crate) fn used(&self) -> u64 {
        let free = self.room.available_permits() as u64;
        u64::from(self.total).saturating_sub(free) * KIB
    }

    /// A share of that many bytes, once it is its turn. `None` if that will not be soon, or never.
    ///
    /// # Cancellation
    /// It gives its place in the queue up.
    pub(super) async fn admit(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let wanted = in_kib(bytes);
        if wanted > self.total {
            return None;
        }
        let mut turn = std::pin::pin!(Arc::clone(&self.room).acquire_many_owned(wanted));
        let mut waited = Duration::ZERO;
        loop {
            let ended = self.ended.load(Ordering::Relaxed);
            match timeout(STANDSTILL, &mut turn).await {
                Ok(permit) => return Some(self.share(permit.ok()?)),
                Err(_) if self.ended.load(Ordering::Relaxed) == ended => return None,
                Err(_) => waited += STANDSTILL,
            }
            if waited >= LONGEST {
                return None;
            }
        }
    }

    fn share(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Share {
        Share {
            permit,
            budget: Arc::clone(self),
        }
    }
}

/// Rounded up. More than 4 TiB is as much.
fn in_kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

/// One body's part of the [`Budget`]. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    permit: OwnedSemaphorePermit,
    budget: Arc<Budget>,
}

impl Share {
    pub(super) fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * KIB
    }

    /// Takes so many bytes more, if they are there: a body that is under way does not wait, for
    /// others may be waiting for what it has.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let more = Arc::clone(&self.budget.room).try_acquire_many_owned(in_kib(bytes));
        match more {
            Ok(more) => {
                self.permit.merge(more);
                true
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => false,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Before the permit goes: who is woken by that sees that somebody has ended.
        self.budget.ended.fetch_add(1, Ordering::Relaxed);
    }
}
