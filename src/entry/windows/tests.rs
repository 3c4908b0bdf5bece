use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn windows_give_back_the_lengths_that_they_were_made_of(
        received in -(1_i64 << 50)..1 << 50,
        micros in proptest::collection::vec(0_u64..1 << 50, 6),
    ) {
        let of = |index: usize| Duration::from_micros(micros[index]);
        let lifetime = Lifetime {
            age: of(0),
            fresh: of(1),
            stale_while_revalidate: of(2),
            stale_if_error: of(3),
            stale_if_unreachable: of(4),
            keep: of(5),
        };
        let windows = Windows::from_receipt(Moment::from_micros(received), &lifetime);
        prop_assert_eq!(windows.lifetime(), lifetime);
    }
}

proptest! {
    #[test]
    fn what_has_run_out_is_as_old_as_its_freshness(
        age in 0_u64..10_000_000_000,
        fresh in 0_u64..20,
        at in 0_i64..1 << 40,
    ) {
        let lifetime = Lifetime {
            age: Duration::from_nanos(age),
            fresh: Duration::from_secs(fresh),
            ..lifetime()
        };
        let windows = Windows::from_receipt(Moment::from_micros(0), &lifetime);
        let at = Moment::from_micros(at);
        prop_assert!(windows.with_remaining(at, 0).age_secs(at) >= fresh);
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn lifetime() -> Lifetime {
    Lifetime {
        age: secs(3),
        fresh: secs(10),
        stale_while_revalidate: secs(5),
        stale_if_error: secs(20),
        stale_if_unreachable: secs(30),
        keep: secs(60),
    }
}

#[test]
fn phases_follow_each_other_at_their_ends() {
    let received = Moment::from_micros(0);
    let windows = Windows::from_receipt(received, &lifetime());
    let at = |secs: i64| windows.phase(received.plus_millis(secs * 1_000));
    assert_eq!(at(0), Phase::Fresh);
    assert_eq!(windows.phase(received.plus_millis(6_999)), Phase::Fresh);
    assert_eq!(at(7), Phase::Stale);
    assert_eq!(at(12), Phase::OnError);
    assert_eq!(at(27), Phase::IfUnreachable);
    assert_eq!(at(37), Phase::Kept);
    assert_eq!(at(97), Phase::Dead);
}

#[test]
fn age_counts_from_birth_and_ttl_goes_negative() {
    let received = Moment::from_micros(0);
    let windows = Windows::from_receipt(received, &lifetime());
    assert_eq!(windows.age_secs(received.plus_millis(2_500)), 5);
    assert_eq!(windows.ttl_secs(received.plus_millis(2_500)), 4);
    assert_eq!(windows.ttl_secs(received.plus_millis(8_000)), -1);
}

#[test]
fn remaining_time_gives_the_windows_that_receipt_gave() {
    let received = Moment::from_micros(1_000_000);
    let direct = Windows::from_receipt(received, &lifetime());
    for passed in [0, 1_500, 6_999, 7_000, 30_000] {
        let asked = received.plus_millis(passed);
        assert_eq!(
            Windows::from_remaining(asked, 7_000 - passed, &lifetime()),
            direct
        );
    }
}

#[test]
fn remaining_time_is_never_believed_beyond_the_responses_own_lifetime() {
    let asked = Moment::from_micros(0);
    let windows = Windows::from_remaining(asked, i64::MAX, &lifetime());
    assert_eq!(windows.fresh_until, asked.plus(secs(7)));
}

#[test]
fn a_response_that_was_stale_on_receipt_keeps_its_age_and_has_used_up_what_it_has() {
    let late = Lifetime {
        age: secs(30),
        fresh: secs(10),
        ..lifetime()
    };
    let received = Moment::from_micros(0);
    let direct = Windows::from_receipt(received, &late);
    // Of 5, 20 and 30 seconds, 20 had passed.
    assert_eq!(direct.phase(received), Phase::IfUnreachable);
    assert_eq!(direct.phase(received.plus(secs(10))), Phase::Kept);
    assert_eq!(direct.phase(received.plus(secs(70))), Phase::Dead);
    assert_eq!(late.stale_left(), secs(10));
    assert_eq!(direct.age_secs(received), 30);
    assert_eq!(direct.ttl_secs(received), -20);
    assert_eq!(Windows::from_remaining(received, 0, &late), direct);
}

#[test]
fn a_lifetime_beyond_what_can_be_shared_makes_nothing_older() {
    let long = Lifetime {
        fresh: secs(1 << 31),
        ..lifetime()
    };
    let asked = Moment::from_micros(0);
    let shared = i64::try_from(LONGEST_SHARED.as_millis()).unwrap();
    let windows = Windows::from_remaining(asked, shared - 60_000, &long);
    assert_eq!(windows.age_secs(asked), 63);
}
