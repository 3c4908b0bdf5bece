//! Redis dies or freezes under load, and comes back.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::bound::assert_one_per_cycle;
use crate::fleet::{Fleet, NODES, REDIS_BUDGET, SLACK};
use crate::load::{Load, Samples};
use crate::report::{figures, ms, row};
use crate::support::origin::Page;

const LATENCY: Duration = Duration::from_millis(200);
/// Where stale may be served: so long that whoever waits for the origin is seen.
const SLOW: Duration = Duration::from_millis(600);
const THINK: Duration = Duration::from_millis(20);
/// Clients on each node for each of the two pages.
const CLIENTS: usize = 24;
/// Redis is away for this long.
const AWAY: Duration = Duration::from_secs(5);
/// After its return, the bound of the whole fleet holds again within this.
const SETTLED: Duration = Duration::from_secs(3);
/// Watched from then on: three cycles at least.
const WATCHED: Duration = Duration::from_secs(7);
const STALE: &str = "/stale";
const WAIT: &str = "/wait";

/// What was seen, and when Redis was back.
struct Outage {
    stale: Samples,
    wait: Samples,
    gone: Instant,
    back: Instant,
}

async fn outage(
    fleet: &mut Fleet,
    away: impl FnOnce(&mut Fleet),
    back: impl FnOnce(&mut Fleet),
) -> Outage {
    let page = |age: &str| Page::new("v{n}").cache_control(age);
    let stale = page("max-age=2, stale-while-revalidate=30");
    fleet.origin.serve(STALE, stale.latency(SLOW));
    fleet.origin.serve(WAIT, page("max-age=2").latency(LATENCY));
    fleet.warm(STALE).await;
    let stale = Load::start(fleet.targets(STALE), CLIENTS, THINK).await;
    let wait = Load::start(fleet.targets(WAIT), CLIENTS, THINK).await;
    sleep(Duration::from_secs(2)).await;
    away(fleet);
    let gone = Instant::now();
    sleep(AWAY).await;
    back(fleet);
    let back = Instant::now();
    sleep(SETTLED + WATCHED).await;
    Outage {
        stale: stale.stop().await,
        wait: wait.stop().await,
        gone,
        back,
    }
}

fn assert_hardly_felt(fleet: &Fleet, outage: &Outage, claim: &str) {
    let Outage {
        stale,
        wait,
        gone,
        back,
    } = outage;
    let settled = *back + SETTLED;
    let stall = fleet.stall.worst();
    for (path, samples) in [(STALE, stale), (WAIT, wait)] {
        let fetches = fleet.fetches(path);
        let between = |from: Instant, to: Instant| {
            fetches
                .iter()
                .filter(|(at, _)| *at >= from && *at < to)
                .count()
        };
        let after: Vec<_> = fetches
            .iter()
            .copied()
            .filter(|(at, _)| *at >= settled)
            .collect();
        row(
            &format!("{claim}, {path}"),
            &format!(
                "{}; origin: {} while away, {} while coming back, {} in {WATCHED:?} after; peak {}; \
                 machine's worst stall {}",
                figures(samples),
                between(*gone, *back),
                between(*back, settled),
                after.len(),
                fleet.origin.peak_of(path),
                ms(stall),
            ),
        );
    }
    for (path, samples, wait) in [(STALE, stale, Duration::ZERO), (WAIT, wait, LATENCY)] {
        assert_eq!(samples.errors(), 0, "{path}");
        assert!(fleet.origin.peak_of(path) <= NODES as u64, "{path}");
        let longest = wait + REDIS_BUDGET + SLACK + stall;
        let slow = samples.filter(|sample| sample.took > longest);
        let slow: Vec<_> = slow
            .0
            .iter()
            .map(|one| (one.node, one.sent - *gone, one.took))
            .collect();
        assert!(
            slow.is_empty(),
            "{path}: (node, sent after the loss, took): {slow:?}"
        );
        let fetches = fleet.fetches(path);
        for node in 0..NODES {
            let own: Vec<_> = fetches
                .iter()
                .copied()
                .filter(|(_, by)| *by == node)
                .collect();
            assert_one_per_cycle(&own, stall, &format!("{path}, node {node}"));
        }
        let after: Vec<_> = fetches
            .into_iter()
            .filter(|(at, _)| *at >= settled)
            .collect();
        let gaps = assert_one_per_cycle(&after, stall, &format!("{path}, after {SETTLED:?}"));
        assert!(gaps.len() >= 2, "{path}: the refreshing stopped: {gaps:?}");
    }
    assert!(fleet.nodes.iter().all(|node| !node.panicked()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_started_again_is_hardly_felt() {
    let mut fleet = Fleet::start().await;
    let away = |fleet: &mut Fleet| fleet.redis.kill();
    let back = |fleet: &mut Fleet| fleet.redis.restart();
    let outage = outage(&mut fleet, away, back).await;
    assert_hardly_felt(&fleet, &outage, "Redis killed 5 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_freezes_and_thaws_is_hardly_felt() {
    let mut fleet = Fleet::start().await;
    let away = |fleet: &mut Fleet| fleet.redis.stop();
    let back = |fleet: &mut Fleet| fleet.redis.cont();
    let outage = outage(&mut fleet, away, back).await;
    assert_hardly_felt(&fleet, &outage, "Redis frozen 5 s");
}
