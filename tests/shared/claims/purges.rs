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
