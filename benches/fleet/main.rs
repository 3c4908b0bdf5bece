//! Fleets that no test machine can run: whole caches, in one process and virtual time.
//!
//! `cargo bench --bench fleet`: 1 to 10,000 nodes, up to a million pages, lost events, a slow tier,
//! calls without an answer; some minutes. The tables and the picture go to `benches/results`.
//! `-- --quick`: the small ones, in seconds; nothing is written.
//!
//! The model: each node is a [`bellwether::Cache`] as users have it, its origin takes a fixed time,
//! its clients come at random (Poisson). The tier is the reference model
//! ([`MemoryTier`](bellwether::shared::MemoryTier)) behind a way that may take time, lose calls and
//! lose events. What it does not have: CPU time (all work takes none, so nothing is ever late for
//! lack of it), the network of clients, nodes that die, and Redis itself. Where the real benchmark,
//! `expiry_storm`, does the same, the two are compared.

mod report;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "it starts no processes")]
mod support;
mod tier;
mod world;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Report;
use crate::tier::Road;
use crate::world::{Model, run};

/// One page that every node is asked for once a second.
fn hot(nodes: usize) -> Model {
    Model {
        nodes,
        pages: 1,
        rate: 1.0,
        length: Duration::from_secs(60),
        fresh: 10,
        stale: true,
        shared: true,
        latency: Duration::from_millis(200),
        road: Road {
            delay: Duration::from_millis(1),
            ..Road::default()
        },
        away: false,
    }
}

fn sizes(quick: bool) -> Vec<(String, Model)> {
    let most = if quick { 100 } else { 10_000 };
    let sizes = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
    let sizes = sizes.into_iter().filter(|nodes| *nodes <= most);
    let mut all = Vec::new();
    for nodes in sizes {
        for (name, stale, shared) in [
            ("lease + stale", true, true),
            ("lease", false, true),
            ("one process each", true, false),
        ] {
            all.push((
                name.to_owned(),
                Model {
                    stale,
                    shared,
                    ..hot(nodes)
                },
            ));
        }
    }
    all
}

fn troubles(quick: bool) -> Vec<(String, Model)> {
    let calm = Model {
        pages: 10,
        rate: 10.0,
        ..hot(if quick { 20 } else { 200 })
    };
    let with = |road: Road| Model { road, ..calm };
    let road = calm.road;
    let milliseconds = Duration::from_millis;
    vec![
        ("none".to_owned(), calm),
        (
            "1 of 10 events lost".to_owned(),
            with(Road {
                lost_events: 100,
                ..road
            }),
        ),
        (
            "all events lost".to_owned(),
            with(Road {
                lost_events: 1_000,
                ..road
            }),
        ),
        (
            "all events lost, nothing stale".to_owned(),
            Model {
                stale: false,
                ..with(Road {
                    lost_events: 1_000,
                    ..road
                })
            },
        ),
        (
            "tier takes 20 ms".to_owned(),
            with(Road {
                delay: milliseconds(20),
                ..road
            }),
        ),
        (
            "tier takes 80 ms".to_owned(),
            with(Road {
                delay: milliseconds(80),
                ..road
            }),
        ),
        (
            "tier takes 200 ms, over its deadline".to_owned(),
            with(Road {
                delay: milliseconds(200),
                ..road
            }),
        ),
        (
            "1 of 100 calls without an answer".to_owned(),
            with(Road {
                lost_calls: 10,
                ..road
            }),
        ),
        (
            "1 of 10 calls without an answer".to_owned(),
            with(Road {
                lost_calls: 100,
                ..road
            }),
        ),
        (
            "tier away for a third of the time".to_owned(),
            Model { away: true, ..calm },
        ),
    ]
}

/// Each node asks for each page some two times, in the lifetime of all.
fn pages(quick: bool) -> Vec<(String, Model)> {
    let sizes: &[usize] = if quick {
        &[1_000, 10_000]
    } else {
        &[1_000, 10_000, 100_000, 1_000_000]
    };
    let of = |pages: usize| {
        let model = Model {
            pages,
            rate: pages as f64 / 30.0,
            fresh: 600,
            ..hot(4)
        };
        ("lease + stale".to_owned(), model)
    };
    sizes.iter().map(|pages| of(*pages)).collect()
}

/// As `expiry_storm` has it.
fn overlap(quick: bool) -> Vec<(String, Model)> {
    let sizes: &[usize] = if quick { &[2] } else { &[1, 2, 4, 8] };
    let mut all = Vec::new();
    for &nodes in sizes {
        for (name, stale, shared) in [
            ("bellwether, one process each", true, false),
            ("bellwether, lease", false, true),
            ("bellwether, lease + stale", true, true),
        ] {
            let model = Model {
                rate: 1_000.0 / nodes as f64,
                length: Duration::from_secs(9),
                fresh: 2,
                stale,
                shared,
                ..hot(nodes)
            };
            all.push((name.to_owned(), model));
        }
    }
    all
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let parts = [
        ("nodes", sizes(quick)),
        ("troubles", troubles(quick)),
        ("pages", pages(quick)),
        ("overlap", overlap(quick)),
    ];
    let total: usize = parts.iter().map(|(_, models)| models.len()).sum();
    let bar = ProgressBar::new(total as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} {msg}");
    bar.set_style(style.expect("a template"));
    let mut report = Report::default();
    for (part, models) in parts {
        for (name, model) in models {
            bar.set_message(format!(
                "{part}: {name}, {} nodes, {} pages",
                model.nodes, model.pages
            ));
            bar.tick();
            report.push(part, name, model, run(model));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    report.show(!quick);
}
