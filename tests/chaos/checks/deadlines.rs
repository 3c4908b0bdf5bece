//! How long requests take.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checks::Finding;
use crate::fleet::{BUDGET, FETCH_TIMEOUT, LEASE, LOCK_WAIT};
use crate::history::{At, How, Serve};
use crate::schedule::Blow;
use crate::view::{MILLI, View};

/// What the rest of a request costs on a busy machine of two cores.
const OURS: At = 60 * MILLI;

fn micros(time: Duration) -> At {
    u64::try_from(time.as_micros()).expect("short")
}

/// The time of a request in which nobody was at the origin for its key.
fn waited(serve: &Serve, fetches: &BTreeMap<usize, Vec<(At, At)>>) -> At {
    let mut waited = 0;
    let mut at = serve.asked;
    for (from, to) in fetches.get(&serve.key).into_iter().flatten() {
        let from = (*from).min(serve.answered);
        waited += from.saturating_sub(at);
        at = at.max(*to);
    }
    waited + serve.answered.saturating_sub(at)
}

/// No request pays more than 150 ms for Redis in all: that is what it may take beyond the time in
/// which the origin was asked for its key. So while nothing is wrong; and so on a node that cannot
/// reach Redis at all, since nobody can tell it to wait.
///
/// In between, who may not be served stale also waits for a holder that is cut off: for its lease,
/// or `lock_wait` at most.
pub(super) fn redis_costs_no_more_than_its_budget(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("no request pays more than its budget for redis");
    let mut fetches = BTreeMap::<_, Vec<_>>::new();
    for fetch in &view.notes.fetches {
        let end = fetch.end.unwrap_or(At::MAX);
        fetches
            .entry(fetch.key)
            .or_default()
            .push((fetch.start, end));
    }
    for serve in &view.notes.serves {
        let waited = waited(serve, &fetches);
        let since = serve.asked.saturating_sub(micros(2 * LEASE));
        let cut_off = is_cut_off(view, serve);
        let calm = !view.stormy(since, serve.answered) && !view.any_failed(since, serve.answered);
        let leased = if calm || cut_off {
            0
        } else {
            micros(LOCK_WAIT)
        };
        let limit = micros(BUDGET) + leased + OURS + view.stalled(serve.asked, serve.answered);
        let wrong = (waited > limit).then(|| {
            let state = if cut_off { "cut off" } else { "reachable" };
            format!("waited {waited} us of at most {limit} ({state}): {serve:?}")
        });
        finding.case(serve.asked, serve.key, wrong);
    }
    finding
}

/// True if nothing of Redis reached the node while the request was there.
fn is_cut_off(view: &View<'_>, serve: &Serve) -> bool {
    let place = view.place(serve.life);
    view.struck(serve.asked, serve.answered).any(|struck| {
        let whole = struck.from < serve.asked && serve.answered < struck.until;
        let mute = match struck.blow {
            Blow::Network {
                fault,
                place: there,
                ..
            } => fault.is_mute() && there == place,
            Blow::Everywhere { fault, .. } => fault.is_mute(),
            Blow::Freeze { .. } => true,
            _ => false,
        };
        whole && mute
    })
}

/// Everybody is answered within all deadlines together: `lock_wait`, and twice the time that the
/// origin is given, for the head and the body.
pub(super) fn everybody_is_answered(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("everybody is answered in time");
    for serve in &view.notes.serves {
        let took = serve.answered - serve.asked;
        let stalled = view.stalled(serve.asked, serve.answered);
        let limit = micros(LOCK_WAIT + 2 * FETCH_TIMEOUT) + stalled;
        let wrong = (serve.how == How::Hung || took > limit)
            .then(|| format!("took {took} us of at most {limit}: {serve:?}"));
        finding.case(serve.asked, serve.key, wrong);
    }
    finding
}
