//! What a run said, and its counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The document that `client.mjs` prints.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    /// In the suite's order.
    pub(crate) tests: Vec<Test>,
    /// What the suite has stored of other caches.
    pub(crate) others: Vec<Other>,
}

/// A test, and how the proxy did.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Test {
    pub(crate) id: String,
    pub(crate) suite: String,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    /// What the suite saw, where it was not what it looked for.
    pub(crate) detail: Option<String>,
}

/// Another cache, tested by the suite's author.
#[derive(Debug, Deserialize)]
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) version: String,
    /// By the test's id.
    pub(crate) outcomes: BTreeMap<String, Outcome>,
}

/// What is asked of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The specification demands it.
    Required,
    /// It may do worse, and be correct.
    Optimal,
    /// There is no right answer.
    Check,
}

/// The suite's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Outcome {
    #[serde(rename = "pass")]
    Pass,
    /// Of a required test.
    #[serde(rename = "FAIL")]
    Fail,
    /// Of an optimal test: correct, but a reuse was missed.
    #[serde(rename = "opt-fail")]
    OptFail,
    #[serde(rename = "yes")]
    Yes,
    #[serde(rename = "no")]
    No,
    /// What the test builds upon did not come about.
    #[serde(rename = "setup")]
    Setup,
    /// A test that this one depends on was not passed.
    #[serde(rename = "dep")]
    Dep,
    /// The origin saw a request twice.
    #[serde(rename = "retry")]
    Retry,
    /// The suite itself failed.
    #[serde(rename = "harness")]
    Harness,
    #[serde(rename = "untested")]
    Untested,
}

impl Test {
    /// True if there is a right answer, and it was not given.
    pub(crate) fn is_missed(&self) -> bool {
        self.kind != Kind::Check && self.outcome != Outcome::Pass
    }
}

impl Run {
    /// Reads the document.
    pub(crate) fn read(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// The names of the suite's parts, in its order.
    pub(crate) fn suites(&self) -> Vec<&str> {
        let mut suites: Vec<_> = self.tests.iter().map(|test| test.suite.as_str()).collect();
        suites.dedup();
        suites
    }

    /// How another cache did, counted over the same tests.
    pub(crate) fn tally_of(&self, other: &Other) -> Tally {
        let pairs = self.tests.iter().map(|test| {
            let outcome = other.outcomes.get(&test.id);
            (test.kind, outcome.copied().unwrap_or(Outcome::Untested))
        });
        pairs.collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::OptFail => "opt-fail",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Setup => "setup",
            Self::Dep => "dep",
            Self::Retry => "retry",
            Self::Harness => "harness",
            Self::Untested => "untested",
        })
    }
}

/// How often each outcome came.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(Kind, Outcome)>);

impl Tally {
    /// Of this kind with this outcome.
    pub(crate) fn of(&self, kind: Kind, outcome: Outcome) -> usize {
        self.0
            .iter()
            .filter(|pair| **pair == (kind, outcome))
            .count()
    }

    /// With this outcome, of whatever kind.
    pub(crate) fn any(&self, outcome: Outcome) -> usize {
        self.0.iter().filter(|pair| pair.1 == outcome).count()
    }

    /// Required and optimal tests that were passed.
    pub(crate) fn passed(&self) -> usize {
        self.any(Outcome::Pass)
    }

    /// Required and optimal tests.
    pub(crate) fn asked(&self) -> usize {
        self.0.iter().filter(|pair| pair.0 != Kind::Check).count()
    }

    pub(crate) fn all(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<(Kind, Outcome)> for Tally {
    fn from_iter<I: IntoIterator<Item = (Kind, Outcome)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'a> FromIterator<&'a Test> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Test>>(tests: I) -> Self {
        tests
            .into_iter()
            .map(|test| (test.kind, test.outcome))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{
        "tests": [
            {"id": "a", "suite": "one", "kind": "required", "outcome": "pass"},
            {"id": "b", "suite": "one", "kind": "required", "outcome": "FAIL", "detail": "why"},
            {"id": "c", "suite": "two", "kind": "optimal", "outcome": "opt-fail"},
            {"id": "d", "suite": "two", "kind": "check", "outcome": "yes"},
            {"id": "e", "suite": "two", "kind": "check", "outcome": "dep"}
        ],
        "others": [{"name": "x", "version": "1", "outcomes": {"a": "FAIL", "c": "pass"}}]
    }"#;

    #[test]
    fn checks_are_no_passes() {
        let run = Run::read(JSON.as_bytes()).unwrap();
        let tally: Tally = run.tests.iter().collect();
        assert_eq!((tally.passed(), tally.asked(), tally.all()), (1, 3, 5));
        assert_eq!(tally.of(Kind::Required, Outcome::Fail), 1);
        assert_eq!(tally.any(Outcome::Dep), 1);
        assert_eq!(run.suites(), ["one", "two"]);
    }

    #[test]
    fn what_others_were_not_asked_is_untested() {
        let run = Run::read(JSON.as_bytes()).unwrap();
        let tally = run.tally_of(&run.others[0]);
        assert_eq!((tally.passed(), tally.any(Outcome::Untested)), (1, 3));
        assert_eq!(tally.of(Kind::Required, Outcome::Fail), 1);
    }

    #[test]
    fn an_outcome_is_shown_as_it_is_read() {
        for word in [
            "pass", "FAIL", "opt-fail", "setup", "dep", "retry", "harness", "untested",
        ] {
            let outcome: Outcome = serde_json::from_str(&format!("{word:?}")).unwrap();
            assert_eq!(outcome.to_string(), word);
        }
    }
}
