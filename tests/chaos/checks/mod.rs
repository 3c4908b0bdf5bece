//! What must be true of a history. Each check stands under the words of what it asserts, and says
//! how many cases it looked at: one that saw none has proved nothing.

mod bodies;
mod deadlines;
mod fences;
mod leases;
mod lifetimes;
mod order;
mod origin_calls;
mod purges;
mod purges_of_all;
mod refused;
#[cfg(test)]
mod tests;
mod ttls;

use bellwether::shared::EntryId;

use crate::history::At;
use crate::view::View;

/// What a check found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) claim: &'static str,
    pub(crate) cases: usize,
    pub(crate) broken: Vec<Violation>,
}

/// One case in which a claim does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) at: At,
    pub(crate) key: Option<usize>,
    pub(crate) id: Option<EntryId>,
    pub(crate) words: String,
}

impl Finding {
    pub(crate) const fn of(claim: &'static str) -> Self {
        Self {
            claim,
            cases: 0,
            broken: Vec::new(),
        }
    }

    /// One more case, which is right unless `wrong` says why not.
    pub(crate) fn case(&mut self, at: At, key: usize, wrong: Option<String>) {
        self.cases += 1;
        self.broken.extend(wrong.map(|words| Violation {
            at,
            key: Some(key),
            id: None,
            words,
        }));
    }

    /// The same of an entry whose key need not be known.
    pub(crate) fn case_of(&mut self, at: At, id: EntryId, view: &View<'_>, wrong: Option<String>) {
        self.cases += 1;
        self.broken.extend(wrong.map(|words| Violation {
            at,
            key: view.entries.get(&id).copied(),
            id: Some(id),
            words,
        }));
    }

    /// The same of something else.
    pub(crate) fn case_at(&mut self, at: At, wrong: Option<String>) {
        self.cases += 1;
        self.broken.extend(wrong.map(|words| Violation {
            at,
            key: None,
            id: None,
            words,
        }));
    }
}

/// All checks of what a round did.
pub(crate) fn all(view: &View<'_>) -> Vec<Finding> {
    let mut findings = vec![
        fences::rise(view),
        fences::no_late_writer_is_stored(view),
        fences::reads_never_go_back(view),
        leases::one_at_a_time(view),
        refused::nothing_refused_is_kept(view),
        order::no_node_goes_back(view),
    ];
    findings.extend(purges::nothing_purged_is_served(view));
    findings.extend(purges_of_all::nothing_from_before_is_served(view));
    findings.extend([
        lifetimes::nothing_outlives_its_windows(view),
        deadlines::redis_costs_no_more_than_its_budget(view),
        deadlines::everybody_is_answered(view),
        origin_calls::one_in_the_fleet(view),
        origin_calls::one_per_node_while_alone(view),
        origin_calls::not_before_it_is_due(view),
        bodies::are_right(view),
        ttls::every_key_ends(view),
    ]);
    findings
}
