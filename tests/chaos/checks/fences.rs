//! Fences: what is issued, what is stored under them, what is read.

use std::collections::{BTreeMap, HashMap};

use bellwether::shared::{Committed, Grant};

use crate::checks::Finding;
use crate::history::{At, Call, Deed};
use crate::view::View;

/// A fence that this call was given: with a lease, or as that of a purge.
fn issued(call: &Call) -> Option<u64> {
    match call.deed {
        Deed::Acquire {
            seen: Some(seen), ..
        } => match seen.grant {
            Grant::Lease { fence, .. } => Some(fence.get()),
            _ => None,
        },
        Deed::Purge { fence } => fence,
        _ => None,
    }
}

fn stored(call: &Call) -> Option<u64> {
    match call.deed {
        Deed::Commit {
            fence,
            verdict: Some(Committed::Stored { .. }),
            ..
        } => Some(fence),
        _ => None,
    }
}

fn read(call: &Call) -> Option<u64> {
    match call.deed {
        Deed::Acquire { seen, .. } => seen?.version,
        _ => None,
    }
}

/// Of calls in the order of their sending, for each that `what` is of: the largest number that
/// was known before it was sent.
fn before<'a>(calls: &[&'a Call], what: impl Fn(&Call) -> Option<u64>) -> Vec<(&'a Call, u64)> {
    let mut known: Vec<(At, u64)> = calls
        .iter()
        .filter_map(|call| Some((call.over?, what(call)?)))
        .collect();
    known.sort_unstable();
    let (mut next, mut largest, mut all) = (0, 0, Vec::new());
    for call in calls {
        while let Some((over, number)) = known.get(next).filter(|(over, _)| *over < call.sent) {
            largest = largest.max(*number);
            let _ = over;
            next += 1;
        }
        all.push((*call, largest));
    }
    all
}

/// Fences of an entry strictly rise, over expiry, eviction, flush, restart and purges of everything: who asks after a
/// fence was issued is given a larger one, and no two refreshes or purges are given the same.
pub(super) fn rise(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("fences strictly rise");
    for (id, calls) in view.calls() {
        let mut owners = HashMap::new();
        for (call, largest) in before(&calls, issued) {
            let Some(fence) = issued(call) else { continue };
            let owner = match call.deed {
                Deed::Acquire { token, .. } => Some(token),
                _ => None,
            };
            let same = owner.is_some() && owners.get(&fence) == Some(&owner);
            let taken = owners.insert(fence, owner).is_some() && !same;
            let wrong = (taken || fence < largest || fence == largest && !same)
                .then(|| format!("{fence} was issued after {largest}: {call:?}"));
            finding.case_of(call.sent, id, view, wrong);
        }
    }
    // And so Redis itself shows them.
    let mut newest = BTreeMap::new();
    for sample in &view.notes.samples {
        let (f, v) = sample.fences;
        let last = newest.entry(&sample.name).or_insert((0, 0));
        let back = f.is_some_and(|f| f < last.0) || v.is_some_and(|v| v < last.1 || f < Some(v));
        let wrong = back.then(|| format!("Redis shows {sample:?} after {last:?}"));
        finding.case_at(sample.at, wrong);
        *last = (f.unwrap_or(last.0), v.unwrap_or(last.1));
    }
    finding
}

/// Nothing is stored under a fence once a larger one was issued, be it to a refresh or a purge:
/// so no older response replaces a newer one, and nothing that was fetched before a purge is
/// stored after it. (Who has not heard of a purge of everything stores where nobody else looks.)
pub(super) fn no_late_writer_is_stored(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("no late writer is stored");
    for ((id, _), calls) in view.calls_in_eras() {
        for (call, largest) in before(&calls, issued) {
            let Some(fence) = stored(call) else { continue };
            let wrong = (fence < largest)
                .then(|| format!("{fence} was stored after {largest} was issued: {call:?}"));
            finding.case_of(call.sent, id, view, wrong);
        }
    }
    finding
}

/// What the tier shows never goes back: who asks after a version was seen, or stored, is shown that
/// one, a later one, or none.
pub(super) fn reads_never_go_back(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("what the tier shows never goes back");
    for ((id, _), calls) in view.calls_in_eras() {
        let known = |call: &Call| read(call).or_else(|| stored(call));
        for (call, largest) in before(&calls, known) {
            let Some(version) = read(call) else { continue };
            let wrong = (version < largest)
                .then(|| format!("{version} was shown after {largest}: {call:?}"));
            finding.case_of(call.sent, id, view, wrong);
        }
    }
    finding
}
