//! One stored response, parsed once.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::clock::Moment;
use crate::entry::{Fence, Packed, StoredBody, VaryRule, Windows};
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// The head of a response that is stored: end-to-end fields only, without `Age`; each value owns its
/// bytes. In a record, it is [`Packed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// Where something stored stands among its versions.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// The fence it was committed under; `None` if it never reached the shared tier.
    pub(crate) fence: Option<Fence>,
    /// The fence that wrote its body; a 304 renews the entry but keeps the body.
    pub(crate) body: Option<Fence>,
    /// When its fetch began: orders what has no fence.
    pub(crate) fetched: Moment,
    /// The subscription's epoch in which it was last known to be current.
    epoch: AtomicU64,
}

impl Stamp {
    pub(crate) fn new(
        fence: Option<Fence>,
        body: Option<Fence>,
        fetched: Moment,
        epoch: u64,
    ) -> Self {
        Self {
            fence,
            body,
            fetched,
            epoch: AtomicU64::new(epoch),
        }
    }

    /// The epoch in which it was last checked.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Notes that it was found current in `epoch`.
    pub(crate) fn checked(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Notes that it may be outdated: no epoch is zero.
    pub(crate) fn doubt(&self) {
        self.epoch.store(0, Ordering::Relaxed);
    }
}

/// One stored response. Shared by every hit; only the marks at its end ever change.
#[derive(Debug)]
pub(crate) struct Record {
    /// The text of its key, compared on every use.
    pub(crate) key: Box<[u8]>,
    pub(crate) head: Packed,
    pub(crate) body: StoredBody,
    pub(crate) windows: Windows,
    /// When to refresh it although it is still fresh; drawn once, when it is kept.
    pub(crate) early: Option<Moment>,
    /// How long its fetch took: the delta of the early refresh (XFetch).
    pub(crate) cost: Duration,
    /// The rule it was chosen by, if the URL varies.
    pub(crate) rule: Option<Arc<VaryRule>>,
    pub(crate) stamp: Stamp,
    pub(crate) retry: Retry,
}

/// When a refresh may be tried again after it failed.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    at: AtomicI64,
    failures: AtomicU32,
    unreachable: AtomicBool,
}

impl Retry {
    /// True while the back-off runs.
    pub(crate) fn blocked(&self, now: Moment) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
            && now.as_micros() < self.at.load(Ordering::Relaxed)
    }

    /// Refreshes that failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// True if the last one failed because the origin could not be reached.
    pub(crate) fn unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    /// Notes a failure, after which nothing is tried before `until`.
    pub(crate) fn block(&self, failures: u32, unreachable: bool, until: Moment) {
        self.unreachable.store(unreachable, Ordering::Relaxed);
        self.at.store(until.as_micros(), Ordering::Relaxed);
        self.failures.store(failures.max(1), Ordering::Relaxed);
    }
}
