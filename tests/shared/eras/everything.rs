//! Purges of everything: each is followed by the era that counts in the end, whichever numbers they
//! were given. By the number alone, one of a server whose clock is behind would be lost beside one
//! that Redis does not know of any more.

use bellwether::shared::*;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

/// How far apart the clocks of two servers are.
const APART: Duration = Duration::from_millis(1_500);

/// Redis has lost the era that one node knows of.
async fn lost() -> Behind {
    let fleet = Behind::by_a_clock_ahead(APART).await;
    fleet.lose_era().await;
    fleet
}

/// By the node that is behind: confirmed, with a lower number than the one that was lost.
async fn purge_everything(fleet: &Behind) -> Fence {
    let purged = fleet.behind.purge_all(SECOND).await.expect("confirmed");
    assert!(fleet.is_behind(), "it was not behind any more");
    assert!(purged < fleet.fence, "the clocks are not apart");
    purged
}

/// At once: not with the next heartbeat.
async fn told_of_later(heard: &Notes, era: Fence) {
    let later = |event: &TierEvent| matches!(event, TierEvent::PurgedAll { fence } if *fence > era);
    let start = Instant::now();
    while !heard.all().iter().any(later) {
        assert!(start.elapsed() < SECOND / 2, "it was not told");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_purge_with_a_lower_number_is_done_again_by_who_did_it() {
    let fleet = lost().await.without_who_is_ahead();
    let purged = purge_everything(&fleet).await;
    // Somebody is back who knows of the other one, and Redis has lost this one, too.
    fleet.tell_era(fleet.fence).await;
    let begun = fleet.later_than(fleet.fence, &fleet.behind).await;
    assert_eq!(peek(&fleet.behind, fleet.id).await.view, None);
    let answer = fleet.who_comes_later(fleet.id).await;
    assert_eq!((answer.purged, answer.view), (Some(begun), None));
    // And once: it does not go on like that.
    sleep(THREE_BEATS).await;
    let line = [begun, fleet.fence, purged].map(Fence::get);
    assert_eq!(fleet.line().await, line);
}

#[tokio::test]
async fn a_purge_with_a_lower_number_is_done_again_by_who_hears_of_it() {
    // On a busy machine a heartbeat may come before the purge, which then follows the lost one.
    for _ in 0..5 {
        if let [_, _, _] = heard_of(lost().await).await[..] {
            return;
        }
    }
    panic!("the purge was never numbered before the lost one");
}

/// The node that was behind ends once it has purged everything; the line that is stored in the end.
async fn heard_of(fleet: Behind) -> Vec<u64> {
    let Behind {
        server,
        behind,
        ahead,
        fence,
        id,
        ..
    } = fleet;
    let ahead = ahead.expect("it is there");
    let heard = Notes::hear(&ahead);
    behind.purge_all(SECOND).await.expect("confirmed");
    drop(behind);
    told_of_later(&heard, fence).await;
    assert_eq!(peek(&ahead, id).await.view, None);
    assert_eq!(peek(&connect(&server).await, id).await.view, None);
    line_of(&server).await
}

#[tokio::test]
async fn a_purge_with_a_lower_number_that_nobody_heard_of_is_found_where_it_is_stored() {
    let fleet = lost().await;
    let purged = Fence::new(fleet.fence.get() - 1_000_000);
    fleet.tell_era(purged).await;
    let start = Instant::now();
    while fleet.line().await[0] <= fleet.fence.get() {
        assert!(start.elapsed() < 5 * SECOND, "none was begun");
        // Whoever was not told reads what is in the era that it knows, for the time of a heartbeat.
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fleet.who_comes_later(fleet.id).await.view, None);
    assert_eq!(peek(fleet.ahead(), fleet.id).await.view, None);
}

#[tokio::test]
async fn a_purge_with_a_lower_number_is_heard_of_by_a_purge_of_a_page_after_it() {
    let Behind {
        server,
        behind,
        ahead,
        fence,
        id,
        ..
    } = lost().await;
    // It would go over to that era, and tell the store of it.
    drop(behind);
    let ahead = ahead.expect("it is there");
    let heard = Notes::hear(&ahead);
    let purged = fence.get() - 1_000_000;
    let event = format!("p:{}:{}:h:{purged}", fresh_id(), purged + 9);
    run::<u64>(&server, &["PUBLISH", "bw1:0:default:ev", &event]).await;
    told_of_later(&heard, fence).await;
    assert_eq!(peek(&ahead, id).await.view, None);
    assert_eq!(line_of(&server).await[1..], [fence.get(), purged]);
}

#[tokio::test]
async fn however_many_know_better_everything_is_purged_once_more_and_no_more() {
    // On a busy machine a heartbeat may come before the purge, which then follows the lost one.
    for _ in 0..5 {
        let fleet = Behind::by_a_clock_ahead(APART).await;
        let others = join_all((0..4).map(|_| connect(&fleet.server))).await;
        fleet.lose_era().await;
        fleet.behind.purge_all(SECOND).await.expect("confirmed");
        sleep(THREE_BEATS).await;
        let line = fleet.line().await;
        for tier in others.iter().chain([fleet.ahead(), &fleet.behind]) {
            let answer = peek(tier, fleet.id).await;
            let purged = Some(Fence::new(line[0]));
            assert_eq!((answer.purged, answer.view), (purged, None));
        }
        if line.len() > 2 {
            // The lost one, that of the node that was behind, and one that followed both.
            assert_eq!((line.len(), line[1]), (3, fleet.fence.get()), "{line:?}");
            return;
        }
    }
    panic!("the purge was never numbered before the lost one");
}

#[tokio::test]
async fn an_era_that_is_known_to_be_over_is_no_purge() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    tier.purge_all(SECOND).await.unwrap();
    let before: String = run(&server, &["GET", ERA]).await;
    let fence = tier.purge_all(SECOND).await.unwrap();
    let after: String = run(&server, &["GET", ERA]).await;
    let id = store(&tier, "of after both").await;
    let notes = Notes::hear(&tier);
    // As by a failover to a replica that had not heard of the second.
    run::<()>(&server, &["SET", ERA, &before]).await;
    sleep(THREE_BEATS).await;
    assert_eq!(run::<String>(&server, &["GET", ERA]).await, after);
    let answer = peek(&connect(&server).await, id).await;
    assert_eq!((answer.purged, answer.view.is_some()), (Some(fence), true));
    let news = |event: &TierEvent| matches!(event, TierEvent::PurgedAll { .. });
    assert!(!notes.all().iter().any(news), "{:?}", notes.all());
}

#[tokio::test]
async fn purges_at_the_same_time_call_for_no_more_of_them() {
    let server = RedisServer::start();
    let tiers = join_all((0..5).map(|_| connect(&server))).await;
    // Those of one round follow each other within a millisecond; looks come in between.
    for _ in 0..3 {
        let purges = tiers.iter().map(|tier| tier.purge_all(SECOND));
        for purge in join_all(purges).await {
            purge.expect("confirmed");
        }
        sleep(Duration::from_millis(400)).await;
    }
    sleep(THREE_BEATS).await;
    let line: String = run(&server, &["GET", ERA]).await;
    assert_eq!(line.split(',').count(), 15, "{line}");
}

/// By an event of before Redis lost it that comes late.
#[tokio::test]
async fn who_has_purged_everything_goes_over_to_no_era_that_may_be_from_before() {
    let fleet = lost().await.without_who_is_ahead();
    let purged = purge_everything(&fleet).await;
    let event = format!("g:{}", fleet.fence);
    run::<u64>(&fleet.server, &["PUBLISH", "bw1:0:default:ev", &event]).await;
    let begun = fleet.later_than(fleet.fence, &fleet.behind).await;
    let start = Instant::now();
    let fence = begun;
    while !fleet.notes.all().contains(&TierEvent::PurgedAll { fence }) {
        assert!(start.elapsed() < SECOND / 2, "it was never told");
        tokio::task::yield_now().await;
    }
    assert!(fleet.is_behind(), "it went over to what it had purged");
    assert_eq!(peek(&fleet.behind, fleet.id).await.view, None);
    let line = [begun, fleet.fence, purged].map(Fence::get);
    assert_eq!(fleet.line().await, line);
}
