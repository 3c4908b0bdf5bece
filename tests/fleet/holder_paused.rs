//! The node that fetches stands still past its lease, and wakes up with an old response.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, LEASE, NODES};
use crate::load::{Load, Samples};
use crate::report::{figures, ms, row};
use crate::support::origin::{Page, Part};
use crate::support::until;

/// The holder stands still for this long.
const PAUSE: Duration = Duration::from_secs(4);
const THINK: Duration = Duration::from_millis(5);
/// For another node than the one that fetched to hear of it.
const HEARSAY: Duration = Duration::from_millis(50);

/// What the clients of all nodes saw, and when.
struct Story {
    all: Samples,
    holder: usize,
    resumed: Instant,
    /// Somebody had the newer response.
    newer: Instant,
}

/// The holder of the refresh that the origin's request `old` is for is stopped in the middle of
/// it, and goes on after another node has refreshed.
async fn pause_the_holder(fleet: &Fleet, path: &str, old: usize) -> Story {
    let mut load = Load::start(fleet.targets(path), 8, THINK).await;
    until("a node refreshes", || fleet.origin.requests_to(path) == old).await;
    let holder = fleet.asker(path, old - 1);
    fleet.nodes[holder].proxy.stop();
    let stopped = Instant::now();
    fleet
        .origin
        .serve(path, Page::new("v{n}").cache_control("max-age=60"));
    until("another takes over", || {
        fleet.origin.requests_to(path) == old + 1
    })
    .await;
    assert!(stopped.elapsed() <= LEASE + Duration::from_millis(500));
    sleep(Duration::from_millis(200)).await;
    // New clients of the holder, who come after the newer response was seen, and have to wait.
    load.join(fleet.nodes[holder].target(path), 8, THINK).await;
    sleep((stopped + PAUSE).saturating_duration_since(Instant::now())).await;
    fleet.nodes[holder].proxy.cont();
    let resumed = Instant::now();
    sleep(Duration::from_millis(1_500)).await;
    let all = load.stop().await;
    let newer = all.first_seen(old as u64 + 1);
    Story {
        all,
        holder,
        resumed,
        newer,
    }
}

fn assert_never_older(fleet: &Fleet, story: &Story, path: &str, old: u64, claim: &str) {
    let Story {
        all,
        holder,
        resumed,
        newer,
    } = story;
    let after = all.filter(|sample| sample.node == *holder && sample.done() >= *resumed);
    let older = |from: Instant| all.filter(|one| one.done() > from && one.version <= old);
    row(
        claim,
        &format!(
            "{}; newer seen {} before the holder went on; its clients after that: {}; older \
             answers after the newer one: {}",
            figures(&all.filter(|sample| sample.node != *holder)),
            ms(*resumed - *newer),
            figures(&after),
            older(*newer + HEARSAY).len()
        ),
    );
    assert_eq!(fleet.origin.requests_to(path) as u64, old + 1);
    assert_eq!(all.errors(), 0);
    assert!(*newer < *resumed);
    assert_eq!(all.count(old), 0, "what the paused holder fetched is seen");
    assert!(after.len() > 100, "the holder serves again");
    let older = older(*newer + HEARSAY);
    assert_eq!(older.len(), 0, "{:?}", older.0);
    for node in 0..NODES {
        assert!(all.of(node).count(old + 1) > 0, "node {node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_is_served_where_stale_is_permitted() {
    let fleet = Fleet::start().await;
    let page = |age: &str| Page::new("v{n}").cache_control(age);
    fleet
        .origin
        .serve("/page", page("max-age=1, stale-while-revalidate=60"));
    fleet.warm("/page").await;
    let slow = page("max-age=60").latency(Duration::from_millis(500));
    fleet.origin.serve("/page", slow);
    let story = pause_the_holder(&fleet, "/page", 2).await;
    assert_never_older(
        &fleet,
        &story,
        "/page",
        2,
        "holder paused 4 s, stale permitted",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_who_wait_on_the_paused_holder_get_the_newer_one() {
    let fleet = Fleet::start().await;
    let slow = Page::new("v{n}").cache_control("max-age=60");
    fleet
        .origin
        .serve("/cold", slow.latency(Duration::from_millis(500)));
    let story = pause_the_holder(&fleet, "/cold", 1).await;
    assert_never_older(&fleet, &story, "/cold", 1, "holder paused 4 s, cold key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_joins_a_body_that_a_paused_holder_goes_on_with() {
    let fleet = Fleet::start().await;
    let halves = [
        Part::Data("v{n}, the first half".into()),
        Part::Hold,
        Part::Data(", the second".into()),
    ];
    let page = Page::parts(halves).cache_control("max-age=60");
    fleet.origin.serve("/long", page);
    // One who came in time is served to the end.
    let holder = &fleet.nodes[0];
    let early = holder.open(holder.request("GET", "/long")).await;
    holder.proxy.stop();
    fleet
        .origin
        .serve("/long", Page::new("v{n}").cache_control("max-age=60"));
    let others = fleet.targets("/long").into_iter().skip(1);
    let load = Load::start(others, 4, THINK).await;
    until("another takes over", || {
        fleet.origin.requests_to("/long") == 2
    })
    .await;
    let mut late = Load::start([holder.target("/long")], 8, THINK).await;
    sleep(PAUSE - LEASE).await;
    holder.proxy.cont();
    late.join(holder.target("/long"), 8, THINK).await;
    sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    fleet.origin.release();
    let early = early.into_body().collect().await;
    let early = early.expect("a whole body").to_bytes();
    sleep(Duration::from_millis(300)).await;
    let (all, late) = (load.stop().await, late.stop().await);
    row(
        "holder paused in the middle of a body",
        &format!(
            "{} older answers of {} to those who came after; {}",
            late.count(1),
            late.len(),
            figures(&late.since(begun))
        ),
    );
    assert_eq!(early, "v1, the first half, the second");
    assert_eq!(fleet.origin.requests_to("/long"), 2);
    assert_eq!((all.errors(), late.errors()), (0, 0));
    assert_eq!((all.count(1), late.count(1)), (0, 0));
    assert!(late.count(2) > 100, "{}", figures(&late));
}
