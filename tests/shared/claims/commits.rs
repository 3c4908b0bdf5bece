//! What is stored and what is not.

use std::time::Duration;

use bellwether::shared::*;

use crate::support::*;

pub(crate) async fn bytes_come_back_as_they_were_committed(bench: &dyn Bench) {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&say(bench.node(0), &ask).await);
    let bytes: Vec<u8> = (0..70_000_u32)
        .map(|n| (n % 251) as u8)
        .chain([0, 13, 10, 255])
        .collect();
    let content = Content {
        meta: vec![0, 255, 13, 10].into(),
        body: bytes.into(),
    };
    let commit = Commit {
        meta: content.meta.clone(),
        body: Some(content.body.clone()),
        ..commit(id, ask.token, fence, None)
    };
    put(bench.node(0), commit).await;
    let view = say(
        bench.node(1),
        &Ask {
            token: Token::random(),
            ..ask
        },
    )
    .await
    .view
    .unwrap();
    assert_eq!(view.content.unwrap(), content);
}

pub(crate) async fn a_commit_after_the_lease_ran_out_counts_if_nobody_took_over(bench: &dyn Bench) {
    let id = fresh_id();
    let short = Ask {
        lease: Duration::from_millis(40),
        ..ask(id)
    };
    let fence = leased(&say(bench.node(0), &short).await);
    tokio::time::sleep(Duration::from_millis(80)).await;
    let outcome = put(bench.node(0), commit(id, short.token, fence, Some("b"))).await;
    assert_eq!(
        outcome,
        Committed::Stored {
            body_version: fence
        }
    );
}

pub(crate) async fn what_is_held_up_on_its_way_is_not_fresh_for_longer(bench: &dyn Bench) {
    let held_up = Duration::from_millis(300);
    // Made just after the grant, and long on its way; or just made, of what was long fetched.
    for (held, fresh_ms) in [(Duration::ZERO, 0..=9_750), (held_up, 9_000..=10_000)] {
        let id = fresh_id();
        let ask = ask(id);
        let fence = leased(&say(bench.node(0), &ask).await);
        tokio::time::sleep(held_up).await;
        let fresh = 10 * SECOND;
        let late = Commit {
            fresh,
            held,
            ..commit(id, ask.token, fence, Some("b"))
        };
        put(bench.node(0), late).await;
        let left = peek(bench.node(1), id).await.view.unwrap().fresh_ms;
        assert!(fresh_ms.contains(&left), "{left}");
    }
}

pub(crate) async fn without_any_evidence_a_commit_is_lost(bench: &dyn Bench) {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&say(bench.node(0), &ask).await);
    bench.forget_all().await;
    let outcome = put(bench.node(0), commit(id, ask.token, fence, Some("b"))).await;
    assert_eq!(outcome, Committed::Lost);
    assert_eq!(peek(bench.node(0), id).await.view, None);
}

pub(crate) async fn the_lease_is_evidence_where_the_entry_was_lost(bench: &dyn Bench) {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&say(bench.node(0), &ask).await);
    bench.forget_entry(id).await;
    let kept = put(bench.node(0), commit(id, ask.token, fence, None)).await;
    assert_eq!(kept, Committed::Bodiless);
    let whole = put(bench.node(0), commit(id, ask.token, fence, Some("b"))).await;
    assert_eq!(
        whole,
        Committed::Stored {
            body_version: fence
        }
    );
}

pub(crate) async fn a_waiter_of_a_lost_entry_leaves_nothing_behind_for_ever(bench: &dyn Bench) {
    let id = fresh_id();
    leased(&say(bench.node(0), &ask(id)).await);
    bench.forget_entry(id).await;
    let answer = say(bench.node(1), &ask(id)).await;
    assert!(matches!(answer.grant, Grant::Wait { .. }), "{answer:?}");
}

pub(crate) async fn somebody_elses_token_is_no_evidence(bench: &dyn Bench) {
    let id = fresh_id();
    let mine = ask(id);
    let fence = leased(&say(bench.node(0), &mine).await);
    bench.forget_entry(id).await;
    let stranger = commit(id, Token::random(), fence, Some("b"));
    assert_eq!(put(bench.node(1), stranger).await, Committed::Lost);
    assert!(
        !bench
            .node(1)
            .release(release(id, Token::random(), None))
            .await
            .unwrap()
    );
    let renew = Renew {
        id,
        token: Token::random(),
        fence,
        lease: SECOND,
        within: SECOND,
    };
    assert!(!bench.node(1).renew(renew).await.unwrap());
    let again = leased(&say(bench.node(0), &mine).await);
    assert_eq!(again, fence);
}

pub(crate) async fn a_commit_without_a_body_keeps_the_body_and_its_version(bench: &dyn Bench) {
    let id = fresh_id();
    let first = stored(bench.node(0), id, "b").await;
    let again = Ask {
        force: true,
        ..ask(id)
    };
    let fence = leased(&say(bench.node(0), &again).await);
    let outcome = put(bench.node(0), commit(id, again.token, fence, None)).await;
    assert_eq!(
        outcome,
        Committed::Stored {
            body_version: first
        }
    );
    let view = peek(bench.node(1), id).await.view.unwrap();
    assert_eq!((view.version, view.body_version), (fence, first));
    let content = view.content.unwrap();
    assert_eq!(content.body, "b");
    assert_eq!(content.meta, format!("meta {fence}"));
}

pub(crate) async fn a_later_commit_is_never_replaced_by_an_earlier_one(bench: &dyn Bench) {
    let id = fresh_id();
    let first = ask(id);
    let old = leased(&say(bench.node(0), &first).await);
    bench.forget_lease(id).await;
    let second = ask(id);
    let new = leased(&say(bench.node(1), &second).await);
    put(bench.node(1), commit(id, second.token, new, Some("new"))).await;
    let late = commit(id, first.token, old, Some("old"));
    assert_eq!(put(bench.node(0), late).await, Committed::Superseded);
    let view = peek(bench.node(0), id).await.view.unwrap();
    assert_eq!(view.content.unwrap().body, "new");
}
