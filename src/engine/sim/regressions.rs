//! What the simulation (or the thought that went into it) has found, each in its plainest form.

use std::sync::Arc;
use std::time::Duration;

use super::checks;
use super::client::Asks;
use super::faulty::{Reach, Road};
use super::history::{How, Notes};
use super::safety;
use super::seeds::once;
use super::site::Spec;
use super::world::{Setup, World};
use crate::shared::{Ask, Commit, EntryId, Grant, PurgeKind, SharedTier, Token};

const SPEC: Spec = Spec {
    fresh: 1_000,
    stale: 0,
    on_error: 0,
    unreachable: 0,
    varies: false,
    confirms: false,
    latency: 100..101,
    chunks: 1,
    gap: 0,
};
const REFUSED: Road = Road {
    reach: Reach::Refused,
    ..Road::GOOD
};

async fn millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn world(nodes: usize, spec: Spec) -> Arc<World> {
    World::new(fastrand::Rng::with_seed(1), Setup::calm(nodes, vec![spec]))
}

fn id() -> EntryId {
    Asks::of(0, 0).primary.id()
}

/// A lease for someone who is no node.
fn stranger() -> Ask {
    Ask {
        id: id(),
        token: Token::from_bytes([9; 16]),
        lease: Duration::from_secs(30),
        have: None,
        peek: false,
        force: true,
        insist: true,
        within: Duration::from_secs(1),
    }
}

async fn close(world: &World) -> Notes {
    world.settle().await.expect("nothing is left")
}

/// A request after the end of a gap joined a refresh from before it. The origin failed, and the
/// record that the gap made suspect was served unchecked.
#[test]
fn a_failed_refresh_from_before_a_gaps_end_serves_nothing_unchecked() {
    once(1, |_| async {
        let world = world(
            2,
            Spec {
                on_error: 60_000,
                latency: 400..401,
                ..SPEC
            },
        );
        let node = world.node(0);
        world.ask(&node, 0, 0);
        millis(500).await;
        world.cut_off(&node, REFUSED);
        world.purge(&world.node(1), 0).await;
        millis(1_500).await;
        world.site.set(|weather| weather.failing = true);
        world.ask(&node, 0, 0);
        millis(100).await;
        world.bring_back(&node);
        millis(100).await;
        world.ask(&node, 0, 0);
        millis(1_000).await;
        let notes = close(&world).await;
        safety::nothing_purged_is_served(&notes).unwrap();
    });
}

/// What has no fence was dated by the time before the question, so a question that took long made
/// it look newer than a purge that came after it.
#[test]
fn a_slow_answer_does_not_make_what_has_no_fence_newer() {
    for seed in 0..30 {
        once(seed, |rng| async move {
            let spec = Spec {
                fresh: 60_000,
                ..SPEC
            };
            let world = World::new(rng, Setup::calm(2, vec![spec]));
            let node = world.node(0);
            world.cut_off(&node, REFUSED);
            world.ask(&node, 0, 0);
            millis(2_000).await;
            world.purge(&world.node(1), 0).await;
            millis(100).await;
            world.bring_back(&node);
            millis(100).await;
            node.tier.set(Road {
                delay: 10_000,
                ..Road::GOOD
            });
            world.ask(&node, 0, 0);
            millis(1).await;
            world.pause(&node);
            millis(21_000).await;
            node.tier.set(Road::GOOD);
            world.resume(&node);
            millis(1_000).await;
            let notes = close(&world).await;
            safety::nothing_purged_is_served(&notes).unwrap();
        });
    }
}

/// A soft purge just before what was fetched without the tier: by the clocks it may have been after, so
/// that was dropped, and what the tier held still from before the purge was served in its place.
#[test]
fn a_soft_purge_in_doubt_brings_nothing_older_back() {
    once(1, |_| async {
        let spec = Spec {
            fresh: 60_000,
            stale: 60_000,
            latency: 10..11,
            ..SPEC
        };
        let world = world(2, spec);
        let node = world.node(0);
        world.ask(&node, 0, 0);
        millis(1_000).await;
        world.purge_by(&world.node(1), 0, PurgeKind::Soft).await;
        millis(20).await;
        world.cut_off(&node, REFUSED);
        world.ask(&node, 0, 0);
        millis(100).await;
        world.ask(&node, 0, 0);
        millis(20).await;
        world.bring_back(&node);
        millis(100).await;
        world.ask(&node, 0, 0);
        millis(1_000).await;
        let notes = close(&world).await;
        let shown: Vec<_> = notes.serves.iter().map(|serve| serve.fetch).collect();
        assert_eq!(shown[..3], [Some(0), Some(0), Some(1)]);
        assert!(shown[3] >= Some(1), "{shown:?}");
        safety::nothing_purged_is_served(&notes).unwrap();
    });
}

/// A variant was being fetched when a soft purge of its URL was not heard. Whoever asked once events
/// were heard again learned of the purge from the rule, and then got what that flight brought: the
/// tier knows of no purge of a variant.
#[test]
fn a_soft_purge_in_a_gap_ends_the_flights_of_variants_too() {
    once(1, |_| async {
        let spec = Spec {
            varies: true,
            latency: 500..501,
            ..SPEC
        };
        let world = world(2, spec);
        let (node, other) = (world.node(0), world.node(1));
        world.ask(&node, 0, 0);
        millis(1_800).await;
        world.ask(&node, 0, 0);
        millis(100).await;
        world.cut_off(&node, REFUSED);
        world.purge_by(&other, 0, PurgeKind::Soft).await;
        world.bring_back(&node);
        millis(50).await;
        world.ask(&node, 0, 0);
        millis(2_000).await;
        let notes = close(&world).await;
        assert_eq!(notes.serves.len(), 3);
        safety::nothing_purged_is_served(&notes).unwrap();
    });
}

/// What turned out to vary, and was purged softly while its body came, was committed as a variant
/// under a lease taken only then: its fence was later than the purge. Until the commit of its rule
/// was refused, this node found it there, by the rule that it had made known to its own clients.
#[test]
fn a_variant_from_before_a_soft_purge_gets_no_fence_from_after_it() {
    // The one that asks in between: sooner or later than that it would be in nobody's way.
    for between in 160..300 {
        once(between, |_| async {
            let spec = Spec {
                varies: true,
                chunks: 2,
                gap: 100,
                ..SPEC
            };
            let road = Road {
                delay: 10,
                ..Road::GOOD
            };
            let setup = Setup {
                road,
                ..Setup::calm(1, vec![spec])
            };
            let world = World::new(fastrand::Rng::with_seed(between), setup);
            let node = world.node(0);
            world.ask(&node, 0, 0);
            millis(200).await;
            world.purge_by(&node, 0, PurgeKind::Soft).await;
            millis(between).await;
            world.ask(&node, 0, 0);
            millis(2_000).await;
            let notes = close(&world).await;
            safety::nothing_purged_is_served(&notes).unwrap();
        });
    }
}

/// A paused holder asked the origin to confirm one body, found a newer entry in the tier, and put
/// the confirmed head on the newer body.
#[test]
fn a_confirmed_head_stays_with_the_body_that_was_confirmed() {
    once(3, |_| async {
        let world = world(
            2,
            Spec {
                fresh: 150,
                confirms: true,
                latency: 20..21,
                ..SPEC
            },
        );
        let (first, second) = (world.node(0), world.node(1));
        for _ in 0..8 {
            world.ask(&first, 0, 0);
            millis(250).await;
            world.ask(&first, 0, 0);
            millis(10).await;
            world.pause(&first);
            for _ in 0..20 {
                millis(200).await;
                world.ask(&second, 0, 0);
            }
            millis(500).await;
            world.resume(&first);
            millis(500).await;
        }
        let notes = close(&world).await;
        safety::bodies_are_right(&notes).unwrap();
    });
}

/// Each look while waiting for another node was paid out of the request's budget for the tier, so
/// with a slow tier and a slow origin a node gave up on both and went to the origin itself.
#[test]
fn waiting_for_another_node_does_not_use_up_the_budget_for_the_tier() {
    once(1, |rng| async move {
        let spec = Spec {
            latency: 4_000..4_001,
            ..SPEC
        };
        let road = Road {
            delay: 40,
            ..Road::GOOD
        };
        let world = World::new(
            rng,
            Setup {
                road,
                ..Setup::calm(2, vec![spec])
            },
        );
        world.ask(&world.node(0), 0, 0);
        millis(200).await;
        world.ask(&world.node(1), 0, 0);
        millis(6_000).await;
        assert_eq!(close(&world).await.fetches.len(), 1);
    });
}

/// Nodes that came while a failing origin was being tried again, and insisted as there was nothing
/// to fall back on, each tried it themselves, one after the other.
#[test]
fn nodes_that_wait_for_a_retry_share_its_end() {
    once(1, |_| async {
        let world = world(5, SPEC);
        world.site.set(|weather| weather.failing = true);
        world.ask(&world.node(0), 0, 0);
        millis(200).await;
        (0..5).for_each(|node| drop(world.ask(&world.node(node), 0, 0)));
        millis(2_000).await;
        let notes = close(&world).await;
        assert_eq!(notes.fetches.len(), 2, "{:?}", notes.fetches);
        checks::waits(&notes, |_| 130).unwrap();
        assert!(
            notes
                .serves
                .iter()
                .all(|serve| matches!(serve.how, How::Failed(_)))
        );
    });
}

/// Looks while waiting counted as questions, so that after a long wait a corrupt entry was not
/// replaced for the fleet.
#[test]
fn a_corrupt_entry_is_replaced_for_all_however_long_the_wait_was() {
    once(1, |_| async {
        let world = world(1, SPEC);
        let Grant::Lease { fence, .. } = world.memory.acquire(stranger()).await.unwrap().grant
        else {
            panic!("nobody else is there");
        };
        world.ask(&world.node(0), 0, 0);
        millis(3_000).await;
        let commit = Commit {
            id: id(),
            token: stranger().token,
            fence,
            fresh: Duration::from_secs(60),
            held: Duration::from_secs(3),
            keep: Duration::from_secs(60),
            meta: bytes::Bytes::from_static(b"garbage"),
            body: Some(bytes::Bytes::new()),
            within: Duration::from_secs(1),
        };
        world.memory.commit(commit).await.unwrap();
        millis(1_000).await;
        let notes = close(&world).await;
        assert_eq!(checks::shared(&notes).len(), 1, "{:?}", notes.deeds);
    });
}

/// Who came after the end of a gap joined a fetch from before a purge that the gap had swallowed.
#[test]
fn nobody_joins_a_flight_from_before_a_gaps_end() {
    once(1, |_| async {
        let world = world(
            2,
            Spec {
                latency: 900..901,
                ..SPEC
            },
        );
        let node = world.node(0);
        world.ask(&node, 0, 0);
        millis(100).await;
        world.cut_off(&node, Road::GOOD);
        world.purge(&world.node(1), 0).await;
        world.bring_back(&node);
        millis(100).await;
        world.ask(&node, 0, 0);
        millis(2_000).await;
        let notes = close(&world).await;
        safety::nothing_purged_is_served(&notes).unwrap();
        assert_eq!(notes.fetches.len(), 2);
    });
}

/// Where stale was served nobody waits for the tier any more, but what the first look had left of
/// the clients' time was too short for the next, and each node went to the origin.
#[test]
fn a_slow_tier_is_waited_for_where_nobody_waits() {
    once(1, |_| async {
        let spec = Spec {
            stale: 60_000,
            latency: 300..301,
            ..SPEC
        };
        let setup = Setup {
            road: Road {
                // There and back each: a call takes up to 96 ms.
                delay: 48,
                ..Road::GOOD
            },
            ..Setup::calm(8, vec![spec.clone()])
        };
        let world = World::new(fastrand::Rng::with_seed(1), setup);
        let warm = world.node(0);
        world.ask(&warm, 0, 0);
        millis(1_000).await;
        let from = world.history.now();
        world.crowd(Duration::from_secs(20), 10).await;
        let notes = close(&world).await;
        let after = |fetch: &super::history::Fetch| fetch.start > from + 2 * checks::SECOND;
        checks::one_at_once(&notes, &[spec], |first, _| after(first)).unwrap();
    });
}

/// A rule that a node had made while it was cut off, later than the fleet's, was taken for
/// confirmed because the tier held one: from then on all was fetched twice.
#[test]
fn a_rule_that_was_made_while_cut_off_yields_to_that_of_the_fleet() {
    once(1, |_| async {
        let spec = Spec {
            fresh: 60_000,
            varies: true,
            ..SPEC
        };
        let world = world(2, spec);
        let (first, second) = (world.node(0), world.node(1));
        world.ask(&first, 0, 0);
        millis(1_000).await;
        world.cut_off(&second, REFUSED);
        world.ask(&second, 0, 0);
        millis(1_000).await;
        world.bring_back(&second);
        millis(1_000).await;
        for node in [&second, &first] {
            world.ask(node, 0, 1);
            millis(1_000).await;
        }
        let notes = close(&world).await;
        let fetched = notes.fetches.iter().filter(|fetch| fetch.kind == 1);
        assert_eq!(fetched.count(), 1, "{:?}", notes.fetches);
    });
}
