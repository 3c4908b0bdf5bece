//! What one node stored, the others have.

use std::time::Duration;

use tokio::time::sleep;

use crate::fleet::{Fleet, NODES};
use crate::report::{ms, row};
use crate::support::origin::Page;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_on_another_node_is_a_hit() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}, and more")
        .cache_control("max-age=60")
        .header("x-field", "kept")
        .latency(Duration::from_millis(100));
    fleet.origin.serve("/page", page);
    let stored = fleet.get(0, "/page").await;
    assert_eq!(stored.text(), "v1, and more");
    // The client has it a moment before it is stored; who asks in between is a follower.
    sleep(Duration::from_millis(100)).await;
    let mut waits = Vec::new();
    for node in 1..NODES {
        let answer = fleet.get(node, "/page").await;
        let status = answer.header("cache-status");
        assert!(
            status.starts_with(&format!("bellwether/n{node}; hit; ttl=")),
            "{status}"
        );
        assert!(status.ends_with("detail=shared"), "{status}");
        assert_eq!(answer.body, stored.body);
        assert_eq!(answer.header("x-field"), "kept");
        waits.push(ms(answer.took));
        // From its own memory from now on.
        let again = fleet.get(node, "/page").await;
        assert!(!again.header("cache-status").contains("shared"));
        assert_eq!(fleet.nodes[node].stat("shared_hits").await, 1);
    }
    row(
        "first request on another node",
        &format!("a hit after {waits:?}"),
    );
    assert_eq!(fleet.origin.requests_to("/page"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_one_node_had_confirmed_is_fresh_for_all() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}").cache_control("max-age=1");
    fleet
        .origin
        .serve("/page", page.header("etag", "\"first\""));
    fleet.warm("/page").await;
    assert_eq!(fleet.origin.requests_to("/page"), 1);
    let confirmed = Page::new("")
        .status(304)
        .cache_control("max-age=60")
        .header("etag", "\"first\"");
    fleet.origin.serve("/page", confirmed);
    sleep(Duration::from_millis(1_300)).await;
    for round in 0..2 {
        // The one that asks is not the one that fetched it first.
        for node in [1, 2, 0] {
            let answer = fleet.get(node, "/page").await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "v1"));
            let status = answer.header("cache-status");
            let asked = round == 0 && node == 1;
            assert_eq!(status.contains("fwd-status=304"), asked, "{status}");
            assert_eq!(status.contains("; hit"), !asked, "{status}");
            if asked {
                // It is answered before it is committed; the others would wait for that.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let heads = fleet.origin.heads("/page");
    assert_eq!(heads.len(), 2);
    assert_eq!(heads[1].headers["if-none-match"], "\"first\"");
}
