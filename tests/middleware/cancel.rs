//! Clients that leave: at every poll of the response, and in the middle of its body.

use http_body_util::BodyExt;
use tokio_test::task;
use tower_service::Service;

use crate::support::{Reply, Site, advance, get, request};

fn site() -> Site {
    Site::new(|_, n| {
        Reply::ok(&format!("body {n}"))
            .cached("max-age=60")
            .with("vary", "accept")
    })
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_at_any_poll_is_stored_all_the_same() {
    for polls in 1..50 {
        let site = site();
        let mut service = site.service.clone();
        let mut response = task::spawn(service.call(get("/")));
        let mut ready = false;
        for _ in 0..polls {
            ready = response.poll().is_ready();
            if ready {
                break;
            }
            advance(15).await;
        }
        drop(response);
        advance(1_000).await;
        let got = site.get("/").await;
        assert_eq!(got.body, "body 1", "after {polls} polls");
        assert!(got.cache_status().contains("hit"), "{got:?}");
        assert_eq!(site.requests(), 1);
        if ready {
            assert!(polls > 5, "it waited for the origin");
            return;
        }
    }
    panic!("the response never came");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_leaves_at_any_poll_disturbs_nobody() {
    for polls in 1..20 {
        let site = site();
        let leader = tokio::spawn({
            let site = site.clone();
            async move { site.get("/").await }
        });
        advance(10).await;
        let mut service = site.service.clone();
        let mut follower = task::spawn(service.call(get("/")));
        for _ in 0..polls {
            if follower.poll().is_ready() {
                break;
            }
            advance(15).await;
        }
        drop(follower);
        assert_eq!(leader.await.expect("it ends").body, "body 1");
        assert_eq!(site.get("/").await.body, "body 1");
        assert_eq!(site.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_unread_or_half_read_is_stored_whole() {
    for read in [false, true] {
        let site = site();
        let mut service = site.service.clone();
        let response = service.call(get("/")).await.expect("the origin is up");
        let mut body = Box::pin(response.into_body());
        if read {
            body.frame().await.expect("a frame").expect("data");
        }
        drop(body);
        advance(10).await;
        assert_eq!(site.get("/").await.body, "body 1");
        assert_eq!(site.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unsafe_request_whose_client_left_invalidates_what_it_may_have_changed() {
    let site = site();
    site.get("/").await;
    let mut service = site.service.clone();
    let mut post = task::spawn(service.call(request("POST", "/", &[])));
    assert!(post.poll().is_pending());
    advance(100).await;
    drop(post);
    advance(1_000).await;
    assert_eq!(site.get("/").await.body, "body 3");
}
