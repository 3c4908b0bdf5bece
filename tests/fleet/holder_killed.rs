//! The node that fetches is killed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, LEASE, NODES, SLACK};
use crate::load::Load;
use crate::report::{figures, ms, row};
use crate::support::origin::Page;
use crate::support::until;

const LATENCY: Duration = Duration::from_millis(600);
/// Into its fetch, the holder dies.
const INTO: Duration = Duration::from_millis(200);
const THINK: Duration = Duration::from_millis(10);
/// Past lease and latency, before the last is served.
const TAKE_OVER: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_serve_stale_at_once_and_one_of_them_takes_over() {
    let fleet = Fleet::start().await;
    let page = |age: &str| Page::new("v{n}").cache_control(age);
    fleet
        .origin
        .serve("/page", page("max-age=1, stale-while-revalidate=60"));
    fleet.warm("/page").await;
    assert_eq!(fleet.origin.requests_to("/page"), 1);
    fleet
        .origin
        .serve("/page", page("max-age=60").latency(LATENCY));

    let load = Load::start(fleet.targets("/page"), 8, THINK).await;
    until("a node refreshes", || {
        fleet.origin.requests_to("/page") == 2
    })
    .await;
    let holder = fleet.asker("/page", 1);
    sleep(INTO).await;
    fleet.nodes[holder].proxy.kill();
    let killed = Instant::now();
    until("another takes over", || {
        fleet.origin.requests_to("/page") == 3
    })
    .await;
    let taken = killed.elapsed();
    sleep(LATENCY + TAKE_OVER).await;
    let all = load.stop().await.filter(|sample| sample.node != holder);
    let fresh = all.first_seen(3) - killed;
    row(
        "holder killed, stale permitted",
        &format!(
            "{}; successor after {}, its response after {}",
            figures(&all),
            ms(taken),
            ms(fresh)
        ),
    );

    assert_eq!(fleet.origin.requests_to("/page"), 3, "one more, exactly");
    assert_ne!(fleet.asker("/page", 2), holder);
    assert_eq!(all.errors(), 0);
    let longest = Duration::from_millis(50) + fleet.stall.worst();
    assert!(all.longest() <= longest, "{}", figures(&all));
    assert!(fresh <= LEASE + LATENCY + TAKE_OVER, "{fresh:?}");
    assert_eq!(all.count(2), 0, "the killed fetch cannot have been stored");
    let late = all.since(killed + LEASE + LATENCY + TAKE_OVER + SLACK);
    assert!(late.0.iter().all(|sample| sample.version == 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_cold_key_are_served_by_a_successor_within_a_lease() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}")
        .cache_control("max-age=60")
        .latency(LATENCY);
    fleet.origin.serve("/cold", page);

    let load = Load::start(fleet.targets("/cold"), 16, THINK).await;
    until("a node fetches", || fleet.origin.requests_to("/cold") == 1).await;
    let holder = fleet.asker("/cold", 0);
    sleep(INTO).await;
    fleet.nodes[holder].proxy.kill();
    let killed = Instant::now();
    sleep(LEASE + LATENCY + TAKE_OVER + SLACK).await;
    let all = load.stop().await.filter(|sample| sample.node != holder);
    let waits: Vec<_> = (0..NODES)
        .filter(|node| *node != holder)
        .map(|node| all.of(node).first_done() - killed)
        .collect();
    row(
        "holder killed, cold key",
        &format!("{}; nodes served {waits:?} after the kill", figures(&all)),
    );

    assert_eq!(fleet.origin.requests_to("/cold"), 2, "one more, exactly");
    assert_eq!(all.errors(), 0);
    assert_eq!(all.count(2), all.len());
    let bound = LEASE + LATENCY + TAKE_OVER;
    assert!(waits.iter().all(|wait| *wait <= bound), "{waits:?}");
}
