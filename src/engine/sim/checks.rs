//! Bounds on load and on waiting: what a fleet promises while nothing worse happens than the
//! scenario says.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{At, Blow, Deed, Fetch, How, Notes, Purpose, Reply, Serve};
use super::seeds::Verdict;
use super::site::Spec;
use crate::shared::Committed;

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
            let overlapping = fetches[n + 1..]
                .iter()
                .take_while(|second| second.start < end);
            if let Some(second) = overlapping.into_iter().find(|second| counts(first, second)) {
                let story = notes.story(target.0, first.start.saturating_sub(SECOND), second.start);
                return Err(format!(
                    "{target:?} was fetched twice at once: {first:?} and {second:?}{story}"
                ));
            }
        }
    }
    Ok(())
}

/// Nothing is fetched while the tier has it fresh, but for the last stretch, which is as long as
/// its fetch took at most (the early refresh).
pub(super) fn one_per_cycle(
    notes: &Notes,
    specs: &[Spec],
    counts: impl Fn(&Fetch, &Fetch) -> bool,
    tolerance: At,
) -> Verdict {
    let shared = shared(notes);
    let place = |fetch: &Fetch| {
        notes
            .fetches
            .iter()
            .position(|one| std::ptr::eq(one, fetch))
    };
    for (target, fetches) in refreshes(notes, specs) {
        for pair in fetches.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            let good = matches!(first.reply, Reply::Storable | Reply::Confirmed)
                && place(first).is_some_and(|fetch| shared.contains(&fetch));
            let (Some(head), Some(end)) = (first.head, first.end) else {
                continue;
            };
            if !good || !counts(first, second) {
                continue;
            }
            let spec = &specs[target.0];
            let early = if spec.stale == 0 {
                end - first.start
            } else {
                0
            };
            let due = head + spec.fresh * MILLI - early;
            if second.start + tolerance < due {
                let story = notes.story(target.0, first.start.saturating_sub(SECOND), second.start);
                return Err(format!(
                    "{target:?} was fetched {} us before it was due: {first:?} and {second:?}{story}",
                    due - second.start
                ));
            }
        }
    }
    Ok(())
}

/// The fetches whose result the tier took.
pub(super) fn shared(notes: &Notes) -> BTreeSet<usize> {
    let fetch = |deed: &Deed| match deed {
        Deed::Committed {
            fetch,
            verdict: Committed::Stored { .. },
            ..
        } => *fetch,
        _ => None,
    };
    notes.deeds.iter().filter_map(fetch).collect()
}

/// Where a node died in the middle of a fetch, another fetches within `limit` milliseconds.
pub(super) fn successors_come(notes: &Notes, specs: &[Spec], limit: u64) -> Verdict {
    for (target, fetches) in refreshes(notes, specs) {
        for (n, fetch) in fetches.iter().enumerate() {
            let died = notes.blows.iter().find(|(at, node, blow)| {
                let during = fetch.start <= *at && fetch.end.is_some_and(|end| end <= *at + MILLI);
                (*node, *blow) == (fetch.node, Blow::Killed) && during && !fetch.whole
            });
            let Some((at, ..)) = died.filter(|(at, ..)| fetch.end.is_some_and(|end| end >= *at))
            else {
                continue;
            };
            let next = fetches.get(n + 1).map_or(At::MAX, |next| next.start);
            if next > at + limit * MILLI {
                return Err(format!(
                    "nobody took over {target:?} within {limit} ms: {fetch:?}"
                ));
            }
        }
    }
    Ok(())
}

/// What was not taken by the tier is not served to those who come after something newer was.
pub(super) fn late_writers_serve_nobody(notes: &Notes, specs: &[Spec]) -> Verdict {
    let mut commits = BTreeMap::<_, Vec<_>>::new();
    for deed in &notes.deeds {
        if let Deed::Committed {
            at,
            fetch: Some(fetch),
            verdict: Committed::Stored { .. },
            ..
        } = deed
        {
            let fetched = &notes.fetches[*fetch];
            let target = target(specs, fetched.key, fetched.kind);
            commits
                .entry(target)
                .or_default()
                .push((*at, fetched.start));
        }
    }
    let shared = shared(notes);
    for serve in notes.serves.iter().filter(|serve| serve.how != How::Own) {
        let Some(fetch) = serve.fetch.filter(|fetch| !shared.contains(fetch)) else {
            continue;
        };
        let start = notes.fetches[fetch].start;
        let commits = commits.get(&target(specs, serve.key, serve.kind));
        let newer = commits
            .into_iter()
            .flatten()
            .find(|(at, newer)| *newer > start && *at < serve.asked);
        if let Some(newer) = newer {
            return Err(format!(
                "served a late writer's although {newer:?} was committed: {serve:?} of {:?}",
                notes.fetches[fetch]
            ));
        }
    }
    Ok(())
}

/// Nobody waits longer than `limit` says, in milliseconds, and everybody gets an answer.
pub(super) fn waits(notes: &Notes, limit: impl Fn(&Serve) -> u64) -> Verdict {
    let late = notes
        .serves
        .iter()
        .find(|serve| serve.waited() > limit(serve) * MILLI);
    match late {
        Some(late) => {
            let story = notes.story(late.key, late.asked.saturating_sub(SECOND), late.answered);
            Err(format!(
                "waited longer than {} ms: {late:?}{story}",
                limit(late)
            ))
        }
        None => Ok(()),
    }
}

/// Nobody is refused.
pub(super) fn no_failures(notes: &Notes) -> Verdict {
    let failed = notes
        .serves
        .iter()
        .find(|serve| matches!(serve.how, How::Failed(_)));
    failed.map_or(Ok(()), |failed| {
        Err(format!("a client was refused: {failed:?}"))
    })
}

/// Where stale may be served, a node that has served something once keeps nobody waiting for the
/// origin. What it knows to be outdated (an event told it of a newer version) it asks the tier for,
/// which takes `tier` milliseconds at most.
pub(super) fn nobody_waits_for_what_may_be_stale(
    notes: &Notes,
    specs: &[Spec],
    tier: u64,
) -> Verdict {
    let mut served = BTreeMap::new();
    for serve in &notes.serves {
        if specs[serve.key].stale == 0 {
            continue;
        }
        let target = (serve.node, target(specs, serve.key, serve.kind));
        // What it got it holds once the flight has stored it, a call to the tier later.
        let since = *served
            .entry(target)
            .or_insert(serve.answered + 10 * MILLI + specs[serve.key].longest() * MILLI);
        if serve.asked > since && serve.waited() > tier * MILLI {
            return Err(format!("waited although stale may be served: {serve:?}"));
        }
    }
    Ok(())
}

/// Once any node has a response that may be served stale, others get it at the speed of the tier.
pub(super) fn other_nodes_wait_for_the_tier_only(
    notes: &Notes,
    specs: &[Spec],
    tier: u64,
) -> Verdict {
    let fetches = refreshes(notes, specs);
    for serve in &notes.serves {
        let spec = &specs[serve.key];
        let target = target(specs, serve.key, serve.kind);
        let first = fetches
            .get(&target)
            .and_then(|fetches| fetches.first()?.end);
        let known = first.is_some_and(|end| serve.asked > end + tier * MILLI);
        if spec.stale > 0 && known && serve.waited() > tier * MILLI {
            return Err(format!(
                "waited longer than {tier} ms for what the tier has: {serve:?}"
            ));
        }
    }
    Ok(())
}

/// Each thing is fetched at most so often from `since` to `until`.
pub(super) fn few_fetches(
    notes: &Notes,
    specs: &[Spec],
    since: At,
    until: At,
    most: usize,
) -> Verdict {
    for (target, fetches) in refreshes(notes, specs) {
        let within = fetches
            .iter()
            .filter(|fetch| (since..until).contains(&fetch.start));
        let starts: Vec<_> = within.map(|fetch| (fetch.start, fetch.node)).collect();
        if starts.len() > most {
            return Err(format!(
                "{target:?} was fetched {} times: {starts:?}",
                starts.len()
            ));
        }
    }
    Ok(())
}
