//! What a run has shown: a table for people, the history for who looks for the reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::checks::Finding;
use crate::history::{At, How, Notes};
use crate::round::Outcome;
use crate::schedule::KINDS;
use crate::support::report::ms;
use crate::view::View;

/// Lines around a violation, and how many violations are shown of each claim.
const SHOWN: usize = 2;

/// All rounds of a run together.
#[derive(Default)]
pub(crate) struct Report {
    checks: Vec<(&'static str, usize, usize)>,
    outcomes: BTreeMap<How, usize>,
    blows: BTreeMap<&'static str, usize>,
    latencies: Vec<At>,
    stalled: At,
    fetches: usize,
    purges: (usize, usize),
    purges_of_all: (usize, usize),
    converged: Duration,
    memory: Vec<u64>,
    stories: String,
    files: Vec<PathBuf>,
}

impl Report {
    pub(crate) fn add(&mut self, seed: u64, outcome: &Outcome, view: &View<'_>) {
        let notes = &outcome.notes;
        for serve in &notes.serves {
            *self.outcomes.entry(serve.how).or_default() += 1;
            self.latencies.push(serve.answered - serve.asked);
        }
        for struck in &notes.struck {
            *self.blows.entry(struck.blow.as_str()).or_default() += 1;
        }
        self.fetches += notes.fetches.len();
        self.purges.0 += notes.purges.len();
        self.purges.1 += notes.purges.iter().filter(|purge| !purge.confirmed).count();
        let all = &notes.purges_of_all;
        self.purges_of_all.0 += all.len();
        self.purges_of_all.1 += all.iter().filter(|purge| purge.fence.is_none()).count();
        let stalls = notes.stalls.iter().map(|(from, to)| to - from);
        self.stalled = self.stalled.max(stalls.max().unwrap_or(0));
        self.converged = self.converged.max(outcome.converged.unwrap_or_default());
        self.memory.extend(outcome.memory);
        let mut broken = false;
        for finding in &outcome.findings {
            self.count(finding);
            for violation in finding.broken.iter().take(SHOWN) {
                broken = true;
                let _ = writeln!(self.stories, "\n{}: {}", finding.claim, violation.words);
                for line in view.story(violation.key, violation.id, violation.at) {
                    let _ = writeln!(self.stories, "  {line}");
                }
            }
        }
        if broken {
            self.files.extend(save(seed, notes));
        }
    }

    fn count(&mut self, finding: &Finding) {
        let (cases, broken) = (finding.cases, finding.broken.len());
        match self
            .checks
            .iter_mut()
            .find(|(claim, ..)| *claim == finding.claim)
        {
            Some(check) => (check.1, check.2) = (check.1 + cases, check.2 + broken),
            None => self.checks.push((finding.claim, cases, broken)),
        }
    }

    /// True if there is nothing to be gained by going on.
    pub(crate) fn is_broken(&self) -> bool {
        self.violations() > 0
    }

    fn violations(&self) -> usize {
        self.checks.iter().map(|(_, _, broken)| broken).sum()
    }

    /// One line, for who waits.
    pub(crate) fn progress(&self) -> String {
        let broken = self.violations();
        let requests = self.latencies.len();
        format!(
            "{requests} requests, {} origin calls, {broken} violations",
            self.fetches
        )
    }

    /// The table, and what is wrong.
    pub(crate) fn close(mut self, stormy: bool) -> Result<(), String> {
        self.latencies.sort_unstable();
        // A run ends with the first violation; what it did not come to is no fault.
        let complete = stormy && !self.is_broken();
        let mut table = String::new();
        let mut row = |what: &str, figures: String| {
            let _ = writeln!(table, "  {what:<66} {figures}");
        };
        for (how, count) in &self.outcomes {
            row(&format!("answers: {how:?}"), count.to_string());
        }
        for (blow, count) in &self.blows {
            row(&format!("blows: {blow}"), count.to_string());
        }
        let quantile = |share: f64| {
            let last = self.latencies.len().saturating_sub(1) as f64;
            let at = self.latencies.get((last * share) as usize).copied();
            ms(Duration::from_micros(at.unwrap_or(0)))
        };
        let waits = format!("{}, {}, {}", quantile(0.5), quantile(0.99), quantile(1.0));
        row("latency p50, p99, longest", waits);
        row(
            "longest stall of this machine",
            ms(Duration::from_micros(self.stalled)),
        );
        row("origin calls", self.fetches.to_string());
        row(
            "purges, not confirmed",
            format!("{}, {}", self.purges.0, self.purges.1),
        );
        row(
            "purges of everything, not confirmed",
            format!("{}, {}", self.purges_of_all.0, self.purges_of_all.1),
        );
        row("all the same after", ms(self.converged));
        let mib: Vec<u64> = self.memory.iter().map(|bytes| bytes >> 20).collect();
        row("memory after each round in MiB", format!("{mib:?}"));
        let mut wrong = String::new();
        for (claim, cases, broken) in &self.checks {
            let verdict = match (broken, cases) {
                (0, 0) if complete => "VACUOUS",
                (0, 0) => "not seen",
                (0, _) => "held",
                _ => "BROKEN",
            };
            row(
                &format!("check: {claim}"),
                format!("{verdict} ({broken} of {cases})"),
            );
            if !matches!(verdict, "held" | "not seen") {
                let _ = writeln!(wrong, "{verdict}: {claim}");
            }
        }
        println!("{table}");
        for kind in KINDS.iter().filter(|_| complete) {
            if !self.blows.contains_key(kind) {
                let _ = writeln!(wrong, "VACUOUS: {kind} never fell");
            }
        }
        wrong += &self.growth();
        if wrong.is_empty() {
            return Ok(());
        }
        println!("{}", self.stories);
        for file in &self.files {
            println!("the whole history is in {}", file.display());
        }
        Err(wrong)
    }

    /// The history of a round is freed before the next, so what grows from round to round stays.
    fn growth(&self) -> String {
        let (Some(first), Some(last)) = (self.memory.get(1), self.memory.last()) else {
            return String::new();
        };
        let most = first + first / 4 + (24 << 20);
        if *last <= most {
            return String::new();
        }
        format!("BROKEN: memory grew from {first} to {last} bytes")
    }
}

/// Writes a history as JSON lines in order of time.
fn save(seed: u64, notes: &Notes) -> Option<PathBuf> {
    let mut lines = Vec::new();
    let mut add = |at: At, what: &str, text: String| {
        let line = serde_json::json!({ "at": at, "what": what, "text": text });
        lines.push((at, line.to_string()));
    };
    for (n, fetch) in notes.fetches.iter().enumerate() {
        add(fetch.start, "fetch", format!("{n} {fetch:?}"));
    }
    for serve in &notes.serves {
        add(serve.asked, "serve", format!("{serve:?}"));
    }
    for purge in &notes.purges {
        add(purge.began, "purge", format!("{purge:?}"));
    }
    for purge in &notes.purges_of_all {
        add(purge.began, "purge of all", format!("{purge:?}"));
    }
    for call in &notes.calls {
        add(call.sent, "call", format!("{call:?}"));
    }
    for heard in &notes.heard {
        add(heard.at, "heard", format!("{heard:?}"));
    }
    for struck in &notes.struck {
        add(struck.from, "blow", format!("{struck:?}"));
    }
    for (from, to) in &notes.stalls {
        add(*from, "stall", format!("{} us", to - from));
    }
    lines.sort_by_key(|(at, _)| *at);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = target.join(format!("chaos-{seed}.jsonl"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).ok()?);
    for (_, line) in lines {
        writeln!(file, "{line}").ok()?;
    }
    Some(path)
}
