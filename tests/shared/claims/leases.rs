//! Who gets the lease, and what everyone gets to see.

use std::time::Duration;

use bellwether::shared::*;

use crate::support::*;

pub(crate) async fn an_unknown_entry_is_leased_to_one_and_the_other_waits_for_its_fence(
    bench: &dyn Bench,
) {
    let id = fresh_id();
    let first = say(bench.node(0), &ask(id)).await;
    let fence = leased(&first);
    assert_eq!(
        (first.newest, first.purged, first.view),
        (Some(fence), None, None)
    );
    let second = say(bench.node(1), &ask(id)).await;
    let Grant::Wait { fence: theirs, ttl } = second.grant else {
        panic!("{second:?}");
    };
    assert_eq!(theirs, fence);
    assert!(ttl > 8 * SECOND && ttl <= 10 * SECOND, "{ttl:?}");
    assert!(second.now >= first.now && fence.get() >= first.now);
}

pub(crate) async fn asking_again_with_the_same_token_gives_the_same_lease(bench: &dyn Bench) {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&say(bench.node(0), &ask).await);
    assert_eq!(leased(&say(bench.node(0), &ask).await), fence);
    // Neither commit nor release minds a second send.
    let commit = commit(id, ask.token, fence, Some("b"));
    let outcome = put(bench.node(0), commit.clone()).await;
    assert_eq!(put(bench.node(0), commit).await, outcome);
    assert_eq!(
        outcome,
        Committed::Stored {
            body_version: fence
        }
    );
}

pub(crate) async fn a_fresh_entry_is_answered_and_not_leased(bench: &dyn Bench) {
    let id = fresh_id();
    let fence = stored(bench.node(0), id, "b").await;
    let answer = say(bench.node(1), &ask(id)).await;
    assert_eq!(answer.grant, Grant::Fresh);
    assert_eq!(answer.newest, Some(fence));
    let view = answer.view.unwrap();
    assert_eq!((view.version, view.body_version), (fence, fence));
    assert!(
        (4_000..=5_000).contains(&view.fresh_ms),
        "{}",
        view.fresh_ms
    );
    assert_eq!(view.content.unwrap().body, "b");
}

pub(crate) async fn force_is_about_the_version_that_the_caller_has(bench: &dyn Bench) {
    let id = fresh_id();
    let node = bench.node(0);
    let question = ask(id);
    let fence = leased(&say(node, &question).await);
    let stored = node
        .commit(commit(id, question.token, fence, Some("a")))
        .await;
    assert!(matches!(stored, Ok(Committed::Stored { .. })));
    let older = Ask {
        have: Some(Fence::new(fence.get() - 1)),
        force: true,
        ..ask(id)
    };
    assert_eq!(say(node, &older).await.grant, Grant::Fresh);
    let same = Ask {
        have: Some(fence),
        ..older
    };
    leased(&say(node, &same).await);
}

pub(crate) async fn force_leases_a_fresh_entry_and_still_shows_it(bench: &dyn Bench) {
    let id = fresh_id();
    let before = stored(bench.node(0), id, "b").await;
    let answer = say(
        bench.node(1),
        &Ask {
            force: true,
            ..ask(id)
        },
    )
    .await;
    assert!(leased(&answer) > before);
    assert_eq!(answer.view.unwrap().version, before);
}

pub(crate) async fn a_stale_entry_is_leased_and_its_age_goes_on_in_negative_numbers(
    bench: &dyn Bench,
) {
    let id = fresh_id();
    let ask_first = ask(id);
    let fence = leased(&say(bench.node(0), &ask_first).await);
    let fresh = Duration::from_millis(1);
    put(
        bench.node(0),
        Commit {
            fresh,
            ..commit(id, ask_first.token, fence, Some("b"))
        },
    )
    .await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let answer = say(bench.node(1), &ask(id)).await;
    assert!(leased(&answer) > fence);
    let view = answer.view.unwrap();
    assert!((-3_000..=-50).contains(&view.fresh_ms), "{}", view.fresh_ms);
    assert_eq!(view.content.unwrap().body, "b");
}

pub(crate) async fn content_is_sent_exactly_if_the_caller_has_another_version(bench: &dyn Bench) {
    let id = fresh_id();
    let old = stored(bench.node(0), id, "old").await;
    let new = stored(bench.node(0), id, "new").await;
    for (have, sent) in [(None, true), (Some(old), true), (Some(new), false)] {
        for peek in [false, true] {
            let view = say(
                bench.node(1),
                &Ask {
                    have,
                    peek,
                    ..ask(id)
                },
            )
            .await
            .view
            .unwrap();
            assert_eq!(view.version, new);
            assert_eq!(
                view.content.map(|content| content.body),
                sent.then(|| "new".into())
            );
        }
    }
}

pub(crate) async fn a_lease_that_ran_out_goes_to_the_next_with_a_larger_fence(bench: &dyn Bench) {
    let id = fresh_id();
    let short = Ask {
        lease: Duration::from_millis(40),
        ..ask(id)
    };
    let first = leased(&say(bench.node(0), &short).await);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert!(leased(&say(bench.node(1), &ask(id)).await) > first);
    // The one that paused too long comes too late.
    let late = commit(id, short.token, first, Some("old"));
    assert_eq!(put(bench.node(0), late).await, Committed::Superseded);
    assert!(
        !bench
            .node(0)
            .release(release(id, short.token, None))
            .await
            .unwrap()
    );
}

pub(crate) async fn fences_rise_over_every_loss(bench: &dyn Bench) {
    let id = fresh_id();
    let mut last = Fence::new(0);
    for loss in 0..12 {
        let fence = leased(
            &say(
                bench.node(0),
                &Ask {
                    force: true,
                    ..ask(id)
                },
            )
            .await,
        );
        assert!(fence > last, "{fence} after {last}, loss {loss}");
        last = fence;
        match loss % 6 {
            0 => bench.forget_lease(id).await,
            1 => {
                bench.forget_entry(id).await;
                bench.forget_lease(id).await;
            }
            2 => bench.forget_all().await,
            other => {
                if other == 3 {
                    // Only the lease still knows the last fence.
                    bench.forget_entry(id).await;
                }
                let kind = if other == 4 {
                    PurgeKind::Soft
                } else {
                    PurgeKind::Hard
                };
                let fence = purge(bench.node(1), id, kind).await;
                assert!(fence > last, "{fence} after {last}, loss {loss}");
                last = fence;
            }
        }
    }
}

pub(crate) async fn a_renewed_lease_outlives_its_first_term(bench: &dyn Bench) {
    let id = fresh_id();
    let short = Ask {
        lease: Duration::from_millis(60),
        ..ask(id)
    };
    let fence = leased(&say(bench.node(0), &short).await);
    let renew = Renew {
        id,
        token: short.token,
        fence,
        lease: 5 * SECOND,
        within: SECOND,
    };
    assert!(bench.node(0).renew(renew).await.unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = say(bench.node(1), &ask(id)).await;
    assert!(matches!(answer.grant, Grant::Wait { .. }), "{answer:?}");
    // Once it is gone, it cannot be renewed.
    bench.forget_lease(id).await;
    assert!(!bench.node(0).renew(renew).await.unwrap());
}

pub(crate) async fn a_released_lease_goes_to_the_next_at_once(bench: &dyn Bench) {
    let id = fresh_id();
    let first = ask(id);
    let fence = leased(&say(bench.node(0), &first).await);
    assert!(
        bench
            .node(0)
            .release(release(id, first.token, None))
            .await
            .unwrap()
    );
    assert!(
        !bench
            .node(0)
            .release(release(id, first.token, None))
            .await
            .unwrap()
    );
    assert!(leased(&say(bench.node(1), &ask(id)).await) > fence);
}

pub(crate) async fn extreme_durations_are_taken(bench: &dyn Bench) {
    let id = fresh_id();
    for extreme in [Duration::ZERO, Duration::MAX] {
        let ask = Ask {
            lease: extreme,
            force: true,
            insist: true,
            ..ask(id)
        };
        let answer = say(bench.node(0), &ask).await;
        let Grant::Lease { fence, .. } = answer.grant else {
            panic!("{answer:?}")
        };
        let commit = Commit {
            fresh: extreme,
            keep: extreme,
            ..commit(id, ask.token, fence, Some("b"))
        };
        assert_eq!(
            put(bench.node(0), commit).await,
            Committed::Stored {
                body_version: fence
            }
        );
        let block = Some((BlockKind::Uncacheable, extreme));
        let again = Ask {
            token: Token::random(),
            ..ask
        };
        say(bench.node(0), &again).await;
        bench
            .node(0)
            .release(release(id, again.token, block))
            .await
            .unwrap();
        purge(bench.node(0), id, PurgeKind::Soft).await;
    }
}
