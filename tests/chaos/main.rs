//! The fleet under faults: nodes, a real Redis, a fault proxy before each node, and a checker of
//! what happened.
//!
//! - [`schedule`] draws which blows fall when, [`storm`] lets them fall, by [`fault_proxy`] or on
//!   the server itself; [`load`] asks and purges meanwhile.
//! - [`fleet`] are the nodes, [`origin`] what they ask, for pages as [`site`] says they are;
//!   [`watched`] notes what goes between a node and Redis, [`observe`] what is there.
//! - [`history`] is what happened, [`view`] the state of the fleet at some time in it, [`checks`]
//!   what must be true of it, [`report`] the table.
//!
//! `CHAOS_SEED` replays a schedule (threads and sockets have a will of their own, so not a run),
//! `CHAOS_TIME` is its length in seconds.
#![cfg(feature = "redis")]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod fault_proxy;
mod fleet;
mod history;
mod load;
mod mutants;
mod observe;
mod origin;
mod report;
mod round;
mod schedule;
mod site;
mod storm;
mod view;
mod watched;

use std::time::Duration;

use tokio::time::Instant;

use report::Report;
use view::View;

/// The first round, in which nothing goes wrong.
const CALM: Duration = Duration::from_secs(8);
/// Each of the others.
pub(crate) const ROUND: Duration = Duration::from_secs(26);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, must be a number")),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_faults_no_promise_is_broken() {
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let time = Duration::from_secs(number("CHAOS_TIME").unwrap_or(60));
    println!(
        "CHAOS_SEED={seed} CHAOS_TIME={} for this run again",
        time.as_secs()
    );
    let entries = site::entries().await;
    let mut report = Report::default();
    let begun = Instant::now();
    let storms = time.saturating_sub(CALM).as_secs() / ROUND.as_secs();
    for number in 0..=storms {
        let (length, stormy) = if number == 0 {
            (CALM, false)
        } else {
            (ROUND, true)
        };
        // Of one seed each round has one of its own.
        let seed = seed.wrapping_add(number << 32);
        let outcome = round::run(seed, length, stormy, &entries).await;
        report.add(seed, &outcome, &View::new(&outcome.notes, &entries));
        let passed = begun.elapsed().as_secs();
        println!(
            "round {number} of {storms}, {passed} s: {}",
            report.progress()
        );
        if report.is_broken() {
            break;
        }
    }
    report
        .close(storms > 0)
        .unwrap_or_else(|wrong| panic!("CHAOS_SEED={seed}:\n{wrong}"));
}
