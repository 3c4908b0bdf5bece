//! The results as a table, a file for machines, and pictures.

use std::fmt::Write as _;
use std::fs;

use crate::claims;
use crate::figures::{Figures, Run};
use crate::fleet::{NGINX, VARNISH};
use crate::plot;
use crate::scenario::Scenario;
use crate::support;

/// Prints the table and, if it is to be `kept`, writes all of it.
pub(crate) fn show(scenarios: &[Scenario], runs: &[Run], kept: bool) {
    let figures: Vec<_> = runs.iter().map(Run::figures).collect();
    let head = format!(
        "# Expiry storms\n\n{}, {}. `cargo bench --bench expiry_storm`: nodes, Redis and load on the \
         same machine, so times are for comparison within this table only. Clients come at fixed \
         times, whatever becomes of those before them; a request is as late as its answer is after \
         that time. *per expiry*: requests to the origin for a page that expired (or was not there). \
         *page*, *all*: most requests to the origin at once, for one page and in all. *oldest*: from \
         the making of an answer to its arrival. *quiet p99*: the same load where nothing expires.\n",
        support::date(),
        support::machine()
    );
    let claims = claims::of(&figures);
    let tables = format!("{}{}", claims::table(&claims), tables(scenarios, &figures));
    println!("\n{tables}");
    if kept {
        keep(&head, runs, &figures, &tables);
    }
    let broken: Vec<_> = claims.iter().filter(|claim| !claim.holds).collect();
    assert!(broken.is_empty(), "does not hold: {broken:#?}");
}

fn keep(head: &str, runs: &[Run], figures: &[Figures], tables: &str) {
    let dir = support::results();
    let versions = versions();
    let pictures = plot::all(runs, figures, &dir).expect("pictures can be drawn");
    let pictures: String = pictures
        .iter()
        .map(|name| format!("![]({name})\n\n"))
        .collect();
    let text = format!(
        "{head}\n{versions}\n\n{pictures}{tables}\n## The peers' configuration\n\n\
         nginx:\n\n```nginx\n{NGINX}```\n\nVarnish:\n\n```vcl\n{VARNISH}```\n\n\
         pingora and tower-http-cache: the programs in `benches/peers`.\n"
    );
    fs::write(dir.join("expiry_storm.md"), text).expect("a file can be written");
    let json = serde_json::json!({
        "date": support::date(),
        "machine": support::machine(),
        "runs": figures,
    });
    let json = serde_json::to_string_pretty(&json).expect("plain data");
    fs::write(dir.join("expiry_storm.json"), json + "\n").expect("a file can be written");
    println!("written to benches/results: expiry_storm.md, expiry_storm.json, and the pictures");
}

/// What the Rust peers are built from.
const PEERS: &str = include_str!("../peers/Cargo.lock");

fn versions() -> String {
    let of = |name: &str, flag| {
        let found = support::find(name);
        found.map_or("not installed".to_owned(), |binary| {
            support::version(&binary, flag)
        })
    };
    format!(
        "bellwether {}, nginx {}, Varnish {}, pingora {}, tower-http-cache {}, Redis {}.",
        env!("CARGO_PKG_VERSION"),
        of("nginx", "-v"),
        of("varnishd", "-V"),
        support::locked(PEERS, "pingora"),
        support::locked(PEERS, "tower-http-cache"),
        of("redis-server", "--version")
    )
}

fn tables(scenarios: &[Scenario], figures: &[Figures]) -> String {
    let mut text = String::new();
    let mut last = "";
    for scenario in scenarios {
        if scenario.name != last {
            last = scenario.name;
            let _ = write!(
                text,
                "\n## {}\n\n{}.\n\n| nodes | | origin requests | per expiry | page | all | p50 ms | p99 ms | \
                 p99.9 ms | max ms | quiet p99 | errors | oldest s |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
                scenario.name, scenario.about
            );
        }
        let rows = figures
            .iter()
            .filter(|row| (row.scenario, row.nodes) == (scenario.name, scenario.nodes));
        for row in rows {
            let quiet = row
                .quiet_p99_ms
                .map_or("-".to_owned(), |quiet| format!("{quiet:.1}"));
            let _ = writeln!(
                text,
                "| {} | {} | {} | **{:.2}** | {} | {} | {:.1} | {:.1} | {:.1} | {:.0} | {quiet} | {} | {:.1} |",
                row.nodes,
                row.mode,
                row.origin_requests,
                row.per_expiry,
                row.peak_page,
                row.peak,
                row.p50_ms,
                row.p99_ms,
                row.p999_ms,
                row.max_ms,
                row.errors,
                row.oldest_s
            );
        }
    }
    text
}
