//! The bounds, each in the weather that it is promised for.

use std::sync::Arc;
use std::time::Duration;

use super::checks::{self, SECOND};
use super::faulty::{Reach, Road};
use super::history::{Blow, Fetch, How, Notes};
use super::mutants::Fault;
use super::safety;
use super::seeds::{Verdict, caught, each};
use super::site::Spec;
use super::world::{Setup, World};

/// The length of a lease, and the most that those who wait for its end stagger.
const LEASE: u64 = 3_000 + 100;
/// What calls of the tier and the steps of the clock add to a wait, with a good road.
const STEPS: u64 = 30;

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn specs(rng: &mut fastrand::Rng, slowest: u64) -> Vec<Spec> {
    let spec = |_| Spec {
        fresh: rng.u64(1_000..4_000),
        stale: if rng.bool() { 30_000 } else { 0 },
        on_error: 0,
        varies: rng.u8(..3) == 0,
        confirms: rng.bool(),
        latency: 20..rng.u64(21..slowest),
        chunks: rng.usize(1..4),
        gap: rng.u64(..slowest / 20),
    };
    let count = fastrand::usize(1..4);
    (0..count).map(spec).collect()
}

/// How long a client may wait for the origin, in milliseconds. Of a URL that varies, the first
/// learns that it does, and the next fetches its variant.
fn origin(specs: &[Spec], key: usize) -> u64 {
    specs[key].longest() * if specs[key].varies { 2 } else { 1 }
}

#[test]
fn calm() {
    each("runs::calm", 100, |mut rng| async move {
        let specs = specs(&mut rng, 400);
        let world = World::new(rng.fork(), Setup::calm(rng.usize(1..9), specs.clone()));
        world.crowd(secs(20), 5).await;
        let notes = world.settle().await?;
        checks::one_at_once(&notes, &specs, |_, _| true)?;
        checks::one_per_cycle(&notes, &specs, |_, _| true, 10_000)?;
        checks::no_failures(&notes)?;
        checks::nobody_waits_for_what_may_be_stale(&notes, &specs, 5)?;
        checks::other_nodes_wait_for_the_tier_only(&notes, &specs, 20)?;
        checks::waits(&notes, |serve| origin(&specs, serve.key) + STEPS)?;
        checks::late_writers_serve_nobody(&notes, &specs)?;
        safety::all(&notes, &specs, 0)?;
        safety::the_tier_forgets(&world).await
    });
}

#[test]
fn a_cold_fleet_is_one_fetch() {
    each(
        "runs::a_cold_fleet_is_one_fetch",
        50,
        |mut rng| async move {
            let mut specs = specs(&mut rng, 2_000);
            specs.iter_mut().for_each(|spec| spec.varies = false);
            let world = World::new(rng.fork(), Setup::calm(rng.usize(1..9), specs.clone()));
            for _ in 0..500 {
                world.ask(&world.any(), 0, 0);
            }
            tokio::time::sleep(Duration::from_millis(specs[0].longest() + STEPS)).await;
            let notes = world.settle().await?;
            checks::waits(&notes, |_| specs[0].longest() + STEPS)?;
            match notes.fetches.len() {
                1 => safety::all(&notes, &specs, 0),
                many => Err(format!("{many} fetches for 500 clients")),
            }
        },
    );
}

#[test]
fn holders_die() {
    each("runs::holders_die", 60, |mut rng| async move {
        let specs = specs(&mut rng, 1_000);
        let world = World::new(rng.fork(), Setup::calm(rng.usize(2..7), specs.clone()));
        let crowd = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.crowd(secs(30), 5).await }
        });
        for _ in 0..3 {
            world.sleep(2_000..4_000).await;
            let node = world.next_to_fetch().await;
            world.kill(&node);
            world.sleep(3_000..5_000).await;
            world.start();
        }
        let _ = crowd.await;
        let notes = world.settle().await?;
        checks::one_at_once(&notes, &specs, |_, _| true)?;
        checks::one_per_cycle(&notes, &specs, |_, _| true, 10_000)?;
        checks::no_failures(&notes)?;
        checks::successors_come(&notes, &specs, LEASE + 400)?;
        checks::nobody_waits_for_what_may_be_stale(&notes, &specs, 5)?;
        checks::waits(&notes, |serve| LEASE + origin(&specs, serve.key) + STEPS)?;
        checks::late_writers_serve_nobody(&notes, &specs)?;
        safety::all(&notes, &specs, 0)
    });
}

/// True if the node stood still while it fetched that.
fn slept(notes: &Notes, fetch: &Fetch) -> bool {
    notes.blows.iter().any(|(at, node, blow)| {
        let during = *at >= fetch.start && fetch.end.is_none_or(|end| *at <= end);
        *node == fetch.node && *blow == Blow::Paused && during
    })
}

async fn holders_pause(mut rng: fastrand::Rng, fault: Option<Fault>) -> Verdict {
    let specs = specs(&mut rng, 1_000);
    let setup = Setup {
        fault,
        ..Setup::calm(rng.usize(2..6), specs.clone())
    };
    let world = World::new(rng.fork(), setup);
    let crowd = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.crowd(secs(35), 5).await }
    });
    for _ in 0..3 {
        world.sleep(1_000..3_000).await;
        let node = world.next_to_fetch().await;
        world.pause(&node);
        world.sleep(3_200..8_000).await;
        world.resume(&node);
    }
    let _ = crowd.await;
    let notes = world.settle().await?;
    let awake = |first: &Fetch, second: &Fetch| !slept(&notes, first) && !slept(&notes, second);
    checks::one_at_once(&notes, &specs, awake)?;
    checks::one_per_cycle(&notes, &specs, awake, 10_000)?;
    checks::no_failures(&notes)?;
    checks::late_writers_serve_nobody(&notes, &specs)?;
    safety::all(&notes, &specs, 0)
}

#[test]
fn paused_holders() {
    each("runs::paused_holders", 60, |rng| holders_pause(rng, None));
}
