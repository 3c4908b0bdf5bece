//! Parts of what is not there yet.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{BODY, assert_part, assert_whole, ranged, seen_range, shape, with};
use crate::support::{Reply, Site, advance, request};

fn reply() -> Reply {
    Reply::ok(BODY).cached("max-age=60").with("etag", "\"v1\"")
}

/// Ten bytes every 100 ms, after 200 ms for the head.
fn slow() -> Reply {
    reply().in_pieces(10, Duration::from_millis(100))
}

#[tokio::test(start_paused = true)]
async fn a_range_fetches_the_whole_for_everyone() {
    let site = Site::new(|_, _| reply());
    let got = with(&site, "bytes=10-19", &[("if-range", "\"v1\"")]).await;
    assert_part(&got, 10, 19);
    assert_eq!(
        got.cache_status(),
        "bellwether; fwd=miss; fwd-status=200; ttl=59; stored; detail=leader"
    );
    assert!(!seen_range(&site));
    assert_whole(&site.get("/").await);
    assert_part(&ranged(&site, "bytes=-1").await, 99, 99);
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_request_serves_each_its_own_bytes() {
    for reply in [reply(), slow()] {
        let site = Site::new(move |_, _| reply.clone());
        let asked: Vec<_> = (0..100).map(|n| (n, (n * 7) % (100 - n) + n)).collect();
        let parts = asked.iter().map(|(first, last)| {
            let site = &site;
            async move { ranged(site, &format!("bytes={first}-{last}")).await }
        });
        let (parts, whole) = tokio::join!(join_all(parts), site.get("/"));
        for (got, (first, last)) in parts.iter().zip(&asked) {
            assert_part(got, *first, *last);
        }
        assert_whole(&whole);
        assert_eq!(site.requests(), 1);
        assert!(!seen_range(&site));
        assert_whole(&site.get("/").await);
        assert_eq!(site.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_comes_as_soon_as_its_bytes_do() {
    let site = Site::new(|_, _| slow());
    let start = Instant::now();
    // The bytes are there after so many milliseconds; the first leads.
    let asked = [
        ("bytes=0-9", 300),
        ("bytes=5-24", 500),
        ("bytes=90-99", 1_200),
    ];
    let ends = join_all(asked.map(|(range, millis)| {
        let (site, range) = (&site, range);
        async move {
            let got = ranged(site, range).await;
            (got, start.elapsed().as_millis(), millis)
        }
    }))
    .await;
    for (got, end, millis) in &ends {
        assert_eq!(got.status, 206);
        assert!(got.waited <= Duration::from_millis(201), "{got:?}");
        assert!((*millis..millis + 5).contains(end), "{end} {millis}");
    }
    assert_part(&ends[1].0, 5, 24);
}

#[tokio::test(start_paused = true)]
async fn who_joins_late_and_wants_what_has_come_waits_for_nothing() {
    let site = Site::new(|_, _| slow());
    let leader = tokio::spawn({
        let site = site.clone();
        async move { site.get("/").await }
    });
    advance(650).await;
    let start = Instant::now();
    let got = ranged(&site, "bytes=15-24").await;
    assert_part(&got, 15, 24);
    assert!(start.elapsed() < Duration::from_millis(20));
    assert!(got.cache_status().contains("collapsed"), "{got:?}");
    assert_whole(&leader.await.expect("it ends"));
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cut_out_of_what_has_no_length_yet_nor_several_parts() {
    for (reply, range, later) in [
        (slow().unannounced(), "bytes=10-19", "bytes 10-19/100"),
        (slow().unannounced(), "bytes=100-", "bytes */100"),
        (slow(), "bytes=0-9,50-59", ""),
    ] {
        let site = Site::new(move |_, _| reply.clone());
        for got in join_all((0..3).map(|_| ranged(&site, range))).await {
            assert_whole(&got);
        }
        advance(10).await;
        let got = ranged(&site, range).await;
        assert_ne!(got.status, 200, "it is stored now");
        assert_eq!(got.header("content-range"), later);
        assert_eq!(site.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_and_ranges_beyond_the_end_need_no_body() {
    let site = Site::new(|_, _| slow());
    let start = Instant::now();
    let got = tokio::join!(
        ranged(&site, "bytes=100-"),
        with(&site, "bytes=0-9", &[("if-none-match", "\"v1\"")]),
        with(&site, "bytes=100-", &[("if-none-match", "\"v1\"")]),
    );
    assert_eq!(shape(&got.0), (416, "bytes */100", ""));
    assert_eq!((got.1.status.as_u16(), got.2.status.as_u16()), (304, 304));
    assert!(start.elapsed() < Duration::from_millis(250));
    advance(1_500).await;
    assert_whole(&site.get("/").await);
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_of_if_range_gets_the_whole() {
    let site = Site::new(|_, _| slow());
    assert_whole(&with(&site, "bytes=10-19", &[("if-range", "\"v0\"")]).await);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_breaks_off_before_the_end_of_a_part_breaks_it() {
    for reply in [
        // With an error, and as if that were all.
        slow().breaking_after(50),
        slow().ending_after(50),
        reply().breaking_after(50),
        reply().ending_after(50),
    ] {
        let site = Site::new(move |_, _| reply.clone());
        let asked = [
            "bytes=0-9",
            "bytes=40-49",
            "bytes=40-50",
            "bytes=50-",
            "bytes=-100",
        ];
        let got = join_all(asked.map(|range| ranged(&site, range))).await;
        assert_eq!(site.requests(), 1);
        assert_part(&got[0], 0, 9);
        assert_part(&got[1], 40, 49);
        for broken in &got[2..] {
            assert_eq!(broken.status, 206);
            assert!(broken.body.starts_with("broken"), "{broken:?}");
        }
        // And nothing of it is kept.
        advance(10_000).await;
        ranged(&site, "bytes=0-9").await;
        assert_eq!(site.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_stored_although_who_wanted_a_part_has_left() {
    let site = Site::new(|_, _| slow());
    assert_part(&ranged(&site, "bytes=0-9").await, 0, 9);
    advance(2_000).await;
    assert_whole(&site.get("/").await);
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn head_with_a_range_leads_as_a_get_of_the_whole() {
    let site = Site::new(|_, _| reply());
    let got = site
        .send(request("HEAD", "/", &[("range", "bytes=10-19")]))
        .await;
    assert_eq!(shape(&got), (200, "", ""));
    assert_eq!(site.last_seen().method(), "GET");
    assert!(!seen_range(&site));
    assert_whole(&site.get("/").await);
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_variant_is_cut_by_itself() {
    let site = Site::new(|request, _| {
        let german = request
            .headers()
            .get("accept-language")
            .is_some_and(|it| it == "de");
        let reply = if german {
            Reply::ok("deutsch")
        } else {
            Reply::ok("english")
        };
        reply.cached("max-age=60").with("vary", "accept-language")
    });
    for _ in 0..2 {
        for (language, part) in [("de", "deu"), ("en", "eng")] {
            let got = with(&site, "bytes=0-2", &[("accept-language", language)]).await;
            assert_eq!(shape(&got), (206, "bytes 0-2/7", part));
        }
    }
    assert_eq!(site.requests(), 2);
}
