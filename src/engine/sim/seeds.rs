//! Runs a scenario under many seeds, and replays one.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::clock;

/// What a run comes to: a bound that did not hold, in words.
pub(super) type Verdict = Result<(), String>;

/// Runs `scenario` once, under one seed: a runtime, a clock and random numbers of its own.
pub(super) fn once<F, R>(seed: u64, scenario: F) -> R::Output
where
    F: FnOnce(fastrand::Rng) -> R,
    R: Future,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    fastrand::seed(seed);
    runtime.block_on(async {
        clock::anchor_here();
        scenario(fastrand::Rng::with_seed(seed)).await
    })
}

/// Runs `scenario` under `BELLWETHER_SEEDS` seeds (else `count`), or under `BELLWETHER_SEED` alone.
pub(super) fn each<F, R>(test: &str, count: u64, scenario: F)
where
    F: Fn(fastrand::Rng) -> R,
    R: Future<Output = Verdict>,
{
    let seeds = match (number("BELLWETHER_SEED"), number("BELLWETHER_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(count),
    };
    for seed in seeds {
        let replay = format!("BELLWETHER_SEED={seed} cargo test --lib engine::sim::{test}");
        match catch_unwind(AssertUnwindSafe(|| once(seed, &scenario))) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => panic!("seed {seed}: {why}\nreplay with: {replay}"),
            Err(panic) => {
                eprintln!("seed {seed} panicked; replay with: {replay}");
                resume_unwind(panic);
            }
        }
    }
}

/// The first of `count` seeds under which `scenario` breaks a bound.
pub(super) fn caught<F, R>(count: u64, scenario: F) -> Option<(u64, String)>
where
    F: Fn(fastrand::Rng) -> R,
    R: Future<Output = Verdict>,
{
    (0..count).find_map(|seed| once(seed, &scenario).err().map(|why| (seed, why)))
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value:?}, must be a number")),
    )
}
