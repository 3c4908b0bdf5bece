//! What a flight is for, and what comes of it.

use std::sync::Arc;

use crate::clock::Moment;
use crate::engine::origin::Select;
use crate::entry::{Record, VaryRule};
use crate::flight::Log;
use crate::key::Key;
use crate::local::Known;

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
    },
    /// It is not known here what is asked for (the URL varies): look again.
    LookAgain,
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
    /// The origin, with this status; but this node let its lease lapse, and others have refreshed
    /// since. It is for those only who came before that; the others look again.
    Superseded {
        /// The origin's status.
        status: u16,
        /// Until when it was surely the newest.
        before: Moment,
    },
    /// It was here or shared; the origin failed.
    OnError,
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
