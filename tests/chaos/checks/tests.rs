//! Histories made by hand: a right one, and for each claim one that is wrong in that and no more.

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

#[test]
fn what_was_purged_is_seen_wherever_it_is_served() {
    let at = BEGIN + 100 * MILLI;
    let purged = |by: Life, served: At, then: &dyn Fn(&mut Notes)| {
        with(|notes| {
            let (purge, call) = purge(by, at, 150);
            notes.purges.push(purge);
            notes.calls.push(call);
            notes.serves.retain(|serve| serve.asked < at);
            notes.serves.push(serve(0, served, How::Hit, 0));
            then(notes);
        })
    };
    let here = purged(0, at + 10 * MILLI, &|_| {});
    assert_eq!(here, ["nothing purged is served where it was purged"]);
    let told = purged(1, at + 10 * MILLI, &|notes| {
        let (id, fence, kind) = (ID, Fence::new(150), PurgeKind::Hard);
        let event = TierEvent::Purged { id, fence, kind };
        notes.heard.push(Heard {
            life: 0,
            at: at + 5 * MILLI,
            event,
        });
    });
    assert_eq!(told, ["nothing purged is served by who was told"]);
    let back = purged(1, at + 10 * MILLI, &|notes| {
        notes.heard.push(Heard {
            life: 0,
            at: at + 5 * MILLI,
            event: TierEvent::Resumed,
        });
    });
    assert_eq!(back, ["nothing purged is served by who is back"]);
    let calm = purged(1, at + 200 * MILLI, &|_| {});
    assert_eq!(calm, ["nothing purged is served by anybody, in calm"]);
    // Nobody can know yet.
    assert_eq!(purged(1, at + 10 * MILLI, &|_| {}), [""; 0]);
}

/// One of everything, and what the node says that it was told of it.
fn purge_all(notes: &mut Notes, life: Life, began: At, fence: u64) {
    notes.purges_of_all.push(PurgeAll {
        life,
        began,
        done: Some(began + 3 * MILLI),
        fence: Some(fence),
    });
}

fn hear_of_all(notes: &mut Notes, life: Life, at: At, era: u64) {
    let fence = Fence::new(era);
    let event = TierEvent::PurgedAll { fence };
    notes.eras.push(Era { life, at, era });
    notes.heard.push(Heard { life, at, event });
}

#[test]
fn what_is_from_before_a_purge_of_everything_is_seen_wherever_it_is_served() {
    let at = BEGIN + 100 * MILLI;
    let purged = |by: Life, served: At, then: &dyn Fn(&mut Notes)| {
        with(|notes| {
            purge_all(notes, by, at, 150);
            notes.serves.retain(|serve| serve.asked < at);
            notes.serves.push(serve(0, served, How::Hit, 0));
            then(notes);
        })
    };
    let claim = |place: &str| format!("nothing older than a purge of all is served {place}");
    let here = purged(0, at + 10 * MILLI, &|_| {});
    assert_eq!(here, [claim("where it was")]);
    // Or of a later one.
    for era in [150, 151] {
        let told = purged(1, at + 10 * MILLI, &|notes| {
            hear_of_all(notes, 0, at + 5 * MILLI, era);
        });
        assert_eq!(told, [claim("by who was told")], "{era}");
    }
    let earlier = purged(1, at + 10 * MILLI, &|notes| {
        hear_of_all(notes, 0, at + 5 * MILLI, 149);
    });
    assert_eq!(earlier, [""; 0]);
    let back = purged(1, at + 10 * MILLI, &|notes| {
        notes.heard.push(Heard {
            life: 0,
            at: at + 5 * MILLI,
            event: TierEvent::Resumed,
        });
    });
    assert_eq!(back, [claim("by who is back")]);
    // One that has started since then has nothing from before either.
    let new = purged(1, at + 10 * MILLI, &|notes| {
        notes.lives[0].1 = at + 5 * MILLI
    });
    assert_eq!(new, [claim("by who is back")]);
    let calm = purged(1, at + 200 * MILLI, &|_| {});
    assert_eq!(calm, [claim("in calm")]);
    // Nobody can know yet.
    assert_eq!(purged(1, at + 10 * MILLI, &|_| {}), [""; 0]);
}

#[test]
fn what_one_era_grants_and_stores_is_nothing_to_another() {
    // The second node has heard of the purge, the first one not yet.
    let at = BEGIN + 5 * MILLI;
    let apart = |heard: &dyn Fn(&mut Notes)| {
        with(|notes| {
            purge_all(notes, 1, at, 150);
            notes.serves.retain(|serve| serve.asked < at);
            // It gets a lease while the first one has its own, and that one still commits.
            notes
                .calls
                .push(acquire(1, at + 10 * MILLI, 9, lease(160), None));
            heard(notes);
        })
    };
    assert_eq!(apart(&|notes| hear_of_all(notes, 1, at, 150)), [""; 0]);
    let both = apart(&|notes| {
        hear_of_all(notes, 0, at - 100 * MILLI, 150);
        hear_of_all(notes, 1, at - 100 * MILLI, 150);
    });
    for claim in ["no late writer is stored", "one lease at a time"] {
        assert!(both.contains(&claim), "{both:?}");
    }
}

/// Redis loses the era that the first node knows of; the second has missed it and purges.
#[test]
fn what_was_purged_by_who_was_behind_is_seen_where_that_is_known_or_made_up_for() {
    let at = BEGIN + 100 * MILLI;
    let purged = |served: Serve, then: &dyn Fn(&mut Notes)| {
        with(|notes| {
            hear_of_all(notes, 0, BEGIN - SECOND, 50);
            notes.struck.push(Struck {
                blow: Blow::Flush,
                from: BEGIN - 100 * MILLI,
                until: BEGIN - 99 * MILLI,
            });
            let (purge, call) = purge(1, at, 150);
            notes.purges.push(purge);
            notes.calls.push(call);
            notes.serves.retain(|serve| serve.asked < at);
            notes.serves.push(served.clone());
            then(notes);
        })
    };
    let hit = |life: Life, asked: At| serve(life, asked, How::Hit, 0);
    let told = |life: Life, notes: &mut Notes| {
        let (id, fence, kind) = (ID, Fence::new(150), PurgeKind::Hard);
        let (at, event) = (at + 5 * MILLI, TierEvent::Purged { id, fence, kind });
        notes.heard.push(Heard { life, at, event });
    };
    let (soon, claim) = (at + 10 * MILLI, "nothing purged is served by who was told");
    // Where it was purged, and by who knew better.
    let here = purged(hit(1, soon), &|_| {});
    assert_eq!(here, ["nothing purged is served where it was purged"]);
    assert_eq!(purged(hit(0, soon), &|notes| told(0, notes)), [claim]);
    // A third node that has missed it, too, has to wait for the second one.
    let third = |served: At, over: Option<At>| {
        purged(hit(2, served), &|notes| {
            notes.lives.push((2, 0));
            told(2, notes);
            if let Some(at) = over {
                hear_of_all(notes, 1, at, 50);
            }
        })
    };
    let over = at + 20 * MILLI;
    assert_eq!(third(over + 400 * MILLI, Some(over)), [""; 0]);
    assert_eq!(third(over + 600 * MILLI, Some(over)), [claim]);
    assert_eq!(third(over + 600 * MILLI, None), [""; 0]);
}

/// A purge takes a lease away, also if it is not known in which of two eras it was done.
#[test]
fn a_lease_is_over_once_a_node_that_is_between_two_eras_has_purged() {
    let at = BEGIN + 5 * MILLI;
    let second = |purges: bool| {
        let wrong = with(|notes| {
            notes.lives.push((2, 0));
            (0..3).for_each(|life| hear_of_all(notes, life, BEGIN - SECOND, 50));
            hear_of_all(notes, 2, at + 2 * MILLI, 60);
            let (purge, call) = purge(2, at, 150);
            if purges {
                notes.purges.push(purge);
                notes.calls.push(call);
            }
            let call = acquire(1, at + 10 * MILLI, 9, lease(160), None);
            notes.calls.push(call);
        });
        wrong.contains(&"one lease at a time")
    };
    assert_eq!((second(true), second(false)), (false, true));
}

/// As by a node that does again what it purged long ago, in an era that it has just been told of.
#[test]
fn a_lease_is_over_once_a_purge_is_heard_of_that_is_later_by_its_fence() {
    let second = |fence: u64| {
        let wrong = with(|notes| {
            let (id, fence, kind) = (ID, Fence::new(fence), PurgeKind::Soft);
            let (at, event) = (BEGIN + MILLI, TierEvent::Purged { id, fence, kind });
            notes.heard.push(Heard { life: 1, at, event });
            let call = acquire(1, BEGIN + 10 * MILLI, 9, lease(160), None);
            notes.calls.push(call);
        });
        wrong.contains(&"one lease at a time")
    };
    assert_eq!([99, 150, 170].map(second), [true, false, true]);
}

#[test]
fn what_was_refused_and_kept_is_seen() {
    for verdict in [Committed::Superseded, Committed::Lost, Committed::NoMemory] {
        let wrong = with(|notes| {
            let Deed::Commit { verdict: said, .. } = &mut notes.calls[1].deed else {
                panic!("it is a commit");
            };
            *said = Some(verdict);
            notes.serves.retain(|serve| serve.fetch == Some(0));
        });
        let seen = wrong.contains(&"nothing is kept that the tier refused");
        assert_eq!(seen, verdict != Committed::NoMemory, "{verdict:?}");
    }
}

#[test]
fn what_outlived_its_windows_is_seen() {
    let claim = ["nothing is served past its windows"];
    for (how, age) in [(How::Hit, 1_300), (How::Stale, 3_300)] {
        let at = BEGIN + age * MILLI;
        let wrong = with(|notes| {
            notes.serves.retain(|serve| serve.fetch == Some(0));
            notes.serves.push(serve(0, at, how, 0));
        });
        assert_eq!(wrong, claim, "{how:?}");
    }
}

#[test]
fn who_waits_for_redis_is_seen_and_who_waits_for_the_origin_is_not() {
    let claim = ["no request pays more than its budget for redis"];
    let slow = |asked: At, took: At| Serve {
        answered: asked + took,
        ..serve(0, asked, How::Leader, 1)
    };
    let at = BEGIN + 5 * SECOND;
    let wrong = with(|notes| notes.serves.push(slow(at, 300 * MILLI)));
    assert_eq!(wrong, claim);
    // Cut off, nobody can be told to wait for another.
    let cut_off = with(|notes| {
        notes.struck.push(black_hole(at - SECOND, at + SECOND));
        notes.serves.push(slow(at, 300 * MILLI));
    });
    assert_eq!(cut_off, claim);
    let origin = with(|notes| {
        notes.fetches.push(fetch(0, at + MILLI, at + 290 * MILLI));
        notes.serves.push(slow(at, 300 * MILLI));
    });
    assert_eq!(origin, [""; 0]);
}

#[test]
fn who_is_never_answered_is_seen() {
    let at = BEGIN + 5 * SECOND;
    let wrong = with(|notes| {
        notes.fetches.push(fetch(0, at, at + 20 * SECOND));
        notes.serves.push(Serve {
            answered: at + 15 * SECOND,
            ..serve(0, at, How::Hung, 2)
        });
    });
    assert_eq!(wrong, ["everybody is answered in time"]);
}

#[test]
fn a_second_call_of_the_origin_is_seen() {
    let at = BEGIN + 5 * SECOND;
    let fleet = with(|notes| {
        notes.fetches.push(fetch(0, at, at + 50 * MILLI));
        notes.fetches.push(fetch(1, at + MILLI, at + 50 * MILLI));
    });
    assert_eq!(fleet, ["one origin call in the fleet, in calm"]);
    let alone = with(|notes| {
        notes.struck.push(black_hole(at - SECOND, at + SECOND));
        notes.fetches.push(fetch(0, at, at + 50 * MILLI));
        notes.fetches.push(fetch(0, at + MILLI, at + 50 * MILLI));
        let (token, seen) = (token(9), None);
        let deed = Deed::Acquire { token, seen };
        notes.calls.push(call(0, at - MILLI, deed));
    });
    assert_eq!(alone, ["one origin call per node, without redis"]);
    let early = with(|notes| {
        let soon = BEGIN + 500 * MILLI;
        notes.fetches.insert(1, fetch(0, soon, soon + 5 * MILLI));
        notes.serves.retain(|serve| serve.fetch == Some(0));
        notes.calls.retain(|call| call.sent < soon);
    });
    assert!(
        early.contains(&"no origin call before it is due, in calm"),
        "{early:?}"
    );
}

#[test]
fn a_wrong_body_is_seen_and_so_is_one_that_broke_off_for_no_reason() {
    for body in [BodyEnd::Wrong, BodyEnd::Broken] {
        let wrong = with(|notes| notes.serves[0].body = body);
        assert_eq!(wrong, ["every body is the right one, and whole"]);
    }
}

#[test]
fn a_key_that_lives_for_ever_is_seen() {
    let wrong = with(|notes| notes.samples[0].ttl = -1);
    assert_eq!(wrong, ["no key without a TTL in redis"]);
}
