//! How often the origin is asked.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bellwether::shared::TierEvent;

use crate::checks::Finding;
use crate::fleet::LOCK_WAIT;
use crate::history::{At, Fetch, FetchId, How, Reply};
use crate::site::{self, Kind};
use crate::view::{MILLI, View};

/// What shows on the clocks of a busy machine.
const TOLERANCE: At = 30 * MILLI;

fn micros(time: Duration) -> At {
    u64::try_from(time.as_micros()).expect("short")
}

/// The refreshes of each key and language, in their order. What a client fetched for itself alone
/// is none.
fn refreshes<'a>(view: &View<'a>) -> BTreeMap<(usize, u8), Vec<(FetchId, &'a Fetch)>> {
    let serves = view.notes.serves.iter();
    let own: HashSet<FetchId> = serves
        .filter(|serve| serve.how == How::Own)
        .filter_map(|serve| serve.fetch)
        .collect();
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (id, fetch) in view.notes.fetches.iter().enumerate() {
        let uncacheable = site::spec(fetch.key).kind == Kind::Uncacheable;
        if !uncacheable && !own.contains(&id) {
            all.entry((fetch.key, fetch.lang))
                .or_default()
                .push((id, fetch));
        }
    }
    all
}

/// While Redis is within reach of all, one request to the origin in the fleet: no two at once for
/// one key. A purge takes the right from the one under way, so then there is a second.
pub(super) fn one_in_the_fleet(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("one origin call in the fleet, in calm");
    for ((key, _), fetches) in refreshes(view) {
        for (n, (_, first)) in fetches.iter().enumerate() {
            let since = first.start.saturating_sub(micros(LOCK_WAIT));
            let end = first.end.unwrap_or(At::MAX);
            let second = fetches[n + 1..].iter().map(|(_, second)| second);
            let second = second.take_while(|second| second.start < end).next();
            let until = second.map_or(first.start, |second| second.start);
            let calm = !view.may_have_two_rules(key, until)
                && !view.stormy(since, until)
                && !view.any_failed(since, until)
                && !view.purged(key, since, until)
                && view.stalled(since, until) < 100 * MILLI;
            if calm {
                let wrong = second.map(|second| format!("{first:?} and {second:?} at once"));
                finding.case(until, key, wrong);
            }
        }
    }
    finding
}

/// Without Redis, one request per node: no two of one node at once for one key.
pub(super) fn one_per_node_while_alone(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("one origin call per node, without redis");
    for ((key, _), fetches) in refreshes(view) {
        for (n, (_, first)) in fetches.iter().enumerate() {
            let since = first.start.saturating_sub(300 * MILLI);
            let end = first.end.unwrap_or(At::MAX);
            let mut later = fetches[n + 1..].iter().map(|(_, second)| second);
            let second = later.find(|second| second.life == first.life && second.start < end);
            let until = second.map_or(first.start, |second| second.start);
            let alone = is_alone(view, first, since, until) && !view.purged(key, since, until);
            if alone {
                let wrong = second.map(|second| format!("{first:?} and {second:?} at once"));
                finding.case(until, key, wrong);
            }
        }
    }
    finding
}

/// True if no call of this node about any key was answered, while some failed, nor was it told
/// anything.
fn is_alone(view: &View<'_>, fetch: &Fetch, since: At, until: At) -> bool {
    let during = |at: At| (since..=until).contains(&at);
    let answered = view
        .notes
        .calls
        .iter()
        .any(|call| call.life == fetch.life && !call.failed() && call.over.is_some_and(during));
    let told = view.notes.heard.iter().any(|heard| {
        heard.life == fetch.life && during(heard.at) && heard.event != TierEvent::Lost
    });
    !answered && !told && view.failed(fetch.life, since, until)
}

/// In calm nothing is fetched again while the tier has it fresh, but for the early refresh of what
/// may not be served stale, by the time that its fetch took.
pub(super) fn not_before_it_is_due(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("no origin call before it is due, in calm");
    let stored = view.stored();
    for ((key, _), fetches) in refreshes(view) {
        let spec = site::spec(key);
        for pair in fetches.windows(2) {
            let ((id, first), (_, second)) = (pair[0], pair[1]);
            let since = first.start.saturating_sub(500 * MILLI);
            let good = matches!(first.reply, Reply::Storable | Reply::Confirmed)
                && stored.contains_key(&id)
                && !view.may_have_two_rules(key, second.start)
                && !view.stormy(since, second.start)
                && !view.any_failed(since, second.start)
                && !view.purged(key, since, second.start);
            let Some(head) = first.head.filter(|_| good) else {
                continue;
            };
            let early = if spec.stale == 0 {
                head - first.start
            } else {
                0
            };
            let stalled = view.stalled(first.start, second.start);
            // Its age when it came is the time that the origin took.
            let due = first.start + spec.fresh * MILLI - early;
            let wrong = (second.start + TOLERANCE + stalled < due).then(|| {
                let early = (due - second.start) / MILLI;
                format!("{second:?}, {early} ms before {first:?} was due")
            });
            finding.case(second.start, key, wrong);
        }
    }
    finding
}
