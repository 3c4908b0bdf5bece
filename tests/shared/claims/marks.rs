//! What the others are told, by events and by marks.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::*;

use crate::support::*;

pub(crate) async fn a_peek_never_grants_and_never_makes_a_waiter(bench: &dyn Bench) {
    let id = fresh_id();
    let notes = Notes::hear(bench.node(1));
    assert_eq!(peek(bench.node(0), id).await.newest, None);
    let ask = ask(id);
    let fence = leased(&say(bench.node(0), &ask).await);
    assert_eq!(peek(bench.node(1), id).await.newest, Some(fence));
    put(bench.node(0), commit(id, ask.token, fence, Some("b"))).await;
    settled(bench, &notes).await;
    assert_eq!(notes.about(id), []);
    assert_eq!(peek(bench.node(1), id).await.view.unwrap().version, fence);
}

pub(crate) async fn a_commit_is_told_exactly_if_somebody_was_told_to_wait(bench: &dyn Bench) {
    let notes = Notes::hear(bench.node(1));
    for waits in [false, true] {
        let id = fresh_id();
        let first = ask(id);
        let fence = leased(&say(bench.node(0), &first).await);
        if waits {
            say(bench.node(1), &ask(id)).await;
        }
        put(bench.node(0), commit(id, first.token, fence, Some("b"))).await;
        settled(bench, &notes).await;
        let told = if waits {
            vec![TierEvent::Committed { id, fence }]
        } else {
            vec![]
        };
        assert_eq!(notes.about(id), told);
        // The next refresh has no waiters yet.
        stored(bench.node(0), id, "c").await;
        settled(bench, &notes).await;
        assert_eq!(notes.about(id), told);
    }
}

pub(crate) async fn a_release_is_told_exactly_if_somebody_was_told_to_wait(bench: &dyn Bench) {
    let notes = Notes::hear(bench.node(1));
    for waits in [false, true] {
        let id = fresh_id();
        let first = ask(id);
        let fence = leased(&say(bench.node(0), &first).await);
        if waits {
            say(bench.node(1), &ask(id)).await;
        }
        assert!(
            bench
                .node(0)
                .release(release(id, first.token, None))
                .await
                .unwrap()
        );
        settled(bench, &notes).await;
        let told = if waits {
            vec![TierEvent::Released { id, fence }]
        } else {
            vec![]
        };
        assert_eq!(notes.about(id), told);
    }
}

pub(crate) async fn a_purge_is_told_always_and_on_every_node(bench: &dyn Bench) {
    let id = fresh_id();
    let notes = [Notes::hear(bench.node(0)), Notes::hear(bench.node(1))];
    let mut told = vec![];
    for kind in [PurgeKind::Soft, PurgeKind::Hard] {
        let fence = purge(bench.node(0), id, kind).await;
        told.push(TierEvent::Purged { id, fence, kind });
    }
    for notes in &notes {
        settled(bench, notes).await;
        assert_eq!(notes.about(id), told);
    }
}

pub(crate) async fn a_listener_that_is_gone_is_not_called(bench: &dyn Bench) {
    let notes = Notes::hear(bench.node(0));
    let gone = Arc::downgrade(&notes);
    drop(notes);
    purge(bench.node(0), fresh_id(), PurgeKind::Hard).await;
    assert_eq!(gone.strong_count(), 0);
}

pub(crate) async fn a_mark_holds_everyone_off_but_who_insists(bench: &dyn Bench) {
    let failing = BlockKind::Failing {
        failures: 3,
        status: 504,
        unreachable: true,
    };
    for kind in [failing, BlockKind::Uncacheable] {
        let id = fresh_id();
        let first = ask(id);
        leased(&say(bench.node(0), &first).await);
        let block = Some((kind, 2 * SECOND));
        assert!(
            bench
                .node(0)
                .release(release(id, first.token, block))
                .await
                .unwrap()
        );
        let Grant::Blocked { kind: told, left } = say(bench.node(1), &ask(id)).await.grant else {
            panic!("not blocked");
        };
        assert_eq!(told, kind);
        assert!(left > SECOND && left <= 2 * SECOND, "{left:?}");
        let insisting = Ask {
            insist: true,
            ..ask(id)
        };
        let fence = leased(&say(bench.node(1), &insisting).await);
        // Only one of those who insist.
        let other = say(
            bench.node(0),
            &Ask {
                insist: true,
                ..ask(id)
            },
        )
        .await;
        assert!(matches!(other.grant, Grant::Wait { .. }), "{other:?}");
        // A commit ends the mark.
        put(bench.node(1), commit(id, insisting.token, fence, Some("b"))).await;
        leased(
            &say(
                bench.node(0),
                &Ask {
                    force: true,
                    ..ask(id)
                },
            )
            .await,
        );
    }
}

pub(crate) async fn a_mark_ends_by_itself_and_by_a_purge(bench: &dyn Bench) {
    let kind = BlockKind::Uncacheable;
    for (lasts, end) in [
        (30, None),
        (9_000, Some(PurgeKind::Soft)),
        (9_000, Some(PurgeKind::Hard)),
    ] {
        let id = fresh_id();
        let first = ask(id);
        leased(&say(bench.node(0), &first).await);
        let block = Some((kind, Duration::from_millis(lasts)));
        assert!(
            bench
                .node(0)
                .release(release(id, first.token, block))
                .await
                .unwrap()
        );
        match end {
            None => tokio::time::sleep(Duration::from_millis(60)).await,
            Some(kind) => drop(purge(bench.node(1), id, kind).await),
        }
        leased(&say(bench.node(0), &ask(id)).await);
    }
}

pub(crate) async fn a_release_by_somebody_else_leaves_no_mark(bench: &dyn Bench) {
    let id = fresh_id();
    let block = Some((BlockKind::Uncacheable, 9 * SECOND));
    assert!(
        !bench
            .node(0)
            .release(release(id, Token::random(), block))
            .await
            .unwrap()
    );
    leased(&say(bench.node(0), &ask(id)).await);
}
