//! The report of a run: per part of the suite, beside others, and what was not passed.

use std::fmt::Write;

use crate::known::Known;
use crate::outcome::Kind::{Check, Optimal, Required};
use crate::outcome::Outcome::{Dep, Fail, Harness, No, OptFail, Pass, Retry, Setup, Untested, Yes};
use crate::outcome::{Run, Tally};
use crate::table::table;

/// All of it, as Markdown.
pub(crate) fn report(run: &Run, known: &Known) -> String {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for test in run.tests.iter().filter(|test| test.is_missed()) {
        let reason = known.reason(&test.id).unwrap_or("not known");
        let reason = format!("{}: {reason}", test.outcome);
        let id = format!("`{}`", test.id);
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, ids)) => ids.push(id),
            None => reasons.push((reason, vec![id])),
        }
    }
    let mut text = format!("{}\n{}\n", per_suite(run), beside_others(run));
    for (reason, ids) in reasons {
        let _ = writeln!(text, "- {reason}: {}", ids.join(", "));
    }
    text
}

fn per_suite(run: &Run) -> String {
    let head = [
        "suite",
        "tests",
        "required pass/FAIL",
        "optimal pass/opt-fail",
        "checks yes/no",
        "setup",
        "dep",
        "other",
    ];
    let row = |name: &str, tally: &Tally| {
        vec![
            name.to_owned(),
            tally.all().to_string(),
            pair(tally.of(Required, Pass), tally.of(Required, Fail)),
            pair(tally.of(Optimal, Pass), tally.of(Optimal, OptFail)),
            pair(tally.of(Check, Yes), tally.of(Check, No)),
            tally.any(Setup).to_string(),
            tally.any(Dep).to_string(),
            other(tally).to_string(),
        ]
    };
    let mut rows = Vec::new();
    for suite in run.suites() {
        let tests = run.tests.iter().filter(|test| test.suite == suite);
        rows.push(row(suite, &tests.collect()));
    }
    rows.push(row("total", &run.tests.iter().collect()));
    table(&head.map(String::from), &rows)
}

/// The totals, ours beside those that the suite has stored of others.
fn beside_others(run: &Run) -> String {
    let mut head = vec!["total".to_owned(), "bellwether".to_owned()];
    let mut tallies: Vec<Tally> = vec![run.tests.iter().collect()];
    for cache in &run.others {
        let version = cache.version.split(['-', '+']).next().unwrap_or_default();
        // A date is no version to be cut.
        let version = if version.contains('.') {
            version
        } else {
            &cache.version
        };
        head.push(format!("{} {version}", cache.name));
        tallies.push(run.tally_of(cache));
    }
    let asked = tallies[0].asked();
    let row = |name: &str, cell: &dyn Fn(&Tally) -> String| {
        let mut row = vec![name.to_owned()];
        row.extend(tallies.iter().map(cell));
        row
    };
    let rows = [
        row(&format!("passed, of {asked}"), &|tally| {
            tally.passed().to_string()
        }),
        row("required pass/FAIL", &|tally| {
            pair(tally.of(Required, Pass), tally.of(Required, Fail))
        }),
        row("optimal pass/opt-fail", &|tally| {
            pair(tally.of(Optimal, Pass), tally.of(Optimal, OptFail))
        }),
        row("checks yes/no", &|tally| {
            pair(tally.of(Check, Yes), tally.of(Check, No))
        }),
        row("setup", &|tally| tally.any(Setup).to_string()),
        row("dep", &|tally| tally.any(Dep).to_string()),
        row("other", &|tally| other(tally).to_string()),
    ];
    table(&head, &rows)
}

/// What says nothing about a cache.
fn other(tally: &Tally) -> usize {
    [Retry, Harness, Untested]
        .map(|outcome| tally.any(outcome))
        .iter()
        .sum()
}

fn pair(good: usize, bad: usize) -> String {
    format!("{good}/{bad}")
}
