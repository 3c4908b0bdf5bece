//! One way of asking for all pages, many at a time.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use crate::allowed::Allowed;
use crate::check::{Check, Counts, Mismatch};
use crate::compare::Difference;
use crate::nginx::Line;
use crate::stage::Stage;
use crate::tree::Page;

/// Pages under way.
const AT_ONCE: usize = 32;
/// So many mismatches are shown of a pass, and so many of one kind.
const SHOWN: usize = 8;
const ALIKE: usize = 2;

/// The result of a pass.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) name: &'static str,
    pub(crate) pages: usize,
    pub(crate) counts: Counts,
    /// What the proxy asked of nginx, by target.
    pub(crate) asked: HashMap<String, Vec<Line>>,
    pub(crate) allowed: BTreeMap<Allowed, u64>,
    pub(crate) mismatches: usize,
    /// The first few of them.
    pub(crate) shown: Vec<Mismatch>,
    pub(crate) took: Duration,
}

/// Does `step` for each page and counts.
pub(crate) async fn pass<F>(
    name: &'static str,
    stage: &Arc<Stage>,
    pages: &[Arc<Page>],
    step: impl Fn(Check, Arc<Page>) -> F,
) -> Tally
where
    F: Future<Output = Check> + Send + 'static,
{
    let mut tally = Tally {
        name,
        pages: pages.len(),
        ..Tally::default()
    };
    let begun = Instant::now();
    let mut said = begun;
    let running = pages.iter().map(|page| {
        let step = step(Check::new(stage), Arc::clone(page));
        let path = page.path.clone();
        async move { (path, AssertUnwindSafe(step).catch_unwind().await) }
    });
    // In tasks, so that both cores have something to do.
    let mut running = stream::iter(running.map(tokio::spawn)).buffer_unordered(AT_ONCE);
    let mut done = 0;
    while let Some(ended) = running.next().await {
        match ended.expect("panics are caught inside") {
            (_, Ok(check)) => tally.add(check),
            (path, Err(_)) => tally.claim(&path, "a whole answer", "see the panic above", false),
        }
        done += 1;
        if said.elapsed() >= Duration::from_secs(2) {
            said = Instant::now();
            eprintln!("transparency: {name}, {done} of {} pages", pages.len());
        }
    }
    for line in stage.nginx.asked(&stage.origin).await {
        if line.through {
            let lines = tally.asked.entry(line.target.clone());
            lines.or_default().push(line);
        }
    }
    tally.took = begun.elapsed();
    eprintln!(
        "transparency: {name}, {} pages in {:.1} s, {} mismatches",
        tally.pages,
        tally.took.as_secs_f64(),
        tally.mismatches
    );
    tally
}

impl Tally {
    fn add(&mut self, check: Check) {
        let (sum, more) = (&mut self.counts, check.counts);
        sum.direct += more.direct;
        sum.through += more.through;
        sum.bytes += more.bytes;
        sum.hits += more.hits;
        for (why, count) in check.verdict.allowed {
            *self.allowed.entry(why).or_default() += count;
        }
        for mismatch in check.mismatches {
            self.mismatch(mismatch);
        }
    }

    fn mismatch(&mut self, mismatch: Mismatch) {
        self.mismatches += 1;
        let kind = mismatch.kind();
        let alike = self.shown.iter().filter(|shown| shown.kind() == kind);
        if self.shown.len() < SHOWN && alike.count() < ALIKE {
            self.shown.push(mismatch);
        }
    }

    /// The statuses that nginx gave to the proxy for this target.
    pub(crate) fn asked_for(&self, target: &str) -> Vec<u16> {
        let lines = self.asked.get(target).map_or(&[][..], Vec::as_slice);
        lines.iter().map(|line| line.status).collect()
    }

    /// Claims that nginx was asked for a target by the proxy with just these results.
    pub(crate) fn asked_just(&mut self, target: &str, statuses: &[u16]) {
        let asked = self.asked_for(target);
        let holds = asked == statuses;
        let claim = format!("nginx is asked with {statuses:?}");
        self.claim(target, &claim, &format!("{asked:?}"), holds);
    }

    /// Claims something about a page after the pass.
    pub(crate) fn claim(&mut self, request: &str, claim: &str, found: &str, holds: bool) {
        if !holds {
            self.mismatch(Mismatch {
                request: request.to_owned(),
                differences: vec![Difference {
                    what: "claim".to_owned(),
                    direct: claim.to_owned(),
                    proxied: found.to_owned(),
                }],
                status: String::new(),
            });
        }
    }
}
