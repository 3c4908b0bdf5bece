//! What a purge takes away.

use std::time::Duration;

use bellwether::shared::*;

use crate::support::*;

pub(crate) async fn a_hard_purge_takes_the_entry_away(bench: &dyn Bench) {
    let id = fresh_id();
    let version = stored(bench.node(0), id, "b").await;
    let fence = purge(bench.node(1), id, PurgeKind::Hard).await;
    assert!(fence > version);
    let answer = say(bench.node(0), &ask(id)).await;
    assert_eq!((answer.purged, &answer.view), (Some(fence), &None));
    assert!(leased(&answer) > fence);
}

pub(crate) async fn a_soft_purge_leaves_the_entry_stale_and_never_less_so(bench: &dyn Bench) {
    let id = fresh_id();
    let version = stored(bench.node(0), id, "b").await;
    let fence = purge(bench.node(1), id, PurgeKind::Soft).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let after = purge(bench.node(1), id, PurgeKind::Soft).await;
    assert!(after > fence && fence > version);
    let answer = peek(bench.node(0), id).await;
    assert_eq!(answer.purged, Some(after));
    let view = answer.view.unwrap();
    assert_eq!(view.version, version);
    assert!((-3_000..=-50).contains(&view.fresh_ms), "{}", view.fresh_ms);
    leased(&say(bench.node(0), &ask(id)).await);
}

pub(crate) async fn what_was_fetched_before_a_purge_is_not_stored_after_it(bench: &dyn Bench) {
    for kind in [PurgeKind::Soft, PurgeKind::Hard] {
        let id = fresh_id();
        let before = ask(id);
        let fence = leased(&say(bench.node(0), &before).await);
        purge(bench.node(1), id, kind).await;
        let late = commit(id, before.token, fence, Some("b"));
        assert_eq!(put(bench.node(0), late).await, Committed::Superseded);
        assert!(
            !bench
                .node(0)
                .release(release(id, before.token, None))
                .await
                .unwrap()
        );
        assert_eq!(peek(bench.node(0), id).await.view, None);
    }
}

pub(crate) async fn a_commit_sent_again_after_a_purge_is_not_taken_for_stored(bench: &dyn Bench) {
    for kind in [PurgeKind::Soft, PurgeKind::Hard] {
        let id = fresh_id();
        let before = ask(id);
        let fence = leased(&say(bench.node(0), &before).await);
        let commit = commit(id, before.token, fence, Some("b"));
        put(bench.node(0), commit.clone()).await;
        purge(bench.node(1), id, kind).await;
        assert_eq!(put(bench.node(0), commit).await, Committed::Superseded);
    }
}

pub(crate) async fn a_purge_even_of_nothing_ends_the_right_of_those_before_it(bench: &dyn Bench) {
    let id = fresh_id();
    let before = ask(id);
    let fence = leased(&say(bench.node(0), &before).await);
    bench.forget_all().await;
    purge(bench.node(1), id, PurgeKind::Hard).await;
    let late = commit(id, before.token, fence, Some("b"));
    assert_eq!(put(bench.node(0), late).await, Committed::Superseded);
}

pub(crate) async fn a_purge_of_everything_takes_all_entries_away_on_every_node(bench: &dyn Bench) {
    let ids = [fresh_id(), fresh_id(), fresh_id()];
    let mut newest = Fence::new(0);
    for id in ids {
        newest = newest.max(stored(bench.node(0), id, "b").await);
    }
    let notes = Notes::hear(bench.node(0));
    let fence = bench.node(1).purge_all(SECOND).await.unwrap();
    assert!(fence > newest);
    all_gone(&notes, fence).await;
    for node in [0, 1] {
        for id in ids {
            let answer = peek(bench.node(node), id).await;
            assert_eq!((answer.purged, answer.view), (Some(fence), None), "{node}");
        }
    }
    let stored_again = stored(bench.node(0), ids[0], "c").await;
    assert!(stored_again > fence);
    let view = peek(bench.node(1), ids[0]).await.view.unwrap();
    assert_eq!(view.version, stored_again);
    assert_eq!(peek(bench.node(1), ids[1]).await.view, None);
}

pub(crate) async fn what_was_fetched_before_a_purge_of_everything_is_seen_by_no_one_after_it(
    bench: &dyn Bench,
) {
    // The one who purges knows of it; what the other one stores may still count there, for a moment.
    for node in [1, 0] {
        let id = fresh_id();
        let before = ask(id);
        let fence = leased(&say(bench.node(node), &before).await);
        bench.node(1).purge_all(SECOND).await.unwrap();
        let late = put(bench.node(node), commit(id, before.token, fence, Some("b"))).await;
        if node == 1 {
            assert_eq!(late, Committed::Superseded);
            let renew = Renew {
                id,
                token: before.token,
                fence,
                lease: SECOND,
                within: SECOND,
            };
            assert!(!bench.node(1).renew(renew).await.unwrap());
            let release = release(id, before.token, None);
            assert!(!bench.node(1).release(release).await.unwrap());
        }
        assert_eq!(peek(bench.node(1), id).await.view, None);
        leased(&say(bench.node(1), &ask(id)).await);
    }
}

pub(crate) async fn purges_of_everything_have_rising_fences_over_every_loss(bench: &dyn Bench) {
    let id = fresh_id();
    let mut last = Fence::new(0);
    for _ in 0..3 {
        let fence = bench.node(0).purge_all(SECOND).await.unwrap();
        let leased = stored(bench.node(0), id, "b").await;
        assert!(last < fence && fence < leased);
        last = leased;
        bench.forget_all().await;
    }
}

/// Waits until `notes` have heard of it.
async fn all_gone(notes: &Notes, fence: Fence) {
    for _ in 0..500 {
        if notes.all().contains(&TierEvent::PurgedAll { fence }) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{fence} was never heard of");
}
