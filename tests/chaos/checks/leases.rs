//! Leases.

use std::collections::HashMap;

use bellwether::shared::{EntryId, Fence, Grant, TierEvent, Token};

use crate::checks::Finding;
use crate::history::{At, Call, Deed};
use crate::view::View;

/// A lease that is surely held.
struct Held {
    token: Token,
    fence: Fence,
    since: At,
    until: At,
}

/// At most one lease exists for an entry: from the answer that granted one until its holder ends
/// it, or its time is over, nobody else is given one. What takes it away otherwise is a purge, or
/// the loss of keys.
pub(super) fn one_at_a_time(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("one lease at a time");
    let of_all_eras = view.calls();
    for ((id, _), calls) in view.calls_in_eras() {
        let mut ends = HashMap::new();
        for call in &calls {
            if let Some(token) = ended(call) {
                ends.entry(token).or_insert(call.sent);
            }
        }
        let mut held: Option<Held> = None;
        for call in &calls {
            let Some((token, fence, term)) = granted(call) else {
                continue;
            };
            let answered = call.over.unwrap_or(call.sent);
            if let Some(lease) = &held
                && lease.token != token
            {
                let overlap = call.sent > lease.since && answered < lease.until;
                let taken = view.lost_keys(lease.since.saturating_sub(1_000_000), answered)
                    || purged(
                        &of_all_eras[&id],
                        lease.since.saturating_sub(10_000_000),
                        answered,
                    )
                    || heard_of_purge(view, id, lease.fence, fence);
                let wrong = (overlap && !taken)
                    .then(|| format!("granted while {} was held: {call:?}", lease.token));
                finding.case_of(call.sent, id, view, wrong);
            }
            held = Some(Held {
                token,
                fence,
                since: answered,
                until: ends.get(&token).map_or(term, |end| term.min(*end)),
            });
        }
    }
    finding
}

/// A lease, and the end of its first term, counted from before it was asked for.
fn granted(call: &Call) -> Option<(Token, Fence, At)> {
    let Deed::Acquire {
        token,
        seen: Some(seen),
    } = call.deed
    else {
        return None;
    };
    match seen.grant {
        Grant::Lease { fence, ttl } => {
            let ttl = u64::try_from(ttl.as_micros()).expect("short");
            Some((token, fence, call.sent + ttl))
        }
        _ => None,
    }
}

/// The lease that its holder ends by this call, which counts from its sending.
const fn ended(call: &Call) -> Option<Token> {
    match call.deed {
        Deed::Commit { token, .. } | Deed::Release { token, .. } => Some(token),
        _ => None,
    }
}

/// A purge that nobody asked for just then: a node does again what it has purged, in an era that it
/// did not know of. Redis says when, by its fence.
fn heard_of_purge(view: &View<'_>, of: EntryId, after: Fence, before: Fence) -> bool {
    view.notes.heard.iter().any(|heard| {
        matches!(heard.event, TierEvent::Purged { id, fence, .. }
            if id == of && after < fence && fence < before)
    })
}

/// A purge happens between its sending and its answer; without an answer, at any time after.
fn purged(calls: &[&Call], since: At, until: At) -> bool {
    let mut purges = calls
        .iter()
        .filter(|call| matches!(call.deed, Deed::Purge { .. }));
    purges.any(|call| {
        let over = call.over.filter(|_| !call.failed()).unwrap_or(At::MAX);
        call.sent <= until && over >= since
    })
}
