use super::*;
use crate::entry::Fence;

fn id(number: u32) -> EntryId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    EntryId::from_bytes(bytes)
}

#[test]
fn a_paid_purge_does_not_strike_out_a_later_one() {
    let debts = Debts::new();
    debts.owe_purge(id(1), PurgeKind::Hard);
    let first = debts.purge_of(id(1)).unwrap();
    debts.owe_purge(id(1), PurgeKind::Soft);
    debts.purge_paid(first);
    // The first may have been done before the second was asked for.
    let second = debts.purge_of(id(1)).unwrap();
    assert_eq!(second.kind, PurgeKind::Hard);
    debts.purge_paid(second);
    assert_eq!(debts.purge_of(id(1)), None);
    assert!(debts.purges(9, |_| true).is_empty());
}

#[test]
fn the_book_is_bounded_and_the_oldest_goes_first() {
    let debts = Debts::new();
    let most = u32::try_from(PURGES).unwrap();
    assert!((0..most).all(|n| !debts.owe_purge(id(n), PurgeKind::Soft)));
    assert!(debts.owe_purge(id(most), PurgeKind::Soft));
    assert_eq!(debts.purge_of(id(0)), None);
    assert_eq!(debts.purges(1, |_| true)[0].id, id(1));
    assert_eq!(debts.purges(usize::MAX, |_| true).len(), PURGES);
}

#[test]
fn a_lease_that_is_wanted_again_is_not_given_back() {
    let debts = Debts::new();
    let ghost = |number| Ghost {
        id: id(number),
        token: Token::from_bytes([7; 16]),
        is_lock: false,
    };
    debts.owe_release(ghost(1));
    debts.owe_release(ghost(2));
    debts.wanted(id(1), Token::from_bytes([7; 16]));
    assert_eq!(debts.next_ghost(|_| true), Some(ghost(2)));
    assert_eq!(debts.next_ghost(|_| true), None);
}

#[test]
fn one_shard_is_paid_without_the_others() {
    let debts = Debts::new();
    let token = Token::from_bytes([7; 16]);
    for number in 1..=3 {
        debts.owe_purge(id(number), PurgeKind::Hard);
        let id = id(number);
        debts.owe_release(Ghost {
            id,
            token,
            is_lock: false,
        });
    }
    let ours = |one| one == id(2);
    assert_eq!(debts.purges(9, ours).len(), 1);
    assert_eq!(debts.next_ghost(ours).map(|ghost| ghost.id), Some(id(2)));
    assert_eq!(debts.next_ghost(ours), None);
    assert_eq!(
        debts.next_ghost(|_| true).map(|ghost| ghost.id),
        Some(id(1))
    );
}

const ERA: u64 = 1_000_000_000;

fn line(eras: &[u64]) -> Line {
    let mut line = Line::default();
    line.add(eras.iter().copied());
    line
}

fn done(number: u32, kind: PurgeKind, fence: u64) -> Done {
    Done {
        id: id(number),
        kind,
        fence: Fence::new(fence),
    }
}

#[test]
fn what_was_purged_before_an_era_was_known_is_owed_to_it() {
    let (debts, era) = (Debts::new(), Era::new());
    assert!(debts.purge_done(done(1, PurgeKind::Hard, 7), 0, &era));
    assert!(debts.purge_done(done(2, PurgeKind::Soft, ERA + 5), 0, &era));
    assert_eq!(
        debts.cross(&era, &line(&[ERA]), false),
        Crossing::Over { owing: true }
    );
    assert_eq!(debts.purge_of(id(1)), None, "it was before");
    assert_eq!(debts.purge_of(id(2)).unwrap().kind, PurgeKind::Soft);
    // Done just before, and noted just after.
    assert!(!debts.purge_done(done(3, PurgeKind::Hard, ERA + 6), 0, &era));
    assert_eq!(debts.cross(&era, &line(&[ERA]), false), Crossing::Known);
    // What is done in the new one may have to be done again in the one after it.
    let owed = debts.purge_of(id(2)).unwrap();
    assert!(debts.purge_done(done(2, PurgeKind::Soft, ERA + 9), ERA, &era));
    debts.purge_paid(owed);
    assert_eq!(
        debts.cross(&era, &line(&[ERA + 1, ERA]), false),
        Crossing::Over { owing: true }
    );
    assert!(debts.purge_of(id(2)).is_some());
}

#[test]
fn nothing_is_owed_to_an_era_that_this_node_began() {
    let (debts, era) = (Debts::new(), Era::new());
    debts.purge_done(done(1, PurgeKind::Hard, ERA - 1), 0, &era);
    assert_eq!(
        debts.cross(&era, &line(&[ERA]), true),
        Crossing::Over { owing: false }
    );
    assert_eq!(
        debts.cross(&era, &line(&[ERA + 1, ERA]), false),
        Crossing::Over { owing: false }
    );
    assert_eq!((debts.purge_of(id(1)), era.current()), (None, ERA + 1));
}

#[test]
fn whoever_owes_more_than_it_remembers_goes_on_alone_and_owes_a_purge_of_everything() {
    for owed_before in [0, 1] {
        let (debts, era) = (Debts::new(), Era::new());
        let most = u32::try_from(PURGES).unwrap();
        for number in 0..=most - owed_before {
            debts.purge_done(done(number, PurgeKind::Hard, ERA + 1), 0, &era);
        }
        if owed_before > 0 {
            debts.owe_purge(id(u32::MAX), PurgeKind::Hard);
        }
        let Crossing::Alone(own) = debts.cross(&era, &line(&[ERA]), false) else {
            panic!("it went over to what it does not know");
        };
        assert!(own > ERA && era.current() == own && !era.is_apart());
        // Nor to any other that does not follow it: that may be from before.
        let other = line(&[own + 1, ERA]);
        assert_eq!(debts.cross(&era, &other, false), Crossing::Beside);
        assert!(era.current() == own && era.is_apart());
        // That one is from after.
        assert_eq!(
            debts.cross(&era, &line(&[own + 2, own + 1, own, ERA]), true),
            Crossing::Over { owing: false }
        );
        assert!(!era.is_apart());
    }
}

#[test]
fn an_era_that_the_one_of_now_did_not_follow_stands_beside_it_whichever_is_larger() {
    for other in [ERA - 1, ERA + 1] {
        let (debts, era) = (Debts::new(), Era::new());
        debts.cross(&era, &line(&[ERA, ERA - 9]), false);
        // That it has followed this one is known.
        assert_eq!(debts.cross(&era, &line(&[ERA - 9]), false), Crossing::Known);
        assert!(!era.is_apart());
        let beside = debts.cross(&era, &line(&[other, ERA - 9]), false);
        assert_eq!((beside, era.current()), (Crossing::Beside, ERA));
        assert!(era.is_apart());
        // The same era says nothing new, and then that it had followed after all.
        debts.cross(&era, &line(&[ERA, ERA - 9]), false);
        assert!(era.is_apart());
        if other < ERA {
            debts.cross(&era, &line(&[ERA, other]), false);
        } else {
            debts.cross(&era, &line(&[other, ERA]), false);
        }
        assert_eq!((era.current(), era.is_apart()), (ERA.max(other), false));
    }
}

#[test]
fn whoever_goes_on_alone_has_followed_all_that_it_heard_of() {
    let (debts, era) = (Debts::new(), Era::new());
    debts.cross(&era, &line(&[ERA]), false);
    debts.cross(&era, &line(&[ERA + 5_000_000]), false);
    let own = debts.go_alone(&era);
    assert!(own > ERA + 5_000_000 && !era.is_apart());
    for over in [ERA, ERA + 5_000_000] {
        assert_eq!(debts.cross(&era, &line(&[over]), false), Crossing::Known);
    }
}
