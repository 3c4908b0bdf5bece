//! Purges of single entries by a node that has missed a purge of everything: they hold in the era
//! that it did not know of, too.

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use super::*;

#[tokio::test]
async fn a_purge_in_an_era_that_was_over_is_done_again_by_who_did_it() {
    for kind in [PurgeKind::Hard, PurgeKind::Soft] {
        let fleet = Behind::new().await;
        fleet.lose_era().await;
        // Nobody who hears of the purge knows better.
        let fleet = fleet.without_who_is_ahead();
        let (behind, id) = (&fleet.behind, fleet.id);
        behind.purge(id, kind, SECOND).await.expect("confirmed");
        assert!(fleet.is_behind(), "it was not behind any more");
        // Somebody is back who knows of it.
        fleet.tell_era(fleet.fence).await;
        let start = Instant::now();
        loop {
            let knew = !fleet.is_behind();
            let answer = peek(behind, id).await;
            let stale = answer.view.as_ref().map(|view| view.fresh_ms <= 0);
            match kind {
                PurgeKind::Hard => assert_eq!(answer.view, None, "it was read back"),
                PurgeKind::Soft => assert!(stale != Some(false), "it was read back"),
            }
            if knew {
                // Whether the entry there was struck, or is out of sight only.
                assert_eq!(stale, (kind == PurgeKind::Soft).then_some(true));
                break;
            }
            assert!(start.elapsed() < 5 * SECOND, "it was never told");
        }
        let answer = fleet.who_comes_later(id).await;
        assert!(
            answer.purged > Some(fleet.fence),
            "the store knows: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_purge_in_an_era_that_was_over_is_done_again_by_who_hears_of_it() {
    let fleet = Behind::new().await;
    let ahead = fleet.ahead();
    let heard = Notes::hear(ahead);
    fleet.lose_era().await;
    let purge = fleet.behind.purge(fleet.id, PurgeKind::Hard, SECOND);
    let purged = purge.await.expect("confirmed");
    assert!(fleet.is_behind(), "it was not behind any more");
    let told =
        |event: &TierEvent| matches!(event, TierEvent::Purged { fence, .. } if *fence >= purged);
    let start = Instant::now();
    while !heard.all().iter().any(told) {
        assert!(start.elapsed() < 5 * SECOND, "it was never told");
        tokio::task::yield_now().await;
    }
    // From then on it does not read it back; nor does who comes later.
    assert_eq!(peek(ahead, fleet.id).await.view, None);
    while fleet.is_behind() {
        assert!(start.elapsed() < 5 * SECOND, "it was never told");
        sleep(Duration::from_millis(1)).await;
    }
    // Not with the next heartbeat, which is half a second away.
    assert!(start.elapsed() < SECOND / 4, "{:?}", start.elapsed());
    assert_eq!(peek(&fleet.behind, fleet.id).await.view, None);
}

#[tokio::test]
async fn who_hears_of_a_purge_in_a_later_era_goes_over_to_that() {
    let fleet = Behind::new().await;
    fleet.lose_era().await;
    let id = store(&fleet.behind, "of the era before").await;
    let purged = purge(fleet.ahead(), id, PurgeKind::Hard).await;
    let (fence, kind) = (purged, PurgeKind::Hard);
    let start = Instant::now();
    while !fleet
        .notes
        .all()
        .contains(&TierEvent::Purged { id, fence, kind })
    {
        assert!(start.elapsed() < 5 * SECOND, "it was never told");
        tokio::task::yield_now().await;
    }
    // By then it was told of the era, too, and reads back nothing of the one before.
    assert!(!fleet.is_behind());
    assert_eq!(peek(&fleet.behind, id).await.view, None);
    // Not with the next heartbeat.
    assert!(start.elapsed() < SECOND / 4, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_purge_is_not_confirmed_before_it_is_done_in_the_era_that_the_store_knows() {
    let fleet = Behind::new().await;
    assert!(fleet.is_behind(), "it was not behind any more");
    // Nobody who hears of the purge knows better.
    let fleet = fleet.without_who_is_ahead();
    let purge = fleet.behind.purge(fleet.id, PurgeKind::Hard, SECOND);
    purge.await.expect("confirmed");
    assert_eq!(fleet.who_comes_later(fleet.id).await.view, None);
}

#[tokio::test]
async fn who_does_not_remember_what_it_owes_to_an_era_purges_everything() {
    let fleet = Behind::new().await;
    fleet.lose_era().await;
    let fleet = fleet.without_who_is_ahead();
    let (behind, id) = (&fleet.behind, fleet.id);
    behind.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    // More than a node remembers, some to spare for those that a busy machine is late with.
    for _ in 0..110 {
        let purges = (0..101).map(|_| behind.purge(fresh_id(), PurgeKind::Hard, SECOND));
        futures_util::future::join_all(purges).await;
    }
    fleet.tell_era(fleet.fence).await;
    let begun = fleet.later_than(fleet.fence, behind).await;
    let answer = fleet.who_comes_later(id).await;
    assert_eq!((answer.purged, answer.view), (Some(begun), None));
    // And once: it does not go on like that.
    sleep(THREE_BEATS).await;
    assert_eq!(fleet.line().await[0], begun.get());
    let fence = begun;
    assert!(fleet.notes.all().contains(&TierEvent::PurgedAll { fence }));
    store(behind, "c").await;
}
