//! What this crate promises of a storm, and whether the run bears it out.

use std::fmt::Write as _;

use crate::figures::Figures;
use crate::scenario::Mode;

/// Hits may take so much longer while pages expire than where nothing does.
const SLOWER: f64 = 1.2;

#[derive(Debug)]
pub(crate) struct Claim {
    what: &'static str,
    nodes: usize,
    seen: String,
    pub(crate) holds: bool,
}

/// All that these runs have a word on.
pub(crate) fn of(figures: &[Figures]) -> Vec<Claim> {
    let ours = figures.iter().filter(|row| row.mode == Mode::Stale.name());
    let mut claims = Vec::new();
    for row in ours {
        let mut claim = |what, seen, holds| {
            let nodes = row.nodes;
            claims.push(Claim {
                what,
                nodes,
                seen,
                holds,
            });
        };
        match row.scenario {
            "one hot key" => {
                claim(
                    "one request for each expiry",
                    format!("{:.2}, at once {}", row.per_expiry, row.peak_page),
                    row.origin_requests > 1 && row.per_expiry == 1.0 && row.peak_page == 1,
                );
                if let Some(quiet) = row.quiet_p99_ms {
                    let ratio = row.p99_ms / quiet;
                    claim(
                        "p99 at most 1.2 times that of pure hits",
                        format!("{ratio:.2}"),
                        ratio <= SLOWER,
                    );
                }
            }
            "1,000 keys at once" => {
                claim(
                    "no client gets an error",
                    format!("{} of {}", row.errors, row.requests),
                    row.errors == 0,
                );
                if let Some(quiet) = slowest_hit(figures, row.scenario) {
                    claim(
                        "no client is slower than a hit",
                        format!("slowest {:.1} ms, of pure hits {quiet:.1} ms", row.max_ms),
                        row.max_ms <= quiet,
                    );
                }
            }
            _ => {}
        }
    }
    claims
}

/// The slowest of all hits of a scenario where nothing expired, whichever cache they were of. The
/// slowest of a few seconds is a matter of chance: those of one cache were 6 to 16 ms in one run.
fn slowest_hit(figures: &[Figures], scenario: &str) -> Option<f64> {
    let of_it = figures.iter().filter(|row| row.scenario == scenario);
    of_it
        .filter_map(|row| row.quiet_max_ms)
        .max_by(f64::total_cmp)
}

pub(crate) fn table(claims: &[Claim]) -> String {
    let mut text = String::from(
        "\n## What is promised, with lease + stale\n\n| | nodes | seen | holds |\n|---|---|---|---|\n",
    );
    for claim in claims {
        let Claim {
            what,
            nodes,
            seen,
            holds,
        } = claim;
        let holds = if *holds { "yes" } else { "**no**" };
        let _ = writeln!(text, "| {what} | {nodes} | {seen} | {holds} |");
    }
    text
}
