//! Bounds on load and on waiting: what a fleet promises while nothing worse happens than the
//! scenario says.

use std::collections::BTreeMap;

use super::history::{At, Fetch, How, Notes, Purpose, Reply, Serve};
use super::seeds::Verdict;
use super::site::Spec;

pub(super) const MILLI: At = 1_000;
pub(super) const SECOND: At = 1_000_000;

/// What is fetched: a URL, or a variant of it.
type Target = (usize, u8);

pub(super) fn target(specs: &[Spec], key: usize, kind: u8) -> Target {
    (key, if specs[key].varies { kind } else { 0 })
}

/// The refreshes by what they fetch, in their order.
pub(super) fn refreshes<'a>(notes: &'a Notes, specs: &[Spec]) -> BTreeMap<Target, Vec<&'a Fetch>> {
    let mut by_target = BTreeMap::<_, Vec<_>>::new();
    for fetch in &notes.fetches {
        if fetch.purpose == Purpose::Refresh {
            let target = target(specs, fetch.key, fetch.kind);
            by_target.entry(target).or_default().push(fetch);
        }
    }
    by_target
}

/// No two requests to the origin for one thing at once, among those that `counts` is true of.
pub(super) fn one_at_once(
    notes: &Notes,
    specs: &[Spec],
    counts: impl Fn(&Fetch, &Fetch) -> bool,
) -> Verdict {
    for (target, fetches) in refreshes(notes, specs) {
        for (n, first) in fetches.iter().enumerate() {
            let end = first.end.unwrap_or(At::MAX);
            let overlapping = fetches[n + 1..].iter().take_while(|second| second.start < end);
            if let Some(second) = overlapping.into_iter().find(|second| counts(first, second)) {
                return Err(format!("{target:?} was fetched twice at once: {first:?} and {second:?}"));
            }
        }
    }
    Ok(())
}

/// Nothing is fetched while the fleet has it fresh, but for the last stretch, which is as long as
/// its fetch took at most (the early refresh).
pub(super) fn one_per_cycle(
    notes: &Notes,
    specs: &[Spec],
    counts: impl Fn(&Fetch, &Fetch) -> bool,
    tolerance: At,
) -> Verdict {
    for (target, fetches) in refreshes(notes, specs) {
        for pair in fetches.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            let good = first.whole && matches!(first.reply, Reply::Storable | Reply::Confirmed);
            let (Some(head), Some(end)) = (first.head, first.end) else { continue };
            if !good || !counts(first, second) {
                continue;
            }
            let spec = &specs[target.0];
            let early = if spec.stale == 0 { end - first.start } else { 0 };
            let due = head + spec.fresh * MILLI - early;
            if second.start + tolerance < due {
                return Err(format!(
                    "{target:?} was fetched {} us before it was due: {first:?} and {second:?}",
                    due - second.start
                ));
            }
        }
    }
    Ok(())
}

/// Nobody waits longer than `limit` says, in milliseconds, and everybody gets an answer.
pub(super) fn waits(notes: &Notes, limit: impl Fn(&Serve) -> u64) -> Verdict {
    let late = notes.serves.iter().find(|serve| serve.waited() > limit(serve) * MILLI);
    match late {
        Some(late) => Err(format!("waited longer than {} ms: {late:?}", limit(late))),
        None => Ok(()),
    }
}

/// Nobody is refused.
pub(super) fn no_failures(notes: &Notes) -> Verdict {
    let failed = notes.serves.iter().find(|serve| matches!(serve.how, How::Failed(_)));
    failed.map_or(Ok(()), |failed| Err(format!("a client was refused: {failed:?}")))
}

/// Where stale may be served, a node that has served something once keeps nobody waiting for the
/// origin. What it knows to be outdated (an event told it of a newer version) it asks the tier for,
/// which takes `tier` milliseconds at most.
pub(super) fn nobody_waits_for_what_may_be_stale(notes: &Notes, specs: &[Spec], tier: u64) -> Verdict {
    let mut served = BTreeMap::new();
    for serve in &notes.serves {
        if specs[serve.key].stale == 0 {
            continue;
        }
        let target = (serve.node, target(specs, serve.key, serve.kind));
        // What it got it holds once the flight has stored it, a call to the tier later.
        let since = *served.entry(target).or_insert(serve.answered + 10 * MILLI + specs[serve.key].longest() * MILLI);
        if serve.asked > since && serve.waited() > tier * MILLI {
            return Err(format!("waited although stale may be served: {serve:?}"));
        }
    }
    Ok(())
}

/// Once any node has a response that may be served stale, others get it at the speed of the tier.
pub(super) fn other_nodes_wait_for_the_tier_only(notes: &Notes, specs: &[Spec], tier: u64) -> Verdict {
    let fetches = refreshes(notes, specs);
    for serve in &notes.serves {
        let spec = &specs[serve.key];
        let target = target(specs, serve.key, serve.kind);
        let first = fetches.get(&target).and_then(|fetches| fetches.first()?.end);
        let known = first.is_some_and(|end| serve.asked > end + tier * MILLI);
        if spec.stale > 0 && known && serve.waited() > tier * MILLI {
            return Err(format!("waited longer than {tier} ms for what the tier has: {serve:?}"));
        }
    }
    Ok(())
}

/// While somebody asks all the time, everything is refreshed when it has to be: what is served is
/// never older than its lifetime, one fetch and `slack` milliseconds.
pub(super) fn never_outdated(notes: &Notes, specs: &[Spec], slack: u64) -> Verdict {
    for serve in &notes.serves {
        let Some(fetch) = serve.fetch.map(|fetch| &notes.fetches[fetch]) else { continue };
        let spec = &specs[serve.key];
        let limit = (spec.fresh + 2 * spec.longest() + slack) * MILLI;
        if serve.answered > fetch.start + limit {
            return Err(format!("served what should have been refreshed: {serve:?} of {fetch:?}"));
        }
    }
    Ok(())
}
