//! One hot key, three nodes, many clients: the origin is asked once per cycle.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, SLACK};
use crate::load::{Load, Samples, Target, crowd};
use crate::report::{figures, ms, row};
use crate::support::origin::Page;

/// What the origin takes for a page.
const LATENCY: Duration = Duration::from_millis(200);
/// For how long a page is fresh.
const MAX_AGE: Duration = Duration::from_secs(2);
/// Clients on each node.
const CLIENTS: usize = 64;
/// Between two requests of a client.
const THINK: Duration = Duration::from_millis(20);
/// The longest wait of all but one in a hundred, where stale may be served.
const HIT: Duration = Duration::from_millis(50);

fn page(cache_control: &str) -> Page {
    Page::new("v{n}")
        .cache_control(cache_control)
        .latency(LATENCY)
}

async fn run(targets: Vec<Target>, time: Duration) -> Samples {
    let load = Load::start(targets, CLIENTS, THINK).await;
    sleep(time).await;
    load.stop().await
}

/// Asserts that the requests to the origin are one per cycle of the whole fleet: never two at
/// once, never before the last response had to be replaced, and never none. Returns the gaps.
///
/// A refresh is early by as much as the last one took, and that is longer by a `stall` of the
/// machine.
pub(crate) fn assert_one_per_cycle(
    fetches: &[(Instant, usize)],
    stall: Duration,
    what: &str,
) -> Vec<Duration> {
    let starts = fetches.iter().map(|(at, _)| *at);
    let gaps: Vec<_> = starts
        .clone()
        .zip(starts.skip(1))
        .map(|(one, next)| next - one)
        .collect();
    // An origin's second is not ours: `Date` and `Age` know whole seconds only, and freshness
    // counts from when the response was made.
    let earliest = (MAX_AGE - LATENCY - SLACK).saturating_sub(stall);
    for gap in &gaps {
        assert!(
            *gap >= earliest,
            "{what}: two origin requests for one cycle: {gaps:?}"
        );
    }
    gaps
}

fn report(claim: &str, fleet: &Fleet, path: &str, samples: &Samples, gaps: &[Duration]) {
    let gaps: Vec<_> = gaps.iter().map(|gap| gap.as_millis()).collect();
    row(
        claim,
        &format!(
            "{} origin requests (peak {}), {}; machine's worst stall {}; cycles {gaps:?} ms",
            fleet.origin.requests_to(path),
            fleet.origin.peak_of(path),
            figures(samples),
            ms(fleet.stall.worst()),
        ),
    );
}

fn assert_lively(gaps: &[Duration], time: Duration, clients: &Samples) {
    assert!(clients.len() > 1_000, "clients were hardly heard");
    let longest = MAX_AGE + LATENCY + Duration::from_millis(500);
    assert!(
        gaps.iter().all(|gap| *gap <= longest),
        "a cycle took too long: {gaps:?}"
    );
    assert!(
        longest * u32::try_from(gaps.len() + 2).expect("a few") >= time,
        "the refreshing stopped: {gaps:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_stale_may_be_served_the_origin_is_asked_once_a_cycle_and_nobody_waits() {
    let fleet = Fleet::start().await;
    fleet
        .origin
        .serve("/hot", page("max-age=2, stale-while-revalidate=30"));
    let time = Duration::from_secs(20);
    let all = run(fleet.targets("/hot"), time).await;
    let fetches = fleet.fetches("/hot");
    let gaps = assert_one_per_cycle(&fetches, fleet.stall.worst(), "with stale-while-revalidate");
    let served = all.since(all.first_done());
    report(
        "hot key, stale permitted, 20 s",
        &fleet,
        "/hot",
        &served,
        &gaps,
    );

    assert_eq!(all.errors(), 0);
    assert_eq!(fleet.origin.peak_of("/hot"), 1);
    assert!(served.quantile(0.99) <= HIT, "{}", figures(&served));
    // Before there is anything to serve, all wait for the one response.
    let first = LATENCY + SLACK + REDIS_AND_FOLLOW + fleet.stall.worst();
    assert!(all.longest() <= first, "{}", figures(&all));
    assert_lively(&gaps, time, &all);
}

/// Beside the origin's own time, before a client that waits has its answer.
const REDIS_AND_FOLLOW: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_stale_may_be_served_all_wait_for_that_one_request_only() {
    let fleet = Fleet::start().await;
    fleet.origin.serve("/hot", page("max-age=2"));
    let time = Duration::from_secs(10);
    let all = run(fleet.targets("/hot"), time).await;
    let gaps = assert_one_per_cycle(
        &fleet.fetches("/hot"),
        fleet.stall.worst(),
        "without stale-while-revalidate",
    );
    report(
        "hot key, nothing stale permitted, 10 s",
        &fleet,
        "/hot",
        &all,
        &gaps,
    );

    assert_eq!(all.errors(), 0);
    assert_eq!(fleet.origin.peak_of("/hot"), 1);
    let longest = LATENCY + REDIS_AND_FOLLOW + fleet.stall.worst();
    assert!(all.longest() <= longest, "{}", figures(&all));
    assert_lively(&gaps, time, &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_asked_by_their_own_addresses_are_one_fleet_too() {
    let fleet = Fleet::start().await;
    fleet
        .origin
        .serve("/hot", page("max-age=2, stale-while-revalidate=30"));
    let time = Duration::from_secs(5);
    let targets = fleet.nodes.iter().map(|node| node.by_address("/hot"));
    let all = run(targets.collect(), time).await;
    let gaps = assert_one_per_cycle(&fleet.fetches("/hot"), fleet.stall.worst(), "by address");
    report(
        "hot key, each node by its own address, 5 s",
        &fleet,
        "/hot",
        &all,
        &gaps,
    );

    assert_eq!(all.errors(), 0);
    assert_eq!(fleet.origin.peak_of("/hot"), 1);
    assert_lively(&gaps, time, &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_on_an_unseen_key_are_one_origin_request() {
    let fleet = Fleet::start().await;
    let mut longest = Vec::new();
    for round in 0..3 {
        let path = format!("/unseen/{round}");
        fleet.origin.serve(&path, page("max-age=60"));
        let all = crowd(&fleet.targets(&path), 1_000).await;
        assert_eq!(fleet.origin.requests_to(&path), 1);
        assert_eq!((all.errors(), all.count(1)), (0, 1_000));
        longest.push(ms(all.longest()));
    }
    row(
        "1,000 clients on an unseen key, 3 rounds",
        &format!("1 origin request each, all served; longest waits {longest:?}"),
    );
}
