//! Parts of what is nobody else's: the leader's client gets them of the whole that it was sent, all
//! others ask the origin themselves, with their range.

use std::time::Duration;

use bellwether::Cache;
use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Empty;

use super::{BODY, assert_part, assert_whole, ranged, seen_range, with};
use crate::support::{Got, Reply, Site, advance, request};

/// An origin that can cut by itself, and says that it did.
fn origin(request: &Request<Empty<Bytes>>, directives: &str) -> Reply {
    let reply = match request.headers().get("range") {
        Some(range) => {
            assert_eq!(range, "bytes=10-19");
            Reply::ok(&BODY[10..=19])
                .status(206)
                .with("content-range", "bytes 10-19/100")
                .with("content-length", "10")
                .with("x-by", "origin")
        }
        None => Reply::ok(BODY),
    };
    reply.cached(directives).with("etag", "\"v1\"")
}

fn by_origin(got: &&Got) -> bool {
    got.header("x-by") == "origin"
}

#[tokio::test(start_paused = true)]
async fn the_origin_cuts_what_cannot_be_stored_for_all_but_the_first() {
    for directives in ["no-store", "private", "max-age=60, private"] {
        let site = Site::new(move |request, _| origin(request, directives));
        let first = join_all((0..10).map(|_| ranged(&site, "bytes=10-19"))).await;
        for got in &first {
            assert_part(got, 10, 19);
        }
        // Nobody knew; those who followed learn it and send their own.
        assert_eq!(first.iter().filter(by_origin).count(), 9);
        assert_eq!(site.requests(), 10);
        let led = first.iter().find(|got| !by_origin(got)).expect("one led");
        assert!(
            led.cache_status()
                .starts_with("bellwether; fwd=miss; fwd-status=200; detail="),
            "{led:?}"
        );
        // Now it is known.
        for got in join_all((0..10).map(|_| ranged(&site, "bytes=10-19"))).await {
            assert_part(&got, 10, 19);
            assert!(by_origin(&&got));
            assert_eq!(
                got.cache_status(),
                "bellwether; fwd=miss; detail=uncacheable"
            );
        }
        assert!(seen_range(&site));
        assert_eq!(site.requests(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_from_the_origin_is_not_stored() {
    let site =
        Site::new(|request, n| origin(request, if n <= 1 { "no-store" } else { "max-age=60" }));
    ranged(&site, "bytes=10-19").await;
    for requests in 2..5 {
        assert!(by_origin(&&ranged(&site, "bytes=10-19").await));
        assert_eq!(site.requests(), requests);
    }
    // This one shows that it has become storable, and the next one stores it.
    assert_whole(&site.get("/").await);
    assert_part(&ranged(&site, "bytes=10-19").await, 10, 19);
    let requests = site.requests();
    assert!(!seen_range(&site));
    assert_whole(&site.get("/").await);
    assert_eq!(site.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_wait_for_what_is_always_validated_sends_its_own_range() {
    let site = Site::new(|request, _| origin(request, "no-cache"));
    site.get("/").await;
    let answers = join_all((0..5).map(|_| ranged(&site, "bytes=10-19"))).await;
    for got in &answers {
        assert_part(got, 10, 19);
    }
    assert_eq!(answers.iter().filter(by_origin).count(), 4);
    assert_eq!(site.requests(), 6);
}

#[tokio::test(start_paused = true)]
async fn requests_past_the_cache_keep_their_range() {
    let site = Site::new(|request, _| origin(request, "max-age=60"));
    site.get("/").await;
    let got = with(&site, "bytes=10-19", &[("cache-control", "no-store")]).await;
    assert!(by_origin(&&got));
    assert_eq!(
        got.cache_status(),
        "bellwether; fwd=bypass; detail=no-store"
    );
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_cut_near_its_start_only() {
    for (range, part) in [
        ("bytes=0-", Some((0, 99))),
        ("bytes=0-1", Some((0, 1))),
        ("bytes=29-99", Some((29, 99))),
        ("bytes=-70", Some((30, 99))),
        ("bytes=-69", None),
        ("bytes=-5", None),
        ("bytes=0-1,5-6", None),
        ("bytes=29-28", None),
    ] {
        let builder = Cache::builder().max_body_size(30);
        let site = Site::with(builder, |_, _| {
            Reply::ok(BODY)
                .cached("max-age=60")
                .in_pieces(9, Duration::from_millis(10))
        });
        let got = ranged(&site, range).await;
        assert!(got.cache_status().contains("detail=too-large"), "{got:?}");
        match part {
            Some((first, last)) => assert_part(&got, first, last),
            None => assert_whole(&got),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_what_no_stored_body_can_have_asks_the_origin_at_once() {
    let small = &BODY[..20];
    let site = Site::with(
        Cache::builder().max_body_size(30),
        move |request, _| match request.headers().get("range") {
            Some(range) => {
                assert_eq!(range, "bytes=30-, 40-");
                assert_eq!(request.headers()["if-range"], "\"v1\"");
                Reply::ok("").status(416).with("x-by", "origin")
            }
            None => Reply::ok(small).cached("max-age=60"),
        },
    );
    let beyond = async || with(&site, "bytes=30-, 40-", &[("if-range", "\"v1\"")]).await;
    for requests in 1..3 {
        let got = beyond().await;
        assert!(by_origin(&&got));
        assert_eq!(
            got.cache_status(),
            "bellwether; fwd=miss; detail=range-beyond"
        );
        assert_eq!(site.requests(), requests);
    }
    let only = [("cache-control", "only-if-cached")];
    assert_eq!(with(&site, "bytes=30-, 40-", &only).await.status, 504);
    let head = request("HEAD", "/", &[("range", "bytes=30-")]);
    assert_eq!(site.send(head).await.status, 200);
    // What is stored answers, as it stands: another version than the client's.
    assert_eq!(beyond().await.body, small);
    assert_eq!(
        ranged(&site, "bytes=30-").await.header("content-range"),
        "bytes */20"
    );
    assert_eq!(site.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_leaders_own_whole_stays_whole_where_it_is_not_to_be_cut() {
    let reply = || {
        Reply::ok(BODY)
            .cached("no-store")
            .with("etag", "\"v1\"")
            .with("content-digest", "x=:AA==:")
    };
    let ask = async |reply: Reply, method: &str, fields: &[(&str, &str)]| {
        let site = Site::new(move |_, _| reply.clone());
        let fields = [&[("range", "bytes=10-19")], fields].concat();
        site.send(request(method, "/", &fields)).await
    };
    let got = ask(reply(), "GET", &[]).await;
    assert_part(&got, 10, 19);
    assert_eq!(got.header("content-digest"), "");
    assert_part(
        &ask(reply(), "GET", &[("if-range", "\"v1\"")]).await,
        10,
        19,
    );
    for condition in [
        ("if-range", "\"v0\""),
        ("if-none-match", "\"v0\""),
        ("if-none-match", "\"v1\""),
        ("if-modified-since", "Wed, 01 Jan 2020 00:00:00 GMT"),
        ("range", "bytes=20-29"),
    ] {
        assert_whole(&ask(reply(), "GET", &[condition]).await);
    }
    assert_whole(&ask(reply().unannounced(), "GET", &[]).await);
    let got = ask(reply().status(203), "GET", &[]).await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (203, BODY));
    let got = ask(reply(), "HEAD", &[]).await;
    assert_eq!(
        (got.status.as_u16(), got.header("content-length")),
        (200, "100")
    );
    assert_eq!(got.header("content-range"), "");
}

#[tokio::test(start_paused = true)]
async fn the_leaders_own_part_breaks_if_the_origin_breaks_off_before_its_end() {
    for cut_short in [Reply::breaking_after, Reply::ending_after] {
        let site = Site::new(move |_, _| {
            let reply = Reply::ok(BODY)
                .cached("no-store")
                .in_pieces(7, Duration::from_millis(10));
            cut_short(reply, 50)
        });
        for (range, part) in [
            ("bytes=0-9", Some((0, 9))),
            ("bytes=40-49", Some((40, 49))),
            ("bytes=40-50", None),
            ("bytes=60-", None),
        ] {
            let got = ranged(&site, range).await;
            match part {
                Some((first, last)) => assert_part(&got, first, last),
                None => assert!(got.body.starts_with("broken"), "{got:?}"),
            }
            // Until the verdict has been forgotten.
            advance(600_000).await;
        }
    }
}
