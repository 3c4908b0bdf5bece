//! Purges of single entries by a node that has missed a purge of everything: they hold in the era
//! that it did not know of, too.

use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::faults::*;
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

/// Where the store keeps the fence of the last purge of everything.
const ERA: &str = "{bw1:default:00000000000000000000000000000000}:era";

/// Long after the first heartbeat of a node that has just connected, long before the second.
const BETWEEN_HEARTBEATS: Duration = Duration::from_millis(150);

/// Nodes of one server. The first has missed a purge of everything that the second knows of, and
/// the store does not know of it any more; what is stored is from after that purge.
struct Behind {
    server: RedisServer,
    behind: RedisTier,
    notes: std::sync::Arc<Notes>,
    ahead: RedisTier,
    fence: Fence,
    id: EntryId,
}

impl Behind {
    async fn new() -> Self {
        loop {
            let fleet = Self::try_new().await;
            // On a busy machine its next heartbeat may have come before.
            if fleet.is_behind() {
                return fleet;
            }
        }
    }

    async fn try_new() -> Self {
        let server = RedisServer::start();
        let behind = connect(&server).await;
        let notes = Notes::hear(&behind);
        // Told to nobody, so only who starts now knows of it.
        let fence = Fence::new(say(&behind, &ask(fresh_id())).await.now);
        sleep(BETWEEN_HEARTBEATS).await;
        run::<()>(&server, &["SET", ERA, &fence.to_string()]).await;
        let ahead = connect(&server).await;
        sleep(BETWEEN_HEARTBEATS).await;
        let id = store(&ahead, "of before the purge").await;
        Self {
            server,
            behind,
            notes,
            ahead,
            fence,
            id,
        }
    }

    /// As by a flush; what is stored in either era is as it was.
    async fn lose_era(&self) {
        run::<()>(&self.server, &["DEL", ERA]).await;
    }

    fn is_behind(&self) -> bool {
        let fence = self.fence;
        !self.notes.all().contains(&TierEvent::PurgedAll { fence })
    }
}

#[tokio::test]
async fn a_purge_in_an_era_that_was_over_is_done_again_by_who_did_it() {
    for kind in [PurgeKind::Hard, PurgeKind::Soft] {
        let Behind {
            server,
            behind,
            notes,
            ahead,
            fence,
            id,
        } = Behind::new().await;
        run::<()>(&server, &["DEL", ERA]).await;
        // Nobody who hears of the purge knows better.
        drop(ahead);
        behind.purge(id, kind, SECOND).await.expect("confirmed");
        let knows = || notes.all().contains(&TierEvent::PurgedAll { fence });
        assert!(!knows(), "it was not behind any more");
        // Somebody is back who knows of it.
        run::<()>(&server, &["SET", ERA, &fence.to_string()]).await;
        let start = Instant::now();
        loop {
            let knew = knows();
            let answer = peek(&behind, id).await;
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
        let answer = peek(&connect(&server).await, id).await;
        assert!(answer.purged > Some(fence), "the store knows: {answer:?}");
    }
}

#[tokio::test]
async fn a_purge_in_an_era_that_was_over_is_done_again_by_who_hears_of_it() {
    let fleet = Behind::new().await;
    let heard = Notes::hear(&fleet.ahead);
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
    assert_eq!(peek(&fleet.ahead, fleet.id).await.view, None);
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
    let purged = purge(&fleet.ahead, id, PurgeKind::Hard).await;
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
    drop(fleet.ahead);
    let purge = fleet.behind.purge(fleet.id, PurgeKind::Hard, SECOND);
    purge.await.expect("confirmed");
    let later = connect(&fleet.server).await;
    assert_eq!(peek(&later, fleet.id).await.view, None);
}

#[tokio::test]
async fn who_does_not_remember_what_it_owes_to_an_era_purges_everything() {
    let fleet = Behind::new().await;
    fleet.lose_era().await;
    let Behind {
        server,
        behind,
        notes,
        ahead,
        fence,
        id,
    } = fleet;
    drop(ahead);
    behind.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    // More than a node remembers, some to spare for those that a busy machine is late with.
    for _ in 0..110 {
        let purges = (0..101).map(|_| behind.purge(fresh_id(), PurgeKind::Hard, SECOND));
        futures_util::future::join_all(purges).await;
    }
    run::<()>(&server, &["SET", ERA, &fence.to_string()]).await;
    let start = Instant::now();
    let begun = loop {
        let era: u64 = run(&server, &["GET", ERA]).await;
        if era > fence.get() {
            break Fence::new(era);
        }
        assert!(start.elapsed() < 5 * SECOND, "it was never told");
        assert_eq!(peek(&behind, id).await.view, None, "it was read back");
    };
    let answer = peek(&connect(&server).await, id).await;
    assert_eq!((answer.purged, answer.view), (Some(begun), None));
    // And once: it does not go on like that.
    sleep(Duration::from_millis(2_500)).await;
    let era: u64 = run(&server, &["GET", ERA]).await;
    assert_eq!(era, begun.get());
    let fence = begun;
    assert!(notes.all().contains(&TierEvent::PurgedAll { fence }));
    store(&behind, "c").await;
}
