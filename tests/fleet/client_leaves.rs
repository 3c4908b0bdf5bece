//! The client whose request leads goes away.

use std::time::Duration;

use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::load::{Line, Load};
use crate::report::{figures, row};
use crate::support::origin::Page;
use crate::support::until;

const LATENCY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refresh_goes_on_without_the_client_that_began_it() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}")
        .cache_control("max-age=60")
        .latency(LATENCY);
    for (path, followers) in [("/alone", false), ("/followed", true)] {
        fleet.origin.serve(path, page.clone());
        let mut leader = Line::open(fleet.nodes[0].target(path)).await.expect("open");
        leader.say().await.expect("sent");
        until("the client leads", || fleet.origin.requests_to(path) == 1).await;
        let load = if followers {
            let load = Load::start(fleet.targets(path), 8, Duration::from_secs(1)).await;
            sleep(Duration::from_millis(100)).await;
            Some(load)
        } else {
            None
        };
        drop(leader);
        sleep(LATENCY + Duration::from_millis(200)).await;
        for node in 0..3 {
            assert_eq!(fleet.get(node, path).await.text(), "v1", "{path}");
        }
        if let Some(load) = load {
            let all = load.stop().await;
            row("leading client leaves, followers", &figures(&all));
            assert_eq!((all.errors(), all.count(1)), (0, all.len()));
            let longest = LATENCY + Duration::from_millis(150) + fleet.stall.worst();
            assert!(all.longest() <= longest, "{}", figures(&all));
        }
        assert_eq!(fleet.origin.requests_to(path), 1, "{path}");
    }
}
