//! Purges, of one entry and of everything.

use super::*;

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
