//! Freshness, stale answers, refreshes in the background, back-off.

use std::time::Duration;

use bellwether::Cache;
use futures_util::future::join_all;

use crate::support::{Reply, Site, advance, get};

#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_answers_at_once_and_refreshes_once() {
    let site = Site::new(|_, n| {
        Reply::ok(&format!("body {n}")).cached("max-age=2, stale-while-revalidate=30")
    });
    site.get("/").await;
    advance(2_500).await;
    let answers = join_all((0..100).map(|_| site.get("/"))).await;
    assert!(
        answers
            .iter()
            .all(|got| got.body == "body 1" && got.waited.is_zero())
    );
    assert_eq!(
        answers[0].cache_status(),
        "bellwether; hit; ttl=-1; detail=stale"
    );
    advance(250).await;
    let got = site.get("/").await;
    assert_eq!((got.body.as_str(), site.requests()), ("body 2", 2));
    assert_eq!(got.cache_status(), "bellwether; hit; ttl=1");
}

#[tokio::test(start_paused = true)]
async fn without_consent_nothing_stale_is_served_and_all_wait_for_one_request() {
    let builder = Cache::builder().early_refresh(0.0);
    for forbidden in [
        "max-age=2",
        "max-age=2, must-revalidate",
        "s-maxage=2, stale-while-revalidate=9",
    ] {
        let site = Site::with(builder.clone(), move |_, n| {
            Reply::ok(&format!("body {n}")).cached(forbidden)
        });
        site.get("/").await;
        advance(3_000).await;
        let answers = join_all((0..100).map(|_| site.get("/"))).await;
        assert!(
            answers.iter().all(|got| got.body == "body 2"),
            "{forbidden}"
        );
        assert!(
            answers
                .iter()
                .all(|got| got.waited <= Duration::from_millis(201))
        );
        assert_eq!(site.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn grace_is_the_users_consent_and_must_revalidate_overrules_it() {
    let builder = Cache::builder()
        .grace(Duration::from_secs(10))
        .early_refresh(0.0);
    for (directives, served) in [
        ("max-age=2", "body 1"),
        ("max-age=2, must-revalidate", "body 2"),
    ] {
        let site = Site::with(builder.clone(), move |_, n| {
            Reply::ok(&format!("body {n}")).cached(directives)
        });
        site.get("/").await;
        advance(3_000).await;
        assert_eq!(site.get("/").await.body, served);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_origin_is_hidden_by_stale_if_error_and_left_alone_for_a_while() {
    let site = Site::new(|_, n| {
        if n == 1 {
            Reply::ok("good").cached("max-age=2, stale-if-error=60")
        } else {
            Reply::ok("bad").status(500)
        }
    });
    site.get("/").await;
    advance(3_000).await;
    let got = site.get("/").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "good"));
    assert!(
        got.cache_status().contains("detail=stale-if-error"),
        "{got:?}"
    );
    assert_eq!(site.requests(), 2);
    // The back-off: everyone is served at once, and nobody asks.
    let answers = join_all((0..100).map(|_| site.get("/"))).await;
    assert!(
        answers
            .iter()
            .all(|got| got.body == "good" && got.waited.is_zero())
    );
    assert_eq!(site.requests(), 2);
    // 1 s, then 2 s, then 4 s: in 20 s a handful of attempts, not one per request.
    for _ in 0..200 {
        site.get("/").await;
        advance(100).await;
    }
    assert!((5..=8).contains(&site.requests()), "{}", site.requests());
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_origin_is_hidden_the_same_way_until_the_window_ends() {
    let site = Site::new(|_, n| {
        let reply = Reply::ok("good").cached("max-age=2, stale-if-error=60");
        if n == 1 { reply } else { reply.failing() }
    });
    site.get("/").await;
    advance(3_000).await;
    assert_eq!(site.get("/").await.body, "good");
    advance(60_000).await;
    assert!(site.try_send(get("/")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn stale_answers_go_on_while_the_background_refresh_fails() {
    let site = Site::new(|_, n| {
        if n == 1 {
            Reply::ok("good").cached("max-age=2, stale-while-revalidate=30")
        } else {
            Reply::ok("").failing()
        }
    });
    site.get("/").await;
    advance(3_000).await;
    for _ in 0..50 {
        assert_eq!(site.get("/").await.body, "good");
        advance(100).await;
    }
    assert!((3..=5).contains(&site.requests()), "{}", site.requests());
}

#[tokio::test(start_paused = true)]
async fn early_refresh_hides_the_fetch_and_never_shortens_the_cycle() {
    let site = Site::with(Cache::builder().early_refresh(10.0), |_, n| {
        Reply::ok(&format!("body {n}")).cached("max-age=2")
    });
    site.get("/").await;
    let mut waits = 0;
    for _ in 0..2_000 {
        waits += usize::from(site.get("/").await.waited > Duration::from_millis(20));
        advance(10).await;
    }
    // Drawn at random: most of the ten fetches are hidden wholly, the others partly.
    assert!(waits <= 5, "{waits} of {} waited", site.requests());
    assert!(
        (10..=12).contains(&site.requests()),
        "{} requests in 20 s of max-age=2",
        site.requests()
    );
    assert_eq!(site.peak(), 1);
}

#[tokio::test(start_paused = true)]
async fn age_counts_from_the_origins_own() {
    let site = Site::new(|_, _| Reply::ok("x").cached("max-age=60").with("age", "20"));
    site.get("/").await;
    advance(5_000).await;
    let got = site.get("/").await;
    assert_eq!(
        (got.header("age"), got.cache_status()),
        ("25", "bellwether; hit; ttl=34")
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_origin_is_stored_only_by_default_ttl() {
    let site = Site::new(|_, _| Reply::ok("x"));
    site.get("/").await;
    site.get("/").await;
    assert_eq!(site.requests(), 2);
    let site = Site::with(
        Cache::builder().default_ttl(Duration::from_secs(5)),
        |_, _| Reply::ok("x"),
    );
    site.get("/").await;
    site.get("/").await;
    assert_eq!(site.requests(), 1);
}
