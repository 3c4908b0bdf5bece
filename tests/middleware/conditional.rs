//! Validators, towards the client and towards the origin.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Reply, Site, advance, request};

fn tagged(n: usize) -> Reply {
    Reply::ok("body")
        .cached("max-age=2")
        .with("etag", "\"v1\"")
        .with("x-n", &n.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_it_gets_304_from_the_cache() {
    let site = Site::new(|_, n| tagged(n));
    site.get("/").await;
    let got = site
        .send(request("GET", "/", &[("if-none-match", "\"x\", W/\"v1\"")]))
        .await;
    assert_eq!(
        (got.status.as_u16(), got.body.as_str(), got.header("etag")),
        (304, "", "\"v1\"")
    );
    let got = site
        .send(request("GET", "/", &[("if-none-match", "\"x\"")]))
        .await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "body"));
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_origins_304_freshens_and_keeps_the_body() {
    let site = Site::new(|request, n| {
        if request
            .headers()
            .get("if-none-match")
            .is_some_and(|tag| tag == "\"v1\"")
        {
            Reply::ok("")
                .status(304)
                .with("etag", "\"v1\"")
                .cached("max-age=9")
                .with("x-n", &n.to_string())
        } else {
            tagged(n)
        }
    });
    site.get("/").await;
    advance(3_000).await;
    let got = site.get("/").await;
    assert_eq!(
        (got.status.as_u16(), got.body.as_str(), got.header("x-n")),
        (200, "body", "2")
    );
    assert!(
        got.cache_status()
            .starts_with("bellwether; fwd=stale; fwd-status=304"),
        "{got:?}"
    );
    let got = site.get("/").await;
    assert_eq!(got.cache_status(), "bellwether; hit; ttl=8");
    assert_eq!(
        (got.header("cache-control"), got.body.as_str()),
        ("max-age=9", "body")
    );
}

#[tokio::test(start_paused = true)]
async fn a_cold_conditional_request_is_asked_unconditionally_and_answered_conditionally() {
    let site = Site::new(|_, n| tagged(n));
    let got = site
        .send(request("GET", "/", &[("if-none-match", "\"v1\"")]))
        .await;
    assert_eq!(got.status, 304);
    assert!(!site.last_seen().headers().contains_key("if-none-match"));
    assert_eq!(site.get("/").await.body, "body");
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn validators_are_used_within_keep_and_not_after() {
    let site = Site::with(
        bellwether::Cache::builder()
            .stale_if_unreachable(Duration::ZERO)
            .keep(Duration::from_secs(10)),
        |_, n| tagged(n),
    );
    site.get("/").await;
    advance(5_000).await;
    site.get("/").await;
    assert_eq!(
        site.last_seen()
            .headers()
            .get("if-none-match")
            .map(|tag| tag.as_bytes()),
        Some(&b"\"v1\""[..])
    );
    advance(20_000).await;
    site.get("/").await;
    assert!(!site.last_seen().headers().contains_key("if-none-match"));
}

#[tokio::test(start_paused = true)]
async fn a_304_that_forbids_storing_serves_its_client_and_no_other() {
    let site = Site::new(|request, n| {
        if request.headers().contains_key("if-none-match") {
            Reply::ok("")
                .status(304)
                .with("etag", "\"v1\"")
                .cached("private")
        } else {
            tagged(n)
        }
    });
    site.get("/").await;
    advance(3_000).await;
    let got = site.get("/").await;
    assert_eq!(
        (
            got.status.as_u16(),
            got.body.as_str(),
            got.header("cache-control")
        ),
        (200, "body", "private")
    );
    site.get("/").await;
    assert_eq!(site.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_304_about_something_else_answers_its_client_and_is_not_asked_for_again() {
    let site = Site::new(|request, n| {
        if request.headers().contains_key("if-none-match") {
            Reply::ok("").status(304).with("etag", "\"other\"")
        } else {
            tagged(n)
        }
    });
    site.get("/").await;
    advance(3_000).await;
    let validated = site.get("/").await;
    assert_eq!(
        (validated.status.as_u16(), validated.body.as_str()),
        (200, "body")
    );
    // It updates nothing (RFC 9111 §4.3.4).
    assert_eq!(validated.header("etag"), "\"v1\"");
    for _ in 0..5 {
        let got = site.get("/").await;
        assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "body"));
    }
    assert!(site.get("/").await.cache_status().contains("; hit"));
}

/// As nginx does with what it compresses.
#[tokio::test(start_paused = true)]
async fn a_304_with_the_strong_form_of_a_weak_tag_freshens_and_leaves_the_tag_weak() {
    const CHANGED: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
    let site = Site::new(|request, _| {
        let asked = request.headers().get("if-none-match");
        let reply = if asked.is_some_and(|tag| tag == "W/\"v1\"") {
            Reply::ok("").status(304).with("etag", "\"v1\"")
        } else {
            Reply::ok("body").with("etag", "W/\"v1\"")
        };
        reply.with("last-modified", CHANGED).cached("max-age=2")
    });
    site.get("/").await;
    advance(3_000).await;
    for status in ["fwd=stale; fwd-status=304; ttl=1; stored", "hit; ttl=1"] {
        let got = site.get("/").await;
        assert!(got.cache_status().contains(status), "{got:?}");
        assert_eq!(
            (got.status.as_u16(), got.body.as_str(), got.header("etag")),
            (200, "body", "W/\"v1\"")
        );
    }
    // Confirmed again and again, once for everybody.
    advance(3_000).await;
    let answers = join_all((0..20).map(|_| site.get("/"))).await;
    assert!(
        answers
            .iter()
            .all(|got| got.status == 200 && got.body == "body")
    );
    assert_eq!(site.requests(), 3);
}
