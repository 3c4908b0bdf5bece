//! Thousands of contended holds, with pauses, losses and crashes, and what their history says. And
//! the check is checked: with something wrong in the store, it has to fail.

mod checker;
mod scripted;
mod shaky;

use std::sync::Arc;
use std::time::Duration;

use bellwether::lock::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::checker::{Figures, Hold, Shared};
use self::scripted::{Scripted, Without};
use self::shaky::{Mutant, Shaky};
use crate::support::SECOND;
use crate::support::redis_server::RedisServer;

const LEASE: Duration = Duration::from_millis(60);

/// What is said where two have the lock, whichever of it comes first.
const TWO: &[&str] = &["two are sure", "of a sure holder was refused"];
/// What is said where fences do not rise.
const FENCE: &[&str] = &["does not rise", "of a sure holder was refused"];

fn micros(since: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(since).as_micros()).unwrap()
}

/// One process that wants the lock again and again, until the end or until something is wrong.
async fn worker(lock: Lock, history: Shared, begun: Instant, end: Instant) {
    while Instant::now() < end {
        if fastrand::u32(..8) == 0 {
            // One that gives up, wherever it stands.
            let patience = Duration::from_micros(fastrand::u64(..20_000));
            let _ = timeout(patience, lock.lock(SECOND)).await;
            continue;
        }
        let lock = lock.clone().renewed(fastrand::u32(..3) > 0);
        let Ok(guard) = lock.lock(SECOND).await else {
            continue;
        };
        hold(guard, &history, begun).await;
        sleep(Duration::from_micros(fastrand::u64(..3_000))).await;
    }
}

async fn hold(guard: Guard, history: &Shared, begun: Instant) {
    let granted = Instant::now();
    let fence = guard.fence().get();
    let left = guard.left();
    let mut sure = granted + left;
    // Some stand still, far past their lease, and do not look.
    let pauses = fastrand::u32(..6) == 0;
    let work = match fastrand::u32(..4) {
        0 => LEASE * 2,
        _ => LEASE / 4,
    };
    let work = work.mul_f64(fastrand::f64());
    let mut held = !left.is_zero();
    while granted.elapsed() < work {
        sleep(Duration::from_millis(2)).await;
        // Read in this order: the time left is counted from after it.
        let (now, left) = (Instant::now(), guard.left());
        held &= !left.is_zero();
        if held {
            sure = sure.max(now + left);
        } else if !pauses {
            break;
        }
        // Under the lock of the history, so that the order of the writes is that of the list.
        let mut history = history.lock().unwrap();
        let still = held && !guard.left().is_zero();
        history.write(fence, still);
    }
    if pauses {
        sleep(LEASE.mul_f64(1.0 + 2.0 * fastrand::f64())).await;
        let mut history = history.lock().unwrap();
        history.write(fence, false);
    }
    let stopped = Instant::now();
    let left = guard.left();
    // What the holder was told: until it gives it back, if it has it still.
    let sure = if left.is_zero() {
        sure.min(stopped)
    } else {
        stopped
    };
    history.lock().unwrap().holds.push(Hold {
        fence,
        granted: micros(begun, granted),
        sure: micros(begun, sure),
        stopped: micros(begun, stopped),
    });
    match fastrand::u32(..4) {
        // A crash: nobody gives it back.
        0 if pauses => std::mem::forget(guard),
        1 => drop(guard),
        _ => drop(guard.release().await),
    }
}

/// Lets one process loose on each of these, for so many locks each, for so long or until something
/// is wrong.
async fn run(
    tiers: Vec<Arc<dyn LockTier>>,
    locks: usize,
    time: Duration,
) -> Result<Figures, String> {
    let begun = Instant::now();
    let histories: Vec<_> = (0..locks).map(|_| Shared::default()).collect();
    let mut all = JoinSet::new();
    for tier in tiers {
        for (name, history) in histories.iter().enumerate() {
            let lock = Lock::new(Arc::clone(&tier), name.to_string()).lease(LEASE);
            let lock = lock.longest(LEASE * 4);
            all.spawn(worker(lock, Arc::clone(history), begun, begun + time));
        }
    }
    let verdict = || {
        let each = histories.iter().map(|one| one.lock().unwrap().verdict());
        each.sum::<Result<Figures, String>>()
    };
    while begun.elapsed() < time {
        sleep(Duration::from_millis(250)).await;
        verdict()?;
    }
    all.join_all().await;
    verdict()
}

fn seeded() -> u64 {
    let seed = std::env::var("LOCK_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    fastrand::seed(seed);
    seed
}

/// Eight processes on a store in this process, with delays and losses.
async fn run_shaky(mutant: Option<Mutant>, time: Duration) -> Result<Figures, String> {
    let seed = seeded();
    let store = Shaky::new(mutant, 0, true);
    let tiers = (0..8).map(|_| Arc::new(store.clone()) as Arc<dyn LockTier>);
    let said = run(tiers.collect(), 1, time).await;
    said.map_err(|why| format!("LOCK_SEED={seed}: {why}"))
}

/// Six processes on five stores whose clocks differ by up to 40 ms.
async fn run_shaky_redlock(mutant: Option<Mutant>, time: Duration) -> Result<Figures, String> {
    let seed = seeded();
    let stores: Vec<_> = (0..5)
        .map(|at| Shaky::new(mutant, 10_000 * at, true))
        .collect();
    let tiers = (0..6).map(|_| {
        let redlock = Redlock::new(stores.clone()).unwrap();
        Arc::new(redlock.timeout(Duration::from_millis(10))) as Arc<dyn LockTier>
    });
    let said = run(tiers.collect(), 1, time).await;
    said.map_err(|why| format!("LOCK_SEED={seed}: {why}"))
}

fn enough(what: &str, figures: Figures, holds: usize) {
    println!("{what}: {figures:?}");
    let Figures {
        outlived, refused, ..
    } = figures;
    assert!(
        figures.holds >= holds && outlived > 20 && refused > 20,
        "{figures:?} proves nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn two_are_never_sure_at_once_and_who_outlived_its_lease_is_refused() {
    let figures = run_shaky(None, 600 * SECOND).await.unwrap();
    enough("in memory, with losses", figures, 4_000);
}

#[tokio::test(start_paused = true)]
async fn over_five_servers_with_clocks_that_differ_it_is_the_same() {
    let figures = run_shaky_redlock(None, 1_200 * SECOND).await.unwrap();
    enough("over five servers, with losses", figures, 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server_it_is_the_same() {
    let server = RedisServer::start();
    let mut tiers = Vec::new();
    for _ in 0..8 {
        let locks = RedisLock::connect(&server.url()).await.unwrap();
        tiers.push(Arc::new(locks) as Arc<dyn LockTier>);
    }
    let figures = run(tiers, 12, 10 * SECOND).await.unwrap();
    enough("redis", figures, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_store_with_something_wrong_is_caught() {
    for (mutant, why) in [
        (Mutant::ReleasesAnyones, TWO),
        (Mutant::RenewsInWords, TWO),
        (Mutant::GrantsHeld, TWO),
        (Mutant::SameFence, FENCE),
    ] {
        let said = run_shaky(Some(mutant), 600 * SECOND).await;
        let said = said.expect_err(&format!("{mutant:?} was not caught"));
        println!("{mutant:?}: {said}");
        assert!(
            why.iter().any(|why| said.contains(why)),
            "{mutant:?}: {said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_second_round_the_fences_of_several_servers_do_not_rise() {
    let said = run_shaky_redlock(Some(Mutant::ForgetsRaise), 1_200 * SECOND).await;
    let said = said.expect_err("not caught");
    println!("{said}");
    assert!(FENCE.iter().any(|why| said.contains(why)), "{said}");
}

async fn run_scripted(without: Option<Without>, time: Duration) -> Result<Figures, String> {
    let server = RedisServer::start();
    let mut tiers = Vec::new();
    for _ in 0..8 {
        tiers.push(Arc::new(Scripted::new(&server.url(), without).await) as Arc<dyn LockTier>);
    }
    run(tiers, 12, time).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_without_one_of_their_safeties_are_caught() {
    // As they are, by this way of calling them, they pass.
    enough(
        "scripts",
        run_scripted(None, 5 * SECOND).await.unwrap(),
        300,
    );
    for (without, why) in [
        (Without::Nx, TWO),
        (Without::ComparedRelease, TWO),
        (Without::Fence, FENCE),
    ] {
        let said = run_scripted(Some(without), 60 * SECOND).await;
        let said = said.expect_err(&format!("{without:?} was not caught"));
        println!("without {without:?}: {said}");
        assert!(
            why.iter().any(|why| said.contains(why)),
            "{without:?}: {said}"
        );
    }
}
