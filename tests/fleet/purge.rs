//! A purge while the page is being fetched.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::Fleet;
use crate::load::Load;
use crate::report::{figures, ms, row};
use crate::support::origin::Page;
use crate::support::redis_server::run;
use crate::support::until;

const LATENCY: Duration = Duration::from_millis(400);
const THINK: Duration = Duration::from_millis(5);
/// For the other nodes to hear of a purge.
const HEARSAY: Duration = Duration::from_millis(50);

fn page() -> Page {
    Page::new("v{n}").cache_control("max-age=60")
}

/// How a page is taken away.
#[derive(Debug, Clone, Copy)]
enum By {
    Admin,
    Method(&'static str),
}

impl By {
    async fn take_away(self, fleet: &Fleet, node: usize, path: &str) {
        let node = &fleet.nodes[node];
        match self {
            Self::Admin => node.purge(path).await,
            Self::Method(method) => {
                let answer = node.send(node.request(method, path)).await;
                assert_eq!(answer.status, 200);
            }
        }
    }
}

const WAYS: [By; 4] = [
    By::Admin,
    By::Method("PUT"),
    By::Method("POST"),
    By::Method("DELETE"),
];

/// `before` is what was made before the purge. Those who asked before it may get that.
async fn assert_gone(load: Load, path: &str, by: By, when: Instant, before: u64) {
    sleep(LATENCY * 2 + Duration::from_millis(200)).await;
    let purger = by_node(path);
    let all = load.stop().await;
    let outdated = |node: usize, from: Instant| {
        let sent_after = all.of(node).since(from);
        sent_after.filter(|sample| sample.version <= before)
    };
    let late: Vec<_> = (0..3)
        .map(|node| {
            let seen = outdated(node, when)
                .0
                .into_iter()
                .map(|one| one.sent - when);
            seen.max().map_or("-".to_owned(), ms)
        })
        .collect();
    row(
        &format!("{path} by {by:?}"),
        &format!(
            "{}; last outdated per node {late:?} after it",
            figures(&all)
        ),
    );
    assert_eq!(all.errors(), 0, "{path}");
    for node in 0..3 {
        let grace = if node == purger {
            Duration::ZERO
        } else {
            HEARSAY
        };
        let outdated = outdated(node, when + grace);
        assert_eq!(outdated.len(), 0, "{path}, node {node}: {:?}", outdated.0);
        assert!(
            all.of(node).since(when).count(before + 1) > 20,
            "{path}, node {node}"
        );
    }
}

/// The node that purges: neither the first, which holds or fetches, nor always the same.
fn by_node(path: &str) -> usize {
    1 + path.len() % 2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_on_every_node_is_gone_from_every_node() {
    let fleet = Fleet::start().await;
    for (number, by) in WAYS.into_iter().enumerate() {
        let path = format!("/stored/{}", "x".repeat(number));
        fleet.origin.serve(&path, page());
        fleet.warm(&path).await;
        let load = Load::start(fleet.targets(&path), 4, THINK).await;
        sleep(Duration::from_millis(100)).await;
        // Counted by the origin too, if it is a request: the next page has a higher number.
        let extra = u64::from(matches!(by, By::Method(_)));
        by.take_away(&fleet, by_node(&path), &path).await;
        let when = Instant::now();
        assert_gone(load, &path, by, when, 1 + extra).await;
        assert_eq!(fleet.origin.requests_to(&path) as u64, 2 + extra, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_fetched_is_not_served_to_those_who_come_after() {
    let fleet = Fleet::start().await;
    for (number, by) in WAYS.into_iter().enumerate() {
        let path = format!("/fetched/{}", "x".repeat(number));
        fleet.origin.serve(&path, page().latency(LATENCY));
        let first = vec![fleet.nodes[0].target(&path)];
        let mut load = Load::start(first, 4, THINK).await;
        until("it is being fetched", || {
            fleet.origin.requests_to(&path) == 1
        })
        .await;
        for target in fleet.targets(&path) {
            load.join(target, 4, THINK).await;
        }
        sleep(LATENCY / 4).await;
        // The unsafe request is answered at once, in the middle of the fetch.
        fleet.origin.serve(&path, page());
        let extra = u64::from(matches!(by, By::Method(_)));
        by.take_away(&fleet, by_node(&path), &path).await;
        let when = Instant::now();
        assert_gone(load, &path, by, when, 1 + extra).await;
        assert_eq!(fleet.origin.requests_to(&path) as u64, 2 + extra, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_page_is_gone_too_while_its_refresh_is_under_way() {
    let fleet = Fleet::start().await;
    let stale = Page::new("v{n}").cache_control("max-age=1, stale-while-revalidate=60");
    fleet.origin.serve("/stale", stale);
    fleet.warm("/stale").await;
    fleet.origin.serve("/stale", page().latency(LATENCY));
    let load = Load::start(fleet.targets("/stale"), 4, THINK).await;
    until("it is refreshed", || {
        fleet.origin.requests_to("/stale") == 2
    })
    .await;
    sleep(LATENCY / 4).await;
    fleet.origin.serve("/stale", page());
    let purger = by_node("/stale");
    fleet.nodes[purger].purge("/stale").await;
    let when = Instant::now();
    assert_gone(load, "/stale", By::Admin, when, 2).await;
    assert_eq!(fleet.origin.requests_to("/stale"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_gone_from_every_node_what_is_being_fetched_too() {
    let fleet = Fleet::start().await;
    fleet.origin.serve("/kept", page());
    fleet.warm("/kept").await;
    fleet.origin.serve("/coming", page().latency(LATENCY));
    let mut load = Load::start(vec![fleet.nodes[0].target("/coming")], 4, THINK).await;
    until("it is being fetched", || {
        fleet.origin.requests_to("/coming") == 1
    })
    .await;
    for target in fleet.targets("/coming") {
        load.join(target, 4, THINK).await;
    }
    let kept = Load::start(fleet.targets("/kept"), 4, THINK).await;
    sleep(LATENCY / 4).await;
    fleet.origin.serve("/coming", page());
    fleet.nodes[by_node("/coming")].purge_all().await;
    let when = Instant::now();
    assert_gone(load, "/coming", By::Admin, when, 1).await;
    let kept = kept.stop().await;
    assert_eq!(kept.errors(), 0);
    let outdated = kept.since(when + HEARSAY).filter(|one| one.version == 1);
    assert_eq!(outdated.len(), 0, "{:?}", outdated.0);
    assert!(kept.since(when).count(2) > 100);
    for path in ["/kept", "/coming"] {
        assert_eq!(fleet.origin.requests_to(path), 2, "{path}");
    }
}

/// It holds the pages, the event is lost, and the store has the pages still, under the names that the
/// node knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_through_a_purge_of_everything_serves_nothing_from_before_it() {
    let fleet = Fleet::start().await;
    let paths: Vec<_> = (0..40).map(|number| format!("/slept/{number}")).collect();
    for path in &paths {
        fleet.origin.serve(path, page());
        fleet.warm(path).await;
    }
    let sleeper = &fleet.nodes[2];
    sleeper.proxy.stop();
    let now: (u64, u64) = run(&fleet.redis, &["TIME"]).await;
    let era = (now.0 * 1_000_000 + now.1).to_string();
    let key = format!("{{bw1:default:{}}}:era", "0".repeat(32));
    run::<()>(&fleet.redis, &["SET", &key, &era, "PX", "600000"]).await;
    sleep(Duration::from_secs(3)).await;
    for path in &paths[..20] {
        assert_eq!(fleet.nodes[0].get(path).await.text(), "v2");
    }
    let waiting: Vec<_> = paths.iter().map(|path| sleeper.get(path)).collect();
    let wake = async {
        sleep(Duration::from_millis(50)).await;
        sleeper.proxy.cont();
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(waiting), wake);
    for (path, answer) in paths.iter().zip(answers) {
        assert_eq!(answer.text(), "v2", "{path}");
    }
    for path in &paths {
        assert_eq!(fleet.origin.requests_to(path), 2, "{path}");
    }
}
