//! The bounds, each in the weather that it is promised for.

use std::time::Duration;

use super::checks;
use super::safety;
use super::seeds::{Verdict, each};
use super::site::Spec;
use super::world::{Setup, World};

pub(super) fn specs(rng: &mut fastrand::Rng) -> Vec<Spec> {
    (0..rng.usize(1..4))
        .map(|_| Spec {
            fresh: rng.u64(1_000..4_000),
            stale: if rng.bool() { 30_000 } else { 0 },
            on_error: 0,
            varies: rng.u8(..3) == 0,
            confirms: rng.bool(),
            latency: 20..rng.u64(21..400),
            chunks: rng.usize(1..4),
            gap: rng.u64(..10),
        })
        .collect()
}

#[test]
fn calm() {
    each("runs::calm", 60, |mut rng| async move {
        let setup = Setup::calm(rng.usize(1..9), specs(&mut rng));
        let specs = setup.specs.clone();
        let world = World::new(rng, setup);
        world.crowd(Duration::from_secs(20), 5).await;
        let notes = world.settle().await?;
        verdict_of_calm(&notes, &specs)
    });
}

fn verdict_of_calm(notes: &super::history::Notes, specs: &[Spec]) -> Verdict {
    checks::one_at_once(notes, specs, |_, _| true)?;
    checks::one_per_cycle(notes, specs, |_, _| true, 10_000)?;
    checks::no_failures(notes)?;
    checks::nobody_waits_for_what_may_be_stale(notes, specs, 5)?;
    checks::other_nodes_wait_for_the_tier_only(notes, specs, 20)?;
    checks::waits(notes, |serve| {
        let spec = &specs[serve.key];
        // Of a URL that varies, the first learns that it does, the next fetches its variant.
        spec.longest() * if spec.varies { 2 } else { 1 } + 30
    })?;
    safety::all(notes, specs, 0)
}
