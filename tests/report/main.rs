//! The report on the shared tier's servers, against real ones: what is seen, what is found wrong,
//! and that the cure which it prints is one.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod check;
mod cluster;
mod memory;
mod rights;
mod sentinel;
mod server;
#[cfg(feature = "tls")]
mod tls;

use bellwether::shared::{Finding, RedisTier, Report, Severity};

use support::redis_server::{RedisServer, run};

/// Connects and reports.
pub(crate) async fn report(url: &str) -> Report {
    let tier = RedisTier::connect(url).await.expect("a good URL");
    tier.report().await
}

/// All of one kind.
pub(crate) fn found(report: &Report, severity: Severity) -> Vec<&Finding> {
    let all = report.findings();
    all.filter(|finding| finding.severity() == severity)
        .collect()
}

/// The only problem that there is.
pub(crate) fn problem(report: &Report) -> &Finding {
    let [problem] = found(report, Severity::Problem)[..] else {
        panic!("not one problem:\n{report}");
    };
    assert!(report.has_problems());
    problem
}

/// That there is none.
pub(crate) fn no_problem(report: &Report) {
    assert!(!report.has_problems(), "{report}");
    assert_eq!(found(report, Severity::Problem), [] as [&Finding; 0]);
}

/// The one piece of advice whose text has this word.
pub(crate) fn advice<'a>(report: &'a Report, word: &str) -> &'a Finding {
    let mut all = found(report, Severity::Advice);
    all.retain(|finding| finding.what().contains(word));
    let [advice] = all[..] else {
        panic!("not one piece of advice with {word:?}:\n{report}");
    };
    advice
}

/// That there is neither a problem nor advice.
pub(crate) fn nothing_at_all(report: &Report) {
    assert_eq!(report.findings().count(), 0, "{report}");
}

/// That no finding's text has this word.
pub(crate) fn nothing_about(report: &Report, word: &str) {
    let all: Vec<_> = report.findings().collect();
    let found = all.iter().any(|finding| finding.what().contains(word));
    assert!(!found, "{word:?} is in\n{report}");
}

/// Does what the cure says, as somebody would who pastes it into `redis-cli`.
pub(crate) async fn paste(server: &RedisServer, finding: &Finding) {
    assert!(finding.commands().next().is_some(), "{finding}");
    for command in finding.commands() {
        let words: Vec<_> = command
            .split(' ')
            .map(|word| word.trim_matches('"'))
            .collect();
        run::<redis::Value>(server, &words).await;
    }
}
