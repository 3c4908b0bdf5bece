//! The list of tests that we knowingly do not pass, each with its outcome and a reason.
//!
//! The outcome belongs to it: a test that nobody could run because of another (`dep`) and then
//! fails is news.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::Deserialize;

use crate::outcome::{Kind, Outcome, Test};

/// The list, as it is in `known.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    #[serde(default)]
    known: Vec<Group>,
}

/// Tests with one outcome for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    outcome: Outcome,
    tests: Vec<String>,
}

/// How a run and the list disagree about one test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Not passed, and not on the list.
    New {
        id: String,
        outcome: Outcome,
        detail: String,
    },
    /// On the list, and passed.
    Passed { id: String },
    /// On the list, and not passed in another way.
    Changed {
        id: String,
        listed: Outcome,
        outcome: Outcome,
        detail: String,
    },
    /// On the list, but there is no such required or optimal test.
    Absent { id: String },
}

impl Known {
    /// Reads the list. It is refused if a reason is missing or a test is on it twice.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let known: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeMap::new();
        for group in &known.known {
            if group.reason.trim().is_empty() {
                return Err(format!("no reason for {:?}", group.tests));
            }
            for id in &group.tests {
                if seen.insert(id, ()).is_some() {
                    return Err(format!("{id} is on the list twice"));
                }
            }
        }
        Ok(known)
    }

    /// Why this test is not passed.
    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        let group = self.find(id)?;
        Some(&group.reason)
    }

    /// All that is not as the list says, in the suite's order.
    pub(crate) fn compare(&self, tests: &[Test]) -> Vec<Difference> {
        let mut differences: Vec<_> = tests.iter().filter_map(|test| self.differs(test)).collect();
        for id in self.known.iter().flat_map(|group| &group.tests) {
            if !tests
                .iter()
                .any(|test| test.id == *id && test.kind != Kind::Check)
            {
                differences.push(Difference::Absent { id: id.clone() });
            }
        }
        differences
    }

    /// The list as it would have to be for these results. What is new has no reason yet.
    pub(crate) fn updated(&self, tests: &[Test]) -> String {
        let mut text = String::new();
        for group in &self.known {
            let kept = |id: &&String| {
                tests
                    .iter()
                    .any(|test| test.id == **id && test.outcome == group.outcome)
            };
            let ids: Vec<_> = group.tests.iter().filter(kept).collect();
            write_group(&mut text, &group.reason, group.outcome, &ids);
        }
        let mut new: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for test in tests.iter().filter(|test| test.is_missed()) {
            if self.differs(test).is_some() {
                new.entry((&test.suite, test.outcome))
                    .or_default()
                    .push(&test.id);
            }
        }
        for ((_, outcome), ids) in new {
            write_group(&mut text, "", outcome, &ids);
        }
        text
    }

    fn differs(&self, test: &Test) -> Option<Difference> {
        if test.kind == Kind::Check {
            return None;
        }
        let (id, outcome) = (test.id.clone(), test.outcome);
        let detail = test.detail.clone().unwrap_or_default();
        match self.find(&id) {
            Some(_) if outcome == Outcome::Pass => Some(Difference::Passed { id }),
            Some(group) if outcome != group.outcome => Some(Difference::Changed {
                id,
                listed: group.outcome,
                outcome,
                detail,
            }),
            None if outcome != Outcome::Pass => Some(Difference::New {
                id,
                outcome,
                detail,
            }),
            _ => None,
        }
    }

    fn find(&self, id: &str) -> Option<&Group> {
        self.known
            .iter()
            .find(|group| group.tests.iter().any(|test| test == id))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New {
                id,
                outcome,
                detail,
            } => write!(f, "{id} is new: {outcome} ({detail})"),
            Self::Passed { id } => write!(f, "{id} is passed: remove it from the list"),
            Self::Changed {
                id,
                listed,
                outcome,
                detail,
            } => write!(f, "{id} is listed as {listed}, and is {outcome} ({detail})"),
            Self::Absent { id } => write!(f, "{id} is on the list, but is no such test"),
        }
    }
}

fn write_group(text: &mut String, reason: &str, outcome: Outcome, ids: &[&String]) {
    if ids.is_empty() {
        return;
    }
    let _ = writeln!(text, "[[known]]\nreason = {reason:?}");
    let _ = writeln!(text, "outcome = \"{outcome}\"\ntests = [");
    for id in ids {
        let _ = writeln!(text, "    {id:?},");
    }
    text.push_str("]\n\n");
}

#[cfg(test)]
mod tests;
