//! Everything at once: only what must be true whatever happens is checked.

use std::sync::Arc;

use super::faulty::{Reach, Road};
use super::pipe::Flow;
use super::runs::{secs, specs};
use super::safety;
use super::seeds::{Verdict, each};
use super::world::{Setup, World};

#[test]
fn storm() {
    each("storm::storm", 200, a_storm);
}

async fn a_storm(mut rng: fastrand::Rng) -> Verdict {
    let mut specs = specs(&mut rng, 1_500);
    for spec in &mut specs {
        spec.on_error = if rng.bool() { 20_000 } else { 0 };
        spec.unreachable = if rng.bool() { 30_000 } else { 0 };
        spec.stale = spec.stale.min(rng.u64(..30_000));
    }
    let road = Road {
        delay: rng.u64(..60),
        lost_requests: rng.u64(..30),
        lost_replies: rng.u64(..30),
        ..Road::GOOD
    };
    let setup = Setup {
        road,
        flow: Flow {
            delay: rng.u64(..100),
            lost: 0,
        },
        ..Setup::calm(rng.usize(1..7), specs.clone())
    };
    let world = World::new(rng.fork(), setup);
    let crowd = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.crowd(secs(30), 8).await }
    });
    for _ in 0..40 {
        world.sleep(0..1_200).await;
        let node = world.any();
        match rng.u8(..14) {
            0 => {
                world.kill(&node);
                world.start();
            }
            1 | 2 => {
                let node = world.next_to_fetch().await;
                world.pause(&node);
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    world.sleep(50..8_000).await;
                    world.resume(&node);
                });
            }
            3 | 4 => {
                let reach = if rng.bool() {
                    Reach::Refused
                } else {
                    Reach::Silent
                };
                world.cut_off(&node, Road { reach, ..road });
            }
            5 | 6 => world
                .living()
                .iter()
                .for_each(|node| world.bring_back(node)),
            7 | 8 => {
                let world = Arc::clone(&world);
                let key = world.draw(0..specs.len() as u64) as usize;
                tokio::spawn(async move { world.purge(&node, key).await });
            }
            9 => world.site.set(|weather| weather.failing = !weather.failing),
            10 => world
                .site
                .set(|weather| weather.uncacheable = !weather.uncacheable),
            11 => world.site.set(|weather| {
                (weather.errors, weather.broken, weather.short) =
                    (rng.u64(..200), rng.u64(..200), rng.u64(..200));
            }),
            12 => world.site.set(|weather| weather.hangs = rng.u64(..60)),
            _ => world
                .site
                .set(|weather| *weather = super::site::Weather::default()),
        }
    }
    let _ = crowd.await;
    let notes = world.settle().await?;
    safety::all(&notes, &specs, 1_000_000)?;
    safety::the_tier_forgets(&world).await
}
