//! What can be said about the servers of the shared tier, and what is wrong with them.
//!
//! [`survey`] finds them, [`visit`] looks at one of them, of which [`rights`] and [`info`] are
//! parts. What was seen ([`facts`]) is judged in [`findings`] and written down in [`display`].

mod display;
mod facts;
mod findings;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod info;
mod rights;
mod survey;
mod visit;

use std::fmt;
use std::sync::Arc;

use self::facts::Facts;
pub use self::findings::{Finding, Severity};
pub(super) use self::survey::Survey;
use super::RedisTier;

/// What [`RedisTier::report`] found: the servers and their state, and what is wrong with them.
///
/// Its `Display` is a few lines for people: aligned facts, then each finding with its cure. Neither
/// form shows a password. The text is no interface: programs ask [`findings`](Self::findings).
pub struct Report {
    facts: Facts,
    findings: Vec<Finding>,
}

impl RedisTier {
    /// Looks at the servers: which they are, what they permit this tier's user, how full they are
    /// and what they do then, how far away they are, and what their clocks say.
    ///
    /// It connects anew, so it finds out why a server is not in use, too. It takes two seconds at
    /// most; a server that does not answer by then is reported as that. What may not be asked
    /// (`INFO` is not among the rights that a tier needs) is reported as unknown. Rights are tried
    /// on two keys of the namespace that nobody else uses; they are deleted again, and would end by
    /// themselves after ten seconds.
    ///
    /// # Cancellation
    /// Dropping the future ends the connections.
    pub async fn report(&self) -> Report {
        let inner = &self.inner;
        let survey = Survey {
            target: inner.target.clone(),
            tls: inner.tls.clone(),
            space: Arc::clone(&inner.space),
            namespace: inner.namespace.clone(),
            timeout: inner.timeout,
        };
        Report::of(survey.run().await)
    }
}

impl Report {
    fn of(facts: Facts) -> Self {
        let findings = findings::judge(&facts);
        Self { facts, findings }
    }

    /// What is wrong and what could be better, problems first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Whether any finding is a [`Problem`](Severity::Problem).
    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.findings()
            .any(|finding| finding.severity() == Severity::Problem)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("url", &self.facts.url)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}
