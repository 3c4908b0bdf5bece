//! The bounds, each in the weather that it is promised for.

use std::sync::Arc;
use std::time::Duration;

use super::checks::{self, SECOND};
use super::faulty::{Reach, Road};
use super::history::{Blow, Fetch, How, Notes, Purge};
use super::mutants::Fault;
use super::safety;
use super::seeds::{Verdict, caught, each};
use super::site::Spec;
use super::world::{Setup, World};
use crate::shared::PurgeKind;

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
        unreachable: 0,
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

/// True if the node stood still while it fetched that, or just before: what it begins as it wakes up
/// was granted or given up before it slept.
fn slept(notes: &Notes, fetch: &Fetch) -> bool {
    let waking = fetch.start.saturating_sub(10 * checks::MILLI);
    notes.blows.iter().any(|(at, node, blow)| {
        let during = *at >= fetch.start && fetch.end.is_none_or(|end| *at <= end);
        let before = (waking..=fetch.start).contains(at);
        let stood = (*blow == Blow::Paused && during) || (*blow == Blow::Resumed && before);
        *node == fetch.node && stood
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

#[test]
fn the_tier_is_down() {
    each("runs::the_tier_is_down", 60, |mut rng| async move {
        let specs = specs(&mut rng, 600);
        let world = World::new(rng.fork(), Setup::calm(rng.usize(1..6), specs.clone()));
        let crowd = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.crowd(secs(45), 5).await }
        });
        world.sleep(3_000..6_000).await;
        let reach = if rng.bool() {
            Reach::Refused
        } else {
            Reach::Silent
        };
        let dead = Road {
            reach,
            ..Road::GOOD
        };
        world
            .living()
            .iter()
            .for_each(|node| world.cut_off(node, dead));
        let down = world.history.now();
        world.sleep(8_000..15_000).await;
        let up = world.history.now();
        world
            .living()
            .iter()
            .for_each(|node| world.bring_back(node));
        let _ = crowd.await;
        let notes = world.settle().await?;
        checks::no_failures(&notes)?;
        // Who waited for another node's refresh when the tier went finds out at its next look.
        let settled = down + 2 * SECOND;
        checks::waits(&notes, |serve| {
            let cut = if (down..settled).contains(&serve.asked) || serve.asked < down {
                1_000
            } else {
                0
            };
            let tier = if serve.answered > down && serve.asked < up + SECOND {
                150
            } else {
                0
            };
            origin(&specs, serve.key) + STEPS + cut + tier
        })?;
        // When the tier is back, nobody joins what was begun without it.
        let own = |first: &Fetch, second: &Fetch| {
            first.node == second.node && (second.start < up || first.start > up + SECOND)
        };
        checks::one_at_once(&notes, &specs, own)?;
        // Everything from that time has run out.
        let again = |first: &Fetch, _: &Fetch| first.start > up + 9 * SECOND;
        checks::one_at_once(&notes, &specs, again)?;
        checks::one_per_cycle(&notes, &specs, again, 10_000)?;
        safety::all(&notes, &specs, 400_000)
    });
}

#[test]
fn the_tier_flaps() {
    each("runs::the_tier_flaps", 60, |mut rng| async move {
        let specs = specs(&mut rng, 600);
        let bad = Road {
            delay: rng.u64(1..70),
            lost_requests: rng.u64(..100),
            lost_replies: rng.u64(..100),
            ..Road::GOOD
        };
        let setup = Setup {
            road: bad,
            ..Setup::calm(rng.usize(1..6), specs.clone())
        };
        let world = World::new(rng.fork(), setup);
        let crowd = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.crowd(secs(30), 5).await }
        });
        for _ in 0..20 {
            world.sleep(100..1_000).await;
            let node = world.any();
            let reach = if rng.bool() {
                Reach::Refused
            } else {
                Reach::Silent
            };
            world.cut_off(&node, Road { reach, ..bad });
            world.sleep(100..2_000).await;
            world.bring_back(&node);
        }
        let _ = crowd.await;
        let notes = world.settle().await?;
        checks::no_failures(&notes)?;
        // A lease that was granted to nobody is waited for to its end, at most `lock_wait`.
        checks::waits(&notes, |serve| {
            5_000 + 150 + origin(&specs, serve.key) + STEPS
        })?;
        safety::all(&notes, &specs, 400_000)
    });
}

const HARD: Option<PurgeKind> = Some(PurgeKind::Hard);
const SOFT: Option<PurgeKind> = Some(PurgeKind::Soft);

/// `kinds`: of the purges, by equal shares; `None` is one of everything.
async fn purges(mut rng: fastrand::Rng, careless: bool, kinds: &[Option<PurgeKind>]) -> Verdict {
    let specs = specs(&mut rng, 600);
    let setup = Setup {
        careless,
        ..Setup::calm(rng.usize(1..6), specs.clone())
    };
    let world = World::new(rng.fork(), setup);
    let gaps = rng.bool();
    let crowd = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.crowd(secs(25), 5).await }
    });
    for _ in 0..20 {
        world.sleep(100..1_500).await;
        let deaf = world.any();
        if gaps {
            world.cut_off(&deaf, Road::GOOD);
        }
        let purged = world.draw(0..specs.len() as u64) as usize;
        let kind = kinds[world.draw(0..kinds.len() as u64) as usize];
        match kind {
            Some(kind) => world.purge_by(&world.any(), purged, kind).await,
            None => world.purge_all(&world.any()).await,
        }
        world.sleep(0..500).await;
        world.bring_back(&deaf);
    }
    let _ = crowd.await;
    let notes = world.settle().await?;
    checks::no_failures(&notes)?;
    checks::waits(&notes, |serve| {
        // What is under way may be for nothing, and whatever is begun before yet another purge.
        let within = |purge: &Purge| {
            let waited = serve.asked..=serve.answered;
            purge.key == serve.key && waited.contains(&purge.began)
        };
        let fetches = 1 + notes
            .purges
            .iter()
            .filter(|purge| within(purge))
            .count()
            .max(1) as u64;
        fetches * origin(&specs, serve.key) + 100 + STEPS
    })?;
    safety::all(&notes, &specs, 0)
}

#[test]
fn purges_beat_refreshes() {
    each("runs::purges_beat_refreshes", 100, |rng| {
        purges(rng, false, &[HARD])
    });
}

#[test]
fn soft_purges_beat_refreshes_too() {
    each("runs::soft_purges_beat_refreshes_too", 100, |rng| {
        purges(rng, false, &[SOFT, SOFT, HARD])
    });
}

#[test]
fn purges_of_everything_beat_refreshes_too() {
    each(
        "runs::purges_of_everything_beat_refreshes_too",
        100,
        |rng| purges(rng, false, &[None, None, SOFT, HARD]),
    );
}

#[test]
fn the_origin_fails() {
    each("runs::the_origin_fails", 60, |mut rng| async move {
        let mut specs = specs(&mut rng, 300);
        for spec in &mut specs {
            spec.stale = spec.stale.min(2_000);
            // Either window covers up what fails here: an origin that cannot be reached.
            if rng.bool() {
                spec.on_error = 120_000;
            } else {
                spec.unreachable = 120_000;
            }
        }
        let world = World::new(rng.fork(), Setup::calm(rng.usize(1..6), specs.clone()));
        let crowd = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.crowd(secs(100), 10).await }
        });
        // Everything is known by now, on every node.
        tokio::time::sleep(secs(8)).await;
        let down = world.history.now();
        world.site.set(|weather| weather.failing = true);
        world.sleep(20_000..50_000).await;
        world.site.set(|weather| weather.failing = false);
        let up = world.history.now();
        let _ = crowd.await;
        let notes = world.settle().await?;
        checks::no_failures(&notes)?;
        checks::one_at_once(&notes, &specs, |_, _| true)?;
        // 1 + 2 + 4 + 8 + 16 + 30 s, each up to a quarter less.
        checks::few_fetches(&notes, &specs, down, up, 8)?;
        let recovered = notes.serves.iter().find(|serve| {
            let after = serve.asked > up + 32 * SECOND;
            after
                && serve
                    .fetch
                    .is_none_or(|fetch| notes.fetches[fetch].start < up)
        });
        if let Some(late) = recovered {
            return Err(format!("did not recover: {late:?}"));
        }
        safety::all(&notes, &specs, 0)
    });
}

#[test]
fn the_origin_fails_on_cold_keys() {
    each(
        "runs::the_origin_fails_on_cold_keys",
        60,
        |mut rng| async move {
            let mut specs = specs(&mut rng, 300);
            specs.iter_mut().for_each(|spec| spec.varies = false);
            let world = World::new(rng.fork(), Setup::calm(rng.usize(1..9), specs.clone()));
            world.site.set(|weather| weather.failing = true);
            world.crowd(secs(10), 5).await;
            world.site.set(|weather| weather.failing = false);
            tokio::time::sleep(secs(1)).await;
            let up = world.history.now();
            world.crowd(secs(5), 5).await;
            let notes = world.settle().await?;
            checks::one_at_once(&notes, &specs, |_, _| true)?;
            // One's own attempt, or what is left of another's.
            checks::waits(&notes, |serve| 2 * origin(&specs, serve.key) + STEPS)?;
            if let Some(late) = notes
                .serves
                .iter()
                .find(|serve| serve.asked > up && matches!(serve.how, How::Failed(_)))
            {
                return Err(format!("did not recover: {late:?}"));
            }
            safety::all(&notes, &specs, 0)
        },
    );
}

#[test]
fn uncacheable_spells() {
    each("runs::uncacheable_spells", 60, |mut rng| async move {
        let specs = specs(&mut rng, 400);
        let world = World::new(rng.fork(), Setup::calm(rng.usize(1..6), specs.clone()));
        let crowd = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.crowd(secs(40), 5).await }
        });
        let mut spells = Vec::new();
        for _ in 0..3 {
            world.sleep(0..4_000).await;
            world.site.set(|weather| weather.uncacheable = true);
            world.sleep(1_000..6_000).await;
            world.site.set(|weather| weather.uncacheable = false);
            spells.push(world.history.now());
            tokio::time::sleep(secs(3)).await;
        }
        let _ = crowd.await;
        let notes = world.settle().await?;
        checks::no_failures(&notes)?;
        checks::waits(&notes, |serve| 2 * origin(&specs, serve.key) + STEPS)?;
        // A node sees the storable response of one who passed, then leads or hears of the leader.
        let passed = notes.serves.iter().find(|serve| {
            let seen = 2 * specs[serve.key].longest() + 1_000;
            let over = |end: &u64| (*end + seen * 1_000..*end + 3 * SECOND).contains(&serve.asked);
            serve.how == How::Own && spells.iter().any(over)
        });
        if let Some(passed) = passed {
            return Err(format!("the verdict did not end: {passed:?}"));
        }
        safety::all(&notes, &specs, 0)
    });
}

#[test]
fn mutants_are_caught() {
    let late = caught(200, |rng| {
        holders_pause(rng, Some(Fault::AcceptsLateWriters))
    });
    let two = caught(200, |rng| holders_pause(rng, Some(Fault::GrantsTwoLeases)));
    let careless = caught(200, |rng| purges(rng, true, &[HARD]));
    let unheard = caught(200, |rng| purges(rng, true, &[None]));
    for (mutant, caught) in [
        ("late writers", late),
        ("two leases", two),
        ("careless", careless),
        ("careless of everything", unheard),
    ] {
        let (seed, why) = caught.unwrap_or_else(|| panic!("{mutant}: not caught"));
        println!("{mutant}: seed {seed}: {why}");
    }
}
