//! A client's own directives, where they are honoured (RFC 9111 §5.2.1; RFC 5861 §4).

use http::HeaderMap;

use crate::clock::Moment;
use crate::config::{Scope, Shared};
use crate::engine::plan::Step;
use crate::engine::{By, Landing, Task};
use crate::entry::Record;
use crate::local::Known;
use crate::semantics::reuse::{Condition, Demand};

/// What this client demands, if that counts.
#[inline]
pub(crate) fn demand(scope: &Scope, headers: &HeaderMap) -> Option<Demand> {
    if scope.honor_request_directives {
        Demand::of(headers)
    } else {
        None
    }
}

impl Shared {
    /// `step`, as far as it is what the client demands.
    pub(crate) fn heed(
        &self,
        scope: &Scope,
        step: Step,
        demand: &Demand,
        known: Option<&Known>,
        now: Moment,
    ) -> Step {
        let Some(Known::Record(record)) = known else {
            return step;
        };
        let condition = condition(record, now);
        match step {
            Step::Serve | Step::ServeAndRefresh(_) if demand.accepts(&condition) => step,
            Step::Serve | Step::ServeAndRefresh(_) if demand.only_if_cached() => Step::Unavailable,
            // As if it were about to end: the tier's word that it is fresh is not enough.
            Step::Serve | Step::ServeAndRefresh(_) => Step::Join(Task::Early),
            Step::Join(Task::Refresh) | Step::Unavailable
                if demand.tolerates(&condition) && self.may_be_stale(scope, record, now) =>
            {
                if demand.only_if_cached() {
                    Step::Serve
                } else {
                    Step::ServeAndRefresh(Task::Refresh)
                }
            }
            Step::ServeOnError
                if !demand.accepts(&condition) && !demand.tolerates_on_error(&condition) =>
            {
                Step::Join(Task::Refresh)
            }
            step => step,
        }
    }

    /// True if what a flight brought is not what the client demands.
    pub(crate) fn fails_to_meet(&self, demand: &Demand, landing: &Landing, now: Moment) -> bool {
        match landing {
            // Asked of the origin while the client waited.
            Landing::Ready {
                by: By::Origin(_) | By::Remote,
                ..
            } => false,
            Landing::Ready { record, by } => {
                let condition = condition(record, now);
                let tolerated =
                    matches!(by, By::OnError(_)) && demand.tolerates_on_error(&condition);
                !tolerated && !demand.accepts(&condition)
            }
            _ => false,
        }
    }

    /// True if this client takes `record` in place of an answer that the origin failed to give.
    pub(crate) fn helps(
        &self,
        scope: &Scope,
        demand: &Demand,
        record: &Record,
        now: Moment,
    ) -> bool {
        demand.tolerates_on_error(&condition(record, now)) && self.may_be_stale(scope, record, now)
    }

    /// False if the response forbids it, or if something newer may be known to the fleet.
    fn may_be_stale(&self, scope: &Scope, record: &Record, now: Moment) -> bool {
        let directives = scope.policy.directives(&record.head.headers());
        !directives.forbids_stale() && !self.engine.suspects(&record.stamp, now)
    }
}

fn condition(record: &Record, now: Moment) -> Condition {
    let windows = &record.windows;
    Condition {
        age: now.since(windows.born),
        fresh_for: windows.fresh_until.since(now),
        stale_for: now.since(windows.fresh_until),
    }
}
