//! One vocabulary of outcomes and incidents, for the response header, the counters and the log.

use crate::sync::atomic::{AtomicU64, Ordering};

/// How a response came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Fresh, from this process.
    Hit,
    /// Fresh, from the shared tier.
    SharedHit,
    /// Stale with consent, while one refresh is under way.
    Stale,
    /// Stale with consent, because the origin failed.
    StaleOnError,
    /// From the origin, by this request.
    Led,
    /// From the origin, by another request of this process.
    Followed,
    /// From the origin, by another node.
    RemoteFollowed,
    /// Straight from the origin: not a matter for the cache, or known to be uncacheable.
    Passed,
    /// No answer.
    Failed,
}

impl Outcome {
    const ALL: usize = 9;

    /// The word for it in `Cache-Status` (`detail`), metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::SharedHit => "shared",
            Self::Stale => "stale",
            Self::StaleOnError => "stale-if-error",
            Self::Led => "leader",
            Self::Followed => "follower",
            Self::RemoteFollowed => "remote-follower",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

/// Something worth knowing that no response tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incident {
    /// A shared entry could not be understood and counts as absent.
    CorruptEntry,
    /// The shared tier did not answer; this node goes on alone.
    SharedUnavailable,
    /// The lease ran out, or was taken, while the refresh was under way.
    LeaseLost,
    /// The store refused a late write: a newer one, or a purge, came first.
    CommitRefused,
    /// The store had no memory for it.
    StoreFull,
    /// The origin gave no usable answer.
    OriginFailed,
    /// The origin broke off in the middle of a body.
    BodyBroken,
    /// A body outgrew `max_body_size` while it was copied.
    BodyTooLarge,
    /// All bodies under way together outgrew `fill_capacity`: this one is not stored.
    NoRoom,
    /// Nobody read a body any more that would not have been stored soon, so it was not fetched on.
    Deserted,
    /// A refresh ended without a result (a panic): its followers elect a successor.
    Abandoned,
    /// Another node's refresh took longer than `lock_wait`.
    WaitedTooLong,
    /// An entry was purged, here or elsewhere.
    Purged,
    /// Events are being missed.
    GapOpened,
    /// Events are heard again; what is held locally is checked on its next use.
    GapClosed,
}

impl Incident {
    const ALL: usize = 15;

    const fn as_str(self) -> &'static str {
        match self {
            Self::CorruptEntry => "corrupt-entry",
            Self::SharedUnavailable => "shared-unavailable",
            Self::LeaseLost => "lease-lost",
            Self::CommitRefused => "commit-refused",
            Self::StoreFull => "store-full",
            Self::OriginFailed => "origin-failed",
            Self::BodyBroken => "body-broken",
            Self::BodyTooLarge => "body-too-large",
            Self::NoRoom => "no-room",
            Self::Deserted => "deserted",
            Self::Abandoned => "abandoned",
            Self::WaitedTooLong => "waited-too-long",
            Self::Purged => "purged",
            Self::GapOpened => "gap-opened",
            Self::GapClosed => "gap-closed",
        }
    }
}

/// Counts outcomes and incidents.
#[derive(Debug)]
pub(crate) struct Counters {
    outcomes: [AtomicU64; Outcome::ALL],
    incidents: [AtomicU64; Incident::ALL],
    origin_requests: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            outcomes: std::array::from_fn(|_| AtomicU64::new(0)),
            incidents: std::array::from_fn(|_| AtomicU64::new(0)),
            origin_requests: AtomicU64::new(0),
        }
    }

    /// Counts one response.
    pub(crate) fn outcome(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs one incident about `what`: a digest or a word, never a URL.
    pub(crate) fn incident(&self, incident: Incident, what: &dyn std::fmt::Display) {
        self.incidents[incident as usize].fetch_add(1, Ordering::Relaxed);
        let name = incident.as_str();
        match incident {
            Incident::Purged
            | Incident::WaitedTooLong
            | Incident::SharedUnavailable
            | Incident::NoRoom
            | Incident::Deserted => {
                tracing::debug!(target: "bellwether", incident = name, "{what}");
            }
            Incident::GapClosed => tracing::info!(target: "bellwether", incident = name, "{what}"),
            _ => tracing::warn!(target: "bellwether", incident = name, "{what}"),
        }
    }

    /// Counts one request to the origin made by a refresh.
    pub(crate) fn origin_request(&self) {
        self.origin_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The figures as they stand.
    pub(crate) fn snapshot(&self) -> Stats {
        let outcome = |outcome: Outcome| self.outcomes[outcome as usize].load(Ordering::Relaxed);
        let incident =
            |incident: Incident| self.incidents[incident as usize].load(Ordering::Relaxed);
        Stats {
            hits: outcome(Outcome::Hit),
            shared_hits: outcome(Outcome::SharedHit),
            stale: outcome(Outcome::Stale),
            stale_on_error: outcome(Outcome::StaleOnError),
            led: outcome(Outcome::Led),
            followed: outcome(Outcome::Followed),
            remote_followed: outcome(Outcome::RemoteFollowed),
            bypassed: outcome(Outcome::Passed),
            failed: outcome(Outcome::Failed),
            refreshes: self.origin_requests.load(Ordering::Relaxed),
            corrupt_entries: incident(Incident::CorruptEntry),
            shared_unavailable: incident(Incident::SharedUnavailable),
            leases_lost: incident(Incident::LeaseLost),
            commits_refused: incident(Incident::CommitRefused),
            origin_failures: incident(Incident::OriginFailed),
            bodies_broken: incident(Incident::BodyBroken),
            bodies_too_large: incident(Incident::BodyTooLarge),
            bodies_without_room: incident(Incident::NoRoom),
            bodies_deserted: incident(Incident::Deserted),
            abandoned: incident(Incident::Abandoned),
            gaps: incident(Incident::GapOpened),
            local_entries: 0,
            local_bytes: 0,
            filling_bytes: 0,
        }
    }
}

/// What a cache has done since it was built. Responses are counted once each, by how they came to
/// be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Fresh, from this process.
    pub hits: u64,
    /// Fresh, from the shared tier.
    pub shared_hits: u64,
    /// Stale with consent, while one refresh was under way.
    pub stale: u64,
    /// Stale with consent, because the origin failed.
    pub stale_on_error: u64,
    /// From the origin, by the request itself.
    pub led: u64,
    /// From the origin, by another request of this process.
    pub followed: u64,
    /// From the origin, by another node.
    pub remote_followed: u64,
    /// Straight from the origin, past the cache.
    pub bypassed: u64,
    /// No answer could be given.
    pub failed: u64,
    /// Requests to the origin made by refreshes (leading ones and those in the background).
    pub refreshes: u64,
    /// Shared entries that could not be understood.
    pub corrupt_entries: u64,
    /// Calls to the shared tier that failed.
    pub shared_unavailable: u64,
    /// Leases lost while refreshing.
    pub leases_lost: u64,
    /// Late writes that the store refused.
    pub commits_refused: u64,
    /// Refreshes that the origin failed.
    pub origin_failures: u64,
    /// Bodies that broke off.
    pub bodies_broken: u64,
    /// Bodies that turned out to be larger than `max_body_size` while they were copied.
    pub bodies_too_large: u64,
    /// Bodies that were not stored because all that were under way together outgrew
    /// `fill_capacity`.
    pub bodies_without_room: u64,
    /// Bodies that were not fetched to their end because nobody read them any more.
    pub bodies_deserted: u64,
    /// Refreshes that ended without a result.
    pub abandoned: u64,
    /// Gaps in the subscription to the fleet's events.
    pub gaps: u64,
    /// Entries held locally.
    pub local_entries: u64,
    /// Bytes held locally.
    pub local_bytes: u64,
    /// Bytes set aside for bodies that are being fetched to be stored.
    pub filling_bytes: u64,
}
