//! Histories made by hand: a right one, and for each claim one that is wrong in that and no more.

mod purges;
mod serving;

use std::collections::HashMap;
use std::time::Duration;

use bellwether::shared::{Committed, EntryId, Fence, Grant, PurgeKind, TierEvent, Token};

use crate::checks::{Finding, all};
use crate::fault_proxy::Fault;
use crate::history::{
    At, BodyEnd, Call, Deed, Era, Fetch, Heard, How, Life, Notes, Purge, PurgeAll, Reply, Sample,
    Seen, Serve, Struck,
};
use crate::schedule::Blow;
use crate::view::{MILLI, View};

const ID: EntryId = EntryId::from_bytes([1; 16]);
const SECOND: At = 1_000 * MILLI;
/// Fences are made of times, which here begin long after the nodes.
const BEGIN: At = 10 * SECOND;

fn token(number: u8) -> Token {
    Token::from_bytes([number; 16])
}

fn fetch(life: Life, start: At, end: At) -> Fetch {
    Fetch {
        life,
        key: 0,
        lang: 0,
        start,
        head: Some(end),
        end: Some(end),
        reply: Reply::Storable,
        whole: true,
    }
}

fn serve(life: Life, asked: At, how: How, fetch: usize) -> Serve {
    Serve {
        life,
        key: 0,
        lang: 0,
        asked,
        answered: asked + MILLI,
        how,
        status: 200,
        fetch: Some(fetch),
        body: BodyEnd::Whole,
    }
}

fn call(life: Life, sent: At, deed: Deed) -> Call {
    Call {
        life,
        id: ID,
        sent,
        over: Some(sent + MILLI),
        deed,
    }
}

fn acquire(life: Life, sent: At, number: u8, grant: Grant, version: Option<u64>) -> Call {
    let (token, seen) = (token(number), Some(Seen { grant, version }));
    call(life, sent, Deed::Acquire { token, seen })
}

fn lease(fence: u64) -> Grant {
    Grant::Lease {
        fence: Fence::new(fence),
        ttl: Duration::from_millis(600),
    }
}

fn commit(life: Life, sent: At, number: u8, fence: u64, fetch: usize) -> Call {
    let body_version = Fence::new(fence);
    let deed = Deed::Commit {
        token: token(number),
        fence,
        fetch: Some(fetch),
        verdict: Some(Committed::Stored { body_version }),
    };
    call(life, sent, deed)
}

fn purge(life: Life, began: At, fence: u64) -> (Purge, Call) {
    let purge = Purge {
        life,
        key: 0,
        kind: PurgeKind::Hard,
        began,
        done: Some(began + 3 * MILLI),
        confirmed: true,
    };
    let fence = Some(fence);
    (purge, call(life, began + MILLI, Deed::Purge { fence }))
}

fn sample(at: At, ttl: i64, f: u64) -> Sample {
    Sample {
        at,
        name: "{bw1:default:01}:e".into(),
        ttl,
        fences: (Some(f), Some(f)),
    }
}

fn black_hole(from: At, until: At) -> Struck {
    let (fault, lasts) = (Fault::BlackHole, Duration::from_micros(until - from));
    let blow = Blow::Network {
        place: 0,
        fault,
        lasts,
    };
    Struck { blow, from, until }
}

/// Two nodes: the first fetches and commits, both serve it, it is fetched again when it is due.
fn right() -> Notes {
    let mut notes = Notes {
        lives: vec![(0, 0), (1, 0)],
        ..Notes::default()
    };
    let again = BEGIN + 1_500 * MILLI;
    notes.fetches = vec![
        fetch(0, BEGIN + 2 * MILLI, BEGIN + 20 * MILLI),
        fetch(1, again + 2 * MILLI, again + 20 * MILLI),
    ];
    notes.calls = vec![
        acquire(0, BEGIN, 1, lease(100), None),
        commit(0, BEGIN + 21 * MILLI, 1, 100, 0),
        acquire(1, BEGIN + 50 * MILLI, 2, Grant::Fresh, Some(100)),
        acquire(1, again, 3, lease(200), Some(100)),
        commit(1, again + 21 * MILLI, 3, 200, 1),
    ];
    notes.serves = vec![
        serve(0, BEGIN + 30 * MILLI, How::Hit, 0),
        serve(1, BEGIN + 50 * MILLI, How::Shared, 0),
        serve(1, again, How::Stale, 0),
        serve(1, again + 40 * MILLI, How::Hit, 1),
    ];
    notes.samples = vec![sample(BEGIN, 500, 100), sample(again + SECOND, 500, 200)];
    notes
}

/// The claims that are broken.
fn broken(notes: &Notes) -> Vec<&'static str> {
    let entries = HashMap::from([(ID, 0)]);
    let findings = all(&View::new(notes, &entries));
    let broken = findings.into_iter().filter(|one| !one.broken.is_empty());
    broken.map(|finding: Finding| finding.claim).collect()
}

/// The claims that are broken once this happened, too.
fn with(change: impl FnOnce(&mut Notes)) -> Vec<&'static str> {
    let mut notes = right();
    change(&mut notes);
    notes.calls.sort_by_key(|call| call.sent);
    broken(&notes)
}

#[test]
fn a_right_history_breaks_no_claim() {
    assert_eq!(broken(&right()), [""; 0]);
}

#[test]
fn fences_are_seen_to_fall_and_to_repeat() {
    let claim = ["fences strictly rise"];
    for fence in [200, 150] {
        let late = BEGIN + 5 * SECOND;
        let wrong = with(|notes| notes.calls.push(acquire(0, late, 9, lease(fence), None)));
        assert_eq!(wrong, claim, "{fence}");
    }
    let shown = |notes: &mut Notes| notes.samples.push(sample(BEGIN + 9 * SECOND, 500, 150));
    assert_eq!(with(shown), claim);
}

#[test]
fn a_late_writer_is_seen_and_so_is_what_was_fetched_before_a_purge() {
    let late = BEGIN + 3 * SECOND;
    let stored = with(|notes| notes.calls.push(commit(0, late, 1, 100, 0)));
    assert!(stored.contains(&"no late writer is stored"), "{stored:?}");
    let purged = with(|notes| {
        let (purge, call) = purge(0, BEGIN + 4 * MILLI, 150);
        notes.purges.push(purge);
        notes.calls.push(call);
    });
    assert!(purged.contains(&"no late writer is stored"), "{purged:?}");
}

#[test]
fn a_tier_that_goes_back_is_seen() {
    let wrong = with(|notes| {
        let late = BEGIN + 3 * SECOND;
        let old = acquire(0, late, 9, Grant::Fresh, Some(100));
        notes.calls.push(old);
    });
    assert_eq!(wrong, ["what the tier shows never goes back"]);
}

#[test]
fn a_second_lease_is_seen() {
    let wrong = with(|notes| {
        let second = acquire(1, BEGIN + 10 * MILLI, 9, lease(99), None);
        notes.calls.push(second);
    });
    assert!(wrong.contains(&"one lease at a time"), "{wrong:?}");
}

#[test]
fn a_node_that_goes_back_is_seen_by_fence_and_without_one_by_time() {
    let claim = ["no older response after a newer one"];
    let late = BEGIN + 2 * SECOND;
    let old = |notes: &mut Notes| notes.serves.push(serve(1, late, How::Stale, 0));
    assert_eq!(with(old), claim);
    let unfenced = with(|notes| {
        notes
            .calls
            .retain(|call| !matches!(call.deed, Deed::Commit { .. }));
        old(notes);
    });
    assert_eq!(unfenced, claim);
}
