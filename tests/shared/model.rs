//! `MemoryTier` is the reference model: a real Redis answers any sequence of operations alike.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::{
    Answer, Ask, BlockKind, Commit, EntryId, Fence, Grant, MemoryTier, PurgeKind, RedisTier, Renew,
    SharedTier, TierEvent, Token,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::redis_server::{RedisServer, run};
use crate::support::{Notes, SECOND, ask, commit, fresh_id, release};

/// Time plays no part here: nothing that is still running ends within a case.
const LONG: Duration = Duration::from_secs(500);

/// One operation. Entries and tokens are few, so that operations meet; fences are named by the
/// order in which they were first seen.
#[derive(Debug, Clone, Copy)]
enum Op {
    Acquire {
        token: u8,
        have: Option<usize>,
        peek: bool,
        force: bool,
        insist: bool,
    },
    Commit {
        token: u8,
        fence: usize,
        fresh: bool,
        body: bool,
    },
    Renew {
        token: u8,
        fence: usize,
    },
    Release {
        token: u8,
        block: Option<bool>,
    },
    Purge {
        hard: bool,
    },
    ForgetEntry,
    ForgetLease,
    ForgetAll,
}

fn op() -> impl Strategy<Value = (bool, Op)> {
    let token = 0_u8..3;
    let fence = 0_usize..4;
    let flag = || prop::bool::weighted(0.25);
    let op = prop_oneof![
        6 => (token.clone(), prop::option::of(fence.clone()), flag(), flag(), flag()).prop_map(
            |(token, have, peek, force, insist)| Op::Acquire { token, have, peek, force, insist }
        ),
        5 => (token.clone(), fence.clone(), any::<bool>(), prop::bool::weighted(0.7))
            .prop_map(|(token, fence, fresh, body)| Op::Commit { token, fence, fresh, body }),
        1 => (token.clone(), fence).prop_map(|(token, fence)| Op::Renew { token, fence }),
        2 => (token, prop::option::of(any::<bool>()))
            .prop_map(|(token, block)| Op::Release { token, block }),
        1 => any::<bool>().prop_map(|hard| Op::Purge { hard }),
        1 => Just(Op::ForgetEntry),
        1 => Just(Op::ForgetLease),
        1 => Just(Op::ForgetAll),
    ];
    (prop::bool::weighted(0.2), op)
}

/// One adapter in one case, and the fences it has shown.
struct Side<'a> {
    tier: &'a dyn SharedTier,
    notes: Arc<Notes>,
    ids: [EntryId; 2],
    fences: Vec<Fence>,
}

impl Side<'_> {
    /// The place of a fence in the order of appearance: all that the two sides have in common.
    fn place(&mut self, fence: Fence) -> usize {
        let known = self.fences.iter().position(|known| *known == fence);
        known.unwrap_or_else(|| {
            self.fences.push(fence);
            self.fences.len() - 1
        })
    }

    /// One of the newest fences; one that was never issued where there is none.
    fn fence(&self, back: usize) -> Fence {
        let newest_first = self.fences.iter().rev();
        newest_first.copied().nth(back).unwrap_or(Fence::new(7))
    }

    fn answer(&mut self, answer: Answer) -> String {
        let grant = match answer.grant {
            Grant::Lease { fence, ttl } => format!("lease {} {}", self.place(fence), ttl > SECOND),
            Grant::Wait { fence, ttl } => format!("wait {} {}", self.place(fence), ttl > SECOND),
            Grant::Blocked { kind, left } => format!("{kind:?} {}", left > SECOND),
            other => format!("{other:?}"),
        };
        let newest = answer.newest.map(|fence| self.place(fence));
        let purged = answer.purged.map(|fence| self.place(fence));
        let view = answer.view.map(|view| {
            let content = view.content.map(|content| (content.meta, content.body));
            let (version, body) = (self.place(view.version), self.place(view.body_version));
            (version, body, view.fresh_ms > 0, content)
        });
        format!("{grant}; {newest:?} {purged:?} {view:?}")
    }

    /// Does it and says, without times and numbers, what came of it.
    async fn perform(&mut self, number: usize, id: EntryId, op: Op) -> String {
        let named = |token: u8| Token::from_bytes([token; 16]);
        match op {
            Op::Acquire {
                token,
                have,
                peek,
                force,
                insist,
            } => {
                let have = have.map(|back| self.fence(back));
                let token = named(token);
                let ask = Ask {
                    token,
                    lease: LONG,
                    have,
                    peek,
                    force,
                    insist,
                    ..ask(id)
                };
                let answer = self.tier.acquire(ask).await.expect("an answer");
                self.answer(answer)
            }
            Op::Commit {
                token,
                fence,
                fresh,
                body,
            } => {
                let fence = self.fence(fence);
                let body = body.then(|| format!("body {number}"));
                let commit = Commit {
                    fresh: if fresh { LONG } else { Duration::ZERO },
                    meta: format!("meta {number}").into(),
                    ..commit(id, named(token), fence, body.as_deref())
                };
                let outcome = self.tier.commit(commit).await.expect("an outcome");
                match outcome {
                    bellwether::shared::Committed::Stored { body_version } => {
                        format!("stored {}", self.place(body_version))
                    }
                    other => format!("{other:?}"),
                }
            }
            Op::Renew { token, fence } => {
                let (token, fence) = (named(token), self.fence(fence));
                let renew = Renew {
                    id,
                    token,
                    fence,
                    lease: LONG,
                    within: SECOND,
                };
                format!("{}", self.tier.renew(renew).await.expect("an outcome"))
            }
            Op::Release { token, block } => {
                let failing = BlockKind::Failing {
                    failures: 2,
                    status: 503,
                    unreachable: false,
                };
                let kind = |failed| {
                    if failed {
                        failing
                    } else {
                        BlockKind::Uncacheable
                    }
                };
                let block = block.map(|failed| (kind(failed), LONG));
                let release = release(id, named(token), block);
                format!("{}", self.tier.release(release).await.expect("an outcome"))
            }
            Op::Purge { hard } => {
                let kind = if hard {
                    PurgeKind::Hard
                } else {
                    PurgeKind::Soft
                };
                let fence = self.tier.purge(id, kind, SECOND).await.expect("a fence");
                format!("purge {}", self.place(fence))
            }
            Op::ForgetEntry | Op::ForgetLease | Op::ForgetAll => String::new(),
        }
    }

    /// What the listener heard about the case's entries.
    fn heard(&mut self) -> Vec<String> {
        let events = self.notes.all();
        let ids = self.ids;
        let which = |id| ids.iter().position(|known| *known == id);
        let mut heard = vec![];
        for event in events {
            let (id, fence, what) = match event {
                TierEvent::Committed { id, fence } => (id, fence, "committed".to_owned()),
                TierEvent::Released { id, fence } => (id, fence, "released".to_owned()),
                TierEvent::Purged { id, fence, kind } => (id, fence, format!("{kind:?}")),
                _ => continue,
            };
            if let Some(which) = which(id) {
                heard.push(format!("{which} {what} {}", self.place(fence)));
            }
        }
        heard
    }
}

async fn forget(server: &RedisServer, model: &MemoryTier, id: EntryId, op: Op) {
    let key = |suffix| format!("{{bw1:default:{id}}}:{suffix}");
    match op {
        Op::ForgetEntry => {
            model.forget_entry(id);
            run::<()>(server, &["DEL", &key("e")]).await;
        }
        Op::ForgetLease => {
            model.forget_lease(id);
            run::<()>(server, &["DEL", &key("l")]).await;
        }
        Op::ForgetAll => {
            model.forget_all();
            run::<()>(server, &["FLUSHALL"]).await;
        }
        _ => {}
    }
}

async fn same(
    server: &RedisServer,
    redis: &RedisTier,
    ops: Vec<(bool, Op)>,
) -> Result<(), TestCaseError> {
    let model = MemoryTier::new();
    let ids = [fresh_id(), fresh_id()];
    let mut ours = Side {
        tier: &model,
        notes: Notes::hear(&model),
        ids,
        fences: vec![],
    };
    let mut theirs = Side {
        tier: redis,
        notes: Notes::hear(redis),
        ids,
        fences: vec![],
    };
    for (number, (other, op)) in ops.into_iter().enumerate() {
        let id = ids[usize::from(other)];
        let expected = ours.perform(number, id, op).await;
        let got = theirs.perform(number, id, op).await;
        prop_assert_eq!(got, expected, "step {}: {:?}", number, op);
        forget(server, &model, id, op).await;
        if matches!(op, Op::ForgetEntry | Op::ForgetLease | Op::ForgetAll) {
            // A tick of the store's clock, by which fences rise over a loss.
            tokio::time::sleep(Duration::from_micros(10)).await;
        }
    }
    let marker = fresh_id();
    redis
        .purge(marker, PurgeKind::Soft, SECOND)
        .await
        .expect("a fence");
    while theirs.notes.about(marker).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    prop_assert_eq!(theirs.heard(), ours.heard());
    Ok(())
}

#[test]
fn any_sequence_of_operations_has_the_same_answers_from_the_model_and_a_real_redis() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = RedisServer::start();
    let connect = RedisTier::builder(&server.url())
        .timeout(2 * SECOND)
        .connect();
    let redis = runtime.block_on(connect).expect("a good URL");
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(op(), 1..60);
    let result = TestRunner::new(config).run(&sequences, |ops| {
        runtime.block_on(same(&server, &redis, ops))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
