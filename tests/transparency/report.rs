//! The tables at the end.

use std::collections::BTreeMap;

use crate::allowed::Allowed;
use crate::pass::Tally;
use crate::stage::Stage;

/// Prints what was done, what may differ and did, and what may not and did.
pub(crate) fn print(stage: &Stage, tallies: &[Tally]) {
    let sizes: u64 = stage.pages.iter().map(|page| page.size).sum();
    let large = stage.pages.iter().filter(|page| !page.fits()).count();
    let kinds: BTreeMap<_, u64> = stage.pages.iter().fold(BTreeMap::new(), |mut kinds, page| {
        *kinds
            .entry(page.plain().header("content-type"))
            .or_default() += 1;
        kinds
    });
    eprintln!(
        "\n{} files, {:.1} MiB, {large} of them too large to store, {} types of content, {}",
        stage.pages.len(),
        mib(sizes),
        kinds.len(),
        stage.pages[0].plain().header("server"),
    );

    eprintln!(
        "\n{:<14}{:>8}{:>10}{:>10}{:>10}{:>10}{:>8}{:>8}{:>8}{:>12}",
        "pass", "pages", "direct", "through", "MiB", "hits", "asked", "304", "s", "mismatches"
    );
    for tally in tallies {
        let asked = || tally.asked.values().flatten();
        eprintln!(
            "{:<14}{:>8}{:>10}{:>10}{:>10.1}{:>10}{:>8}{:>8}{:>8.1}{:>12}",
            tally.name,
            tally.pages,
            tally.counts.direct,
            tally.counts.through,
            mib(tally.counts.bytes),
            tally.counts.hits,
            asked().count(),
            asked().filter(|line| line.status == 304).count(),
            tally.took.as_secs_f64(),
            tally.mismatches,
        );
    }
    eprintln!("(asked: requests of the proxy in nginx's log; MiB: bodies through the proxy)");

    eprintln!("\nallowed differences");
    for (why, section, what) in Allowed::ALL {
        let count: u64 = tallies.iter().filter_map(|t| t.allowed.get(&why)).sum();
        eprintln!("{count:>8}  {what} ({section})");
    }

    for tally in tallies.iter().filter(|tally| tally.mismatches > 0) {
        eprintln!(
            "\n{}: the first of {} mismatches",
            tally.name, tally.mismatches
        );
        for mismatch in &tally.shown {
            eprintln!("  {}", mismatch.request);
            if !mismatch.status.is_empty() {
                eprintln!("    cache-status: {}", mismatch.status);
            }
            for difference in &mismatch.differences {
                eprintln!("    {}", difference.what);
                eprintln!("      direct:  {}", difference.direct);
                eprintln!("      proxied: {}", difference.proxied);
            }
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
