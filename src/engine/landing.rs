//! What a flight is for, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::origin::Select;
use crate::entry::{Record, VaryRule};
use crate::flight::{Berth, Log};
use crate::key::Key;
use crate::local::Known;
use crate::lock::Watch;

/// What a flight is for.
pub(crate) struct Job {
    /// What is asked for: the URL, or the variant of it.
    pub(crate) key: Key,
    /// The URL.
    pub(crate) primary: Key,
    /// The rule that the variant was chosen by.
    pub(crate) rule: Option<Arc<VaryRule>>,
    /// What is held under `key`, fresh or not.
    pub(crate) held: Option<Known>,
    pub(crate) task: Task,
    pub(crate) select: Arc<dyn Select>,
    /// Time that the client may still pay for the shared tier.
    pub(crate) budget: Duration,
    /// The place of the leader's own client, if one waits.
    pub(crate) berth: Option<Arc<Berth>>,
}

/// Why there is a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Nothing that may be served.
    Refresh,
    /// Nothing that may be served, and a mark of uncacheability is known to be outdated.
    Insist,
    /// It is fresh still, but not for long.
    Early,
    /// It is fresh, but events were missed since it was checked.
    Check,
}

/// What came of a flight, for all who wait for it.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// A whole entry.
    Ready { record: Arc<Record>, by: By },
    /// An entry whose body is arriving.
    Filling {
        /// Without its body.
        record: Arc<Record>,
        log: Arc<Log>,
        length: Option<u64>,
        by: By,
        /// It will be stored, as far as that is known from its head.
        stored: bool,
        /// The lease that it is fetched under. Once that may be lost, somebody else may have shown
        /// a newer response: who comes then must not be given this one.
        lease: Option<Watch>,
    },
    /// The URL varies: look again for the variant, by this rule.
    LookAgain {
        rule: Arc<VaryRule>,
        /// What is left of the time that the client may pay for the shared tier.
        budget: Duration,
    },
    /// The response cannot be stored: everyone on their own.
    Refused {
        reason: &'static str,
        authorized_only: bool,
    },
    /// There is no answer, and nothing that may be served instead.
    Failed(Failure),
}

/// Where an entry came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// It was here.
    Local,
    /// The shared tier had it.
    Shared,
    /// Another node fetched it while we waited.
    Remote,
    /// The origin, with this status.
    Origin(u16),
    /// It was here or shared; the origin failed, now or, without having been asked, before.
    OnError(Option<Failure>),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The status that stands for it.
    pub(crate) status: u16,
    /// What happened, as a word.
    pub(crate) detail: &'static str,
}

impl Failure {
    /// True if it is not an answer of the origin but the lack of one.
    pub(crate) fn is_unreachable(self) -> bool {
        [Self::TIMEOUT, Self::UNREACHABLE].contains(&self)
    }

    /// `fetch_timeout` passed.
    pub(crate) const TIMEOUT: Self = Self {
        status: 504,
        detail: "origin-timeout",
    };
    /// No connection, or it broke off before the head of a response.
    pub(crate) const UNREACHABLE: Self = Self {
        status: 502,
        detail: "origin-unreachable",
    };
    /// Waited longer than all deadlines together.
    pub(crate) const WAIT_TIMEOUT: Self = Self {
        status: 504,
        detail: "wait-timeout",
    };
    /// Leader after leader went away without a result.
    pub(crate) const ABANDONED: Self = Self {
        status: 502,
        detail: "refresh-abandoned",
    };
    /// The flock fetched it, and this request's own attempt is spent.
    pub(crate) const SPENT: Self = Self {
        status: 502,
        detail: "request-spent",
    };
}
