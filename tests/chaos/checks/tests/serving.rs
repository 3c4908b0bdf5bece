//! What clients and the origin see.

use super::*;

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
