//! Judges what was seen: what is wrong, in words, and what mends it.

mod memory;
mod server;
#[cfg(test)]
mod tests;
mod trouble;
mod whole;

use std::fmt;

use super::facts::{Facts, Place};

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// The shared tier cannot work, or not as promised.
    Problem,
    /// It works, but would do better, or longer, otherwise.
    Advice,
}

/// Something about the servers of the shared tier that should be otherwise, and the cure.
///
/// Its `Display` is one line: what is wrong, where, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    what: String,
    at: Vec<String>,
    cure: String,
    commands: Vec<String>,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity,
            what: what.into(),
            at: Vec::new(),
            cure: cure.into(),
            commands: Vec::new(),
        }
    }

    fn problem(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(Severity::Problem, what, cure)
    }

    fn advice(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(Severity::Advice, what, cure)
    }

    fn at(mut self, place: &Place) -> Self {
        self.at.push(place.to_string());
        self
    }

    /// One more line to paste.
    fn run(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in words, and what comes of it.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The servers that it is about. Empty if it is about all of them together.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.at.iter().map(String::as_str)
    }

    /// What mends it, in words.
    #[must_use]
    pub fn cure(&self) -> &str {
        &self.cure
    }

    /// What mends it, to be pasted, line by line: commands for `redis-cli`, or what the words of the
    /// cure say. May be empty.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.commands.iter().map(String::as_str)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.at.is_empty() {
            write!(f, " (at {})", super::display::Some4(&self.at))?;
        }
        write!(f, ". Cure: {}", self.cure)?;
        if !self.commands.is_empty() {
            write!(f, " {}", self.commands.join("; "))?;
        }
        Ok(())
    }
}

/// Whether a command differs from server to server only by its place: one is example enough.
fn is_about_place(command: &str) -> bool {
    command.starts_with("redis-cli -h") || command.starts_with("getent")
}

/// Everything there is to say, problems first.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut raw = whole::judge(facts);
    for server in &facts.servers {
        match &server.state {
            Err(trouble) => raw.push(trouble::of_server(facts, &server.place, trouble)),
            Ok(seen) => raw.extend(server::judge(facts, &server.place, seen)),
        }
    }
    raw.extend(server::distance(facts));
    raw.extend(server::clocks(facts));
    let mut findings: Vec<Finding> = Vec::new();
    for finding in raw {
        // The same of several servers is said once.
        let same = |other: &&mut Finding| {
            other.severity == finding.severity
                && other.what == finding.what
                && other.cure == finding.cure
                && (other.commands == finding.commands
                    || finding.commands.iter().all(|one| is_about_place(one)))
        };
        match findings.iter_mut().find(same) {
            Some(said) => said.at.extend(finding.at),
            None => findings.push(finding),
        }
    }
    findings.sort_by_key(Finding::severity);
    findings
}
