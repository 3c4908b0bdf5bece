//! One leads, the rest follow: coalescing, uncacheable responses, failures, cancellation.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::support::{Reply, Site, advance, get, request};

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_on_a_cold_key_are_one_request() {
    let site = Site::new(|_, n| Reply::ok(&format!("body {n}")).cached("max-age=60"));
    let answers = join_all((0..1_000).map(|_| site.get("/"))).await;
    assert_eq!(site.requests(), 1);
    assert!(
        answers
            .iter()
            .all(|got| got.body == "body 1" && got.status == 200)
    );
    assert!(
        answers
            .iter()
            .all(|got| got.waited <= Duration::from_millis(201))
    );
    let leaders = answers
        .iter()
        .filter(|got| got.cache_status().contains("detail=leader"))
        .count();
    let followers = answers
        .iter()
        .filter(|got| got.cache_status().contains("collapsed; detail=follower"))
        .count();
    assert_eq!((leaders, followers), (1, 999));
    assert_eq!(
        site.get("/").await.cache_status(),
        "bellwether; hit; ttl=59"
    );
}

#[tokio::test(start_paused = true)]
async fn uncacheable_responses_queue_nobody_behind_anybody() {
    let site = Site::new(|_, _| Reply::ok("mine").cached("no-store"));
    let first = join_all((0..256).map(|_| site.get("/"))).await;
    // Nobody knew: all but the leader learn it from the leader's head, then go in parallel.
    assert!(
        first
            .iter()
            .all(|got| got.waited <= Duration::from_millis(402)),
        "{first:?}"
    );
    assert_eq!(site.requests(), 256);
    // From now on it is known.
    let second = join_all((0..256).map(|_| site.get("/"))).await;
    assert!(
        second
            .iter()
            .all(|got| got.waited <= Duration::from_millis(201))
    );
    assert!(
        second
            .iter()
            .all(|got| got.cache_status() == "bellwether; fwd=miss; detail=uncacheable")
    );
    assert_eq!(site.requests(), 512);
    assert!(site.peak() >= 256);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_storable_is_stored_although_it_was_known_to_be_uncacheable() {
    let site =
        Site::new(|_, n| Reply::ok("x").cached(if n <= 2 { "private" } else { "max-age=60" }));
    for _ in 0..4 {
        site.get("/").await;
    }
    assert_eq!(site.requests(), 4);
    assert!(
        site.get("/")
            .await
            .cache_status()
            .starts_with("bellwether; hit")
    );
    assert_eq!(site.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_leaders_client_leaves_and_the_refresh_goes_on() {
    let site = Site::new(|_, n| Reply::ok(&format!("body {n}")).cached("max-age=60"));
    let leader = tokio::spawn({
        let site = site.clone();
        async move { site.get("/").await }
    });
    advance(50).await;
    let follower = tokio::spawn({
        let site = site.clone();
        async move { site.get("/").await }
    });
    advance(50).await;
    leader.abort();
    assert!(leader.await.expect_err("it was aborted").is_cancelled());
    assert_eq!(follower.await.expect("it ends").body, "body 1");
    assert!(site.get("/").await.cache_status().contains("hit"));
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn everyone_leaves_and_it_is_stored_all_the_same() {
    let site = Site::new(|_, _| Reply::ok("x").cached("max-age=60"));
    let mut clients = JoinSet::new();
    for _ in 0..10 {
        let site = site.clone();
        clients.spawn(async move { site.get("/").await });
    }
    advance(50).await;
    clients.shutdown().await;
    advance(200).await;
    assert!(site.get("/").await.cache_status().contains("hit"));
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_leader_gets_the_services_own_error_and_the_followers_a_502() {
    let site = Site::new(|_, _| Reply::ok("").failing());
    let answers = join_all((0..5).map(|_| site.try_send(get("/")))).await;
    let errors = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(errors, 1);
    for got in answers.into_iter().flatten() {
        assert_eq!(got.status, 502);
        assert_eq!(
            got.cache_status(),
            "bellwether; fwd=miss; collapsed; detail=origin-unreachable"
        );
    }
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_5xx_goes_to_the_leader_as_it_is_and_only_its_status_to_the_followers() {
    let site = Site::new(|_, _| {
        Reply::ok("private trouble")
            .status(503)
            .with("set-cookie", "a=b")
    });
    let answers = join_all((0..5).map(|_| site.get("/"))).await;
    assert!(answers.iter().all(|got| got.status == 503));
    assert_eq!(
        answers
            .iter()
            .filter(|got| got.body == "private trouble")
            .count(),
        1
    );
    assert_eq!(
        answers
            .iter()
            .filter(|got| got.header("set-cookie") == "a=b")
            .count(),
        1
    );
    assert_eq!(site.requests(), 1);
    // With nothing to fall back on nobody is refused for the back-off.
    assert_eq!(site.get("/").await.body, "private trouble");
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_never_answers_is_a_504_for_everyone_at_the_deadline() {
    let builder = bellwether::Cache::builder().fetch_timeout(Duration::from_secs(2));
    let site = Site::with(builder, |_, _| {
        Reply::ok("").after(Duration::from_secs(3_600))
    });
    for got in join_all((0..5).map(|_| site.get("/"))).await {
        assert_eq!(got.status, 504);
        assert!(
            got.cache_status().contains("detail=origin-timeout"),
            "{got:?}"
        );
        assert_eq!(got.waited, Duration::from_secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_leaders_service_elects_successors_within_a_bound() {
    let site = Site::new(|_, n| {
        assert!(n > 2, "the inner service panics");
        Reply::ok("at last").cached("max-age=60")
    });
    let answers = join_all((0..5).map(|_| site.get("/"))).await;
    assert_eq!(site.requests(), 3, "two panicked, one succeeded");
    assert_eq!(
        answers.iter().filter(|got| got.body == "at last").count(),
        3
    );
    assert!(
        answers
            .iter()
            .all(|got| got.status == 200 || got.status == 502)
    );
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_from_get_and_leads_as_one() {
    let site = Site::new(|_, _| Reply::ok("12345").cached("max-age=60"));
    let head = site.send(request("HEAD", "/", &[])).await;
    assert_eq!((head.body.as_str(), head.status.as_u16()), ("", 200));
    assert_eq!(site.last_seen().method(), "GET");
    advance(10).await;
    let head = site.send(request("HEAD", "/", &[])).await;
    assert_eq!(
        (head.body.as_str(), head.header("content-length")),
        ("", "5")
    );
    assert_eq!(site.get("/").await.body, "12345");
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_one_request_only_is_not_shared_and_nobody_queues_for_it() {
    let site = Site::new(|_, n| {
        Reply::ok(&format!("body {n}"))
            .cached("no-cache")
            .with("etag", "\"a\"")
    });
    site.get("/").await;
    let answers = join_all((0..50).map(|_| site.get("/"))).await;
    assert!(
        answers
            .iter()
            .all(|got| got.waited <= Duration::from_millis(201)),
        "{answers:?}"
    );
    assert_eq!(site.requests(), 51);
}

#[tokio::test(start_paused = true)]
async fn requests_past_the_cache_say_why() {
    let site = Site::new(|_, _| Reply::ok("x").cached("max-age=60"));
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let table: [Case; 3] = [
        ("OPTIONS", &[], "bellwether; fwd=method; detail=method"),
        (
            "GET",
            &[("cache-control", "no-store")],
            "bellwether; fwd=bypass; detail=no-store",
        ),
        (
            "GET",
            &[("host", "other.test")],
            "bellwether; fwd=bypass; detail=ambiguous-host",
        ),
    ];
    for (method, headers, status) in table {
        assert_eq!(
            site.send(request(method, "/", headers))
                .await
                .cache_status(),
            status
        );
    }
    let got = site
        .send(request(
            "GET",
            "/cold",
            &[("cache-control", "only-if-cached")],
        ))
        .await;
    assert_eq!((got.status.as_u16(), site.requests()), (504, 3));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_outgrows_its_limit_reaches_everyone_and_is_stored_nowhere() {
    let builder = bellwether::Cache::builder().max_body_size(10);
    // Announced, it is refused by its head; unannounced, while it is copied.
    for announced in ["20", ""] {
        let site = Site::with(builder.clone(), move |_, _| {
            let reply = Reply::ok("12345678901234567890").cached("max-age=60");
            if announced.is_empty() {
                reply.unannounced()
            } else {
                reply
            }
        });
        let answers = join_all((0..5).map(|_| site.get("/"))).await;
        assert!(
            answers.iter().all(|got| got.body.len() == 20),
            "{answers:?}"
        );
        let before = site.requests();
        let got = site.get("/").await;
        assert_eq!(
            got.cache_status(),
            "bellwether; fwd=miss; detail=uncacheable"
        );
        assert_eq!(site.requests(), before + 1);
        assert_eq!(site.cache.stats().local_entries, 1, "the verdict");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_hand_response_has_no_age_and_a_shared_one_has() {
    let site = Site::new(|_, _| Reply::ok("x").cached("max-age=60"));
    let answers = join_all((0..2).map(|_| site.get("/"))).await;
    let ages: Vec<_> = answers.iter().map(|got| got.header("age")).collect();
    assert_eq!(ages, ["", "0"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_passed_on_as_it_was_asked_for_from_then_on() {
    for kind in ["text/plain", "text/event-stream"] {
        let builder = bellwether::Cache::builder().max_body_size(10);
        let site = Site::with(builder, move |request, _| {
            // Whatever says so of itself, these are about one request.
            for (condition, status) in [("if-none-match", 304), ("range", 416), ("if-match", 412)] {
                if request.headers().contains_key(condition) {
                    let reply = Reply::ok("").status(status).cached("max-age=60");
                    return reply.with("etag", "\"v1\"");
                }
            }
            let length = if kind == "text/plain" { 20 } else { 5 };
            Reply::ok(&"x".repeat(length))
                .cached("max-age=60")
                .with("content-type", kind)
                .with("etag", "\"v1\"")
        });
        site.get("/").await;
        for _ in 0..3 {
            let got = site.get("/").await;
            let passed = "bellwether; fwd=miss; detail=uncacheable";
            assert_eq!(got.cache_status(), passed, "{kind}");
            for (condition, value, status) in [
                ("if-none-match", "\"v1\"", 304),
                ("range", "bytes=20-", 416),
                ("if-match", "\"v2\"", 412),
            ] {
                let got = site.send(request("GET", "/", &[(condition, value)]));
                let got = got.await;
                assert_eq!((got.status.as_u16(), got.cache_status()), (status, passed));
            }
        }
    }
}
