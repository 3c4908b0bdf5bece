//! Parts of what is stored.

use bellwether::Cache;
use http_body_util::BodyExt;
use tower_service::Service;

use super::{BODY, assert_part, assert_whole, ranged, seen_range, shape, with};
use crate::support::{Got, Reply, Site, advance, get, request};

const CHANGED: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const MADE: &str = "Thu, 02 Jan 2020 00:00:00 GMT";

fn reply() -> Reply {
    Reply::ok(BODY)
        .cached("max-age=60")
        .with("content-type", "text/x-numbers")
        .with("content-length", "100")
        .with("etag", "\"v1\"")
        .with("x-more", "kept")
}

/// A site that has it stored.
async fn warm(reply: Reply) -> Site {
    let site = Site::with(Cache::builder().early_refresh(0.0), move |_, n| {
        assert_eq!(n, 1, "it is stored");
        reply.clone()
    });
    site.get("/").await;
    site
}

#[tokio::test(start_paused = true)]
async fn one_range_is_cut_out_of_the_stored_body() {
    let site = warm(reply()).await;
    advance(5_000).await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=90-", 90, 99),
        ("bytes=90-200", 90, 99),
        ("bytes=-7", 93, 99),
        ("bytes=0-", 0, 99),
        ("BYTES=-1000", 0, 99),
        ("bytes=10-14,15-19", 10, 19),
        ("bytes=100-, 5-6", 5, 6),
    ] {
        let got = ranged(&site, range).await;
        assert_part(&got, first, last);
        let fields = [
            "content-type",
            "etag",
            "cache-control",
            "x-more",
            "age",
            "accept-ranges",
        ];
        assert_eq!(
            fields.map(|name| got.header(name)),
            ["text/x-numbers", "\"v1\"", "max-age=60", "kept", "5", ""]
        );
        assert_eq!(got.cache_status(), "bellwether; hit; ttl=54");
        assert!(got.waited.is_zero());
    }
    assert_whole(&site.get("/").await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_is_answered_with_the_whole() {
    let site = warm(reply()).await;
    let many: Vec<_> = (0..17).map(|n| format!("{}-{0}", n * 3)).collect();
    let many = format!("bytes={}", many.join(","));
    for range in ["bytes=2-1", "lines=1-2", "bytes=x", "1-2", &many] {
        assert_whole(&ranged(&site, range).await);
    }
    let twice = request(
        "GET",
        "/",
        &[("range", "bytes=1-2"), ("range", "bytes=1-2")],
    );
    assert_whole(&site.send(twice).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_there_is_makes_a_416_that_nobody_keeps_for_the_page() {
    let site = warm(
        reply()
            .with("cdn-cache-control", "max-age=60")
            .with("expires", MADE)
            .with("vary", "accept")
            .with("access-control-allow-origin", "*"),
    )
    .await;
    advance(5_000).await;
    for range in ["bytes=100-", "bytes=100-200,300-", "bytes=-0"] {
        let got = ranged(&site, range).await;
        assert_eq!(shape(&got), (416, "bytes */100", ""));
        let fields = [
            "content-length",
            "cache-control",
            "cdn-cache-control",
            "expires",
            "etag",
            "content-type",
            "vary",
            "access-control-allow-origin",
            "age",
        ];
        assert_eq!(
            fields.map(|name| got.header(name)),
            ["0", "", "", "", "", "", "accept", "*", "5"]
        );
        assert_eq!(got.cache_status(), "bellwether; hit; ttl=54");
    }
}

/// Head and content of each part (RFC 2046 §5.1).
fn parts(got: &Got) -> Vec<(Vec<String>, String)> {
    let kind = got.header("content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("the kind of a multipart");
    let delimiter = format!("\r\n--{boundary}");
    let body = format!("\r\n{}", got.body);
    let mut pieces = body.split(delimiter.as_str());
    assert_eq!(pieces.next(), Some(""), "no preamble");
    let mut pieces: Vec<_> = pieces.collect();
    assert_eq!(pieces.pop(), Some("--\r\n"), "the last delimiter");
    let part = |piece: &str| {
        let (head, content) = piece.split_once("\r\n\r\n").expect("a head and a content");
        let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
        assert_eq!(lines.remove(0), "", "nothing beside the delimiter");
        (lines, content.to_owned())
    };
    pieces.into_iter().map(part).collect()
}

#[tokio::test(start_paused = true)]
async fn several_ranges_are_a_multipart() {
    let site = warm(reply()).await;
    let mut boundaries = Vec::new();
    for (range, expected) in [
        ("bytes=0-9, 20-29", &[(0, 9), (20, 29)][..]),
        (
            "bytes=-5, 50-50, 0-0, 1-1, 200-",
            &[(95, 99), (50, 50), (0, 1)],
        ),
        ("bytes=0-9, 20-29", &[(0, 9), (20, 29)]),
    ] {
        let got = ranged(&site, range).await;
        assert_eq!(
            (got.status.as_u16(), got.header("content-range")),
            (206, "")
        );
        assert_eq!(got.header("content-length"), got.body.len().to_string());
        assert_eq!(
            (got.header("etag"), got.header("x-more")),
            ("\"v1\"", "kept")
        );
        assert!(got.cache_status().starts_with("bellwether; hit"));
        let part = |&(first, last): &(usize, usize)| {
            let head = vec![
                "Content-Type: text/x-numbers".to_owned(),
                format!("Content-Range: bytes {first}-{last}/100"),
            ];
            (head, BODY[first..=last].to_owned())
        };
        assert_eq!(parts(&got), expected.iter().map(part).collect::<Vec<_>>());
        boundaries.push(got.header("content-type").to_owned());
    }
    assert_ne!(boundaries[0], boundaries[2], "it cannot be foreseen");
}

#[tokio::test(start_paused = true)]
async fn parts_share_the_stored_bytes() {
    let site = warm(reply()).await;
    let mut service = site.service.clone();
    let mut frames = async |range: Option<&str>| {
        let request = match range {
            Some(range) => request("GET", "/", &[("range", range)]),
            None => get("/"),
        };
        let mut body = service.call(request).await.expect("a hit").into_body();
        let mut addresses = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a clean end").into_data().expect("data");
            addresses.push(data.as_ptr() as usize);
        }
        addresses
    };
    let whole = frames(None).await[0];
    assert_eq!(frames(Some("bytes=10-19")).await, [whole + 10]);
    let parts = frames(Some("bytes=10-19,50-")).await;
    assert_eq!(
        (parts[1], parts[3], parts.len()),
        (whole + 10, whole + 50, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn if_range_gives_the_whole_of_another_version() {
    let site = warm(reply().with("last-modified", CHANGED)).await;
    for (validator, part) in [
        ("\"v1\"", true),
        (CHANGED, true),
        ("\"v2\"", false),
        ("W/\"v1\"", false),
        (MADE, false),
    ] {
        let got = with(&site, "bytes=10-19", &[("if-range", validator)]).await;
        if part {
            assert_part(&got, 10, 19);
        } else {
            assert_whole(&got);
        }
        // A range that cannot be satisfied is none either, of another version.
        let got = with(&site, "bytes=100-", &[("if-range", validator)]).await;
        assert_eq!(got.status, if part { 416 } else { 200 });
    }
    // Without a range, it has no meaning.
    assert_whole(
        &site
            .send(request("GET", "/", &[("if-range", "\"v1\"")]))
            .await,
    );
}

#[tokio::test(start_paused = true)]
async fn a_weak_validator_cannot_join_parts() {
    for (tag, changed, made) in [("W/\"v1\"", CHANGED, CHANGED), ("W/\"v1\"", MADE, MADE)] {
        // Fresh for longer than it is old.
        let reply = Reply::ok(BODY)
            .cached("max-age=2000000000")
            .with("etag", tag)
            .with("last-modified", changed)
            .with("date", made);
        let site = warm(reply).await;
        for validator in [tag, changed] {
            assert_whole(&with(&site, "bytes=10-19", &[("if-range", validator)]).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_come_before_the_range() {
    let site = warm(reply().with("last-modified", CHANGED)).await;
    for (name, value, status) in [
        ("if-none-match", "\"v1\"", 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"v2\"", 206),
        ("if-modified-since", CHANGED, 304),
        ("if-modified-since", "Wed, 01 Jan 2014 00:00:00 GMT", 206),
        ("if-match", "\"v1\"", 206),
        ("if-match", "\"v2\"", 200),
        ("if-unmodified-since", CHANGED, 206),
        ("if-unmodified-since", "Wed, 01 Jan 2014 00:00:00 GMT", 200),
    ] {
        let got = with(&site, "bytes=10-19", &[(name, value)]).await;
        match status {
            304 => assert_eq!(shape(&got), (304, "", "")),
            206 => assert_part(&got, 10, 19),
            _ => assert_whole(&got),
        }
    }
    let both = [("if-none-match", "\"v1\""), ("if-range", "\"v2\"")];
    assert_eq!(with(&site, "bytes=10-19", &both).await.status, 304);
    let beyond = [("if-none-match", "\"v1\"")];
    assert_eq!(with(&site, "bytes=100-", &beyond).await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn only_get_and_only_a_200_is_cut() {
    let site = warm(reply()).await;
    for range in ["bytes=10-19", "bytes=100-"] {
        let got = site.send(request("HEAD", "/", &[("range", range)])).await;
        assert_eq!(shape(&got), (200, "", ""));
        assert_eq!(got.header("content-length"), "100");
    }
    let site = warm(reply().status(404)).await;
    for range in ["bytes=10-19", "bytes=100-", "bytes=0-1,5-6"] {
        assert_eq!(shape(&ranged(&site, range).await), (404, "", BODY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_coded_body_is_cut_as_it_is_coded_but_never_into_a_multipart() {
    let site = warm(reply().with("content-encoding", "br")).await;
    let got = ranged(&site, "bytes=10-19").await;
    assert_part(&got, 10, 19);
    assert_eq!(got.header("content-encoding"), "br");
    assert_whole(&ranged(&site, "bytes=0-9,20-29").await);
}

#[tokio::test(start_paused = true)]
async fn a_digest_of_the_whole_does_not_go_with_a_part() {
    let site = warm(
        reply()
            .with("content-digest", "x=:AA==:")
            .with("repr-digest", "x=:AA==:"),
    )
    .await;
    let digests = |got: &Got| ["content-digest", "repr-digest"].map(|name| got.header(name).len());
    for range in ["bytes=10-19", "bytes=0-9,20-29"] {
        assert_eq!(digests(&ranged(&site, range).await), [0, 8]);
    }
    assert_eq!(digests(&ranged(&site, "bytes=x").await), [8, 8]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_has_no_parts() {
    let site = Site::new(|_, _| Reply::ok("").cached("max-age=60"));
    site.get("/").await;
    assert_eq!(
        shape(&ranged(&site, "bytes=0-").await),
        (416, "bytes */0", "")
    );
    assert_eq!(shape(&ranged(&site, "bytes=-5").await), (200, "", ""));
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_part_is_served_at_once_and_the_whole_is_refreshed() {
    let site = Site::new(|_, n| {
        let body = if n == 1 {
            BODY.to_owned()
        } else {
            BODY.replace('-', "=")
        };
        Reply::ok(&body).cached("max-age=2, stale-while-revalidate=30")
    });
    site.get("/").await;
    advance(2_500).await;
    let got = with(&site, "bytes=10-19", &[("if-none-match", "\"x\"")]).await;
    assert_part(&got, 10, 19);
    assert!(got.waited.is_zero());
    assert_eq!(got.cache_status(), "bellwether; hit; ttl=-1; detail=stale");
    advance(300).await;
    assert_eq!(site.requests(), 2);
    assert!(!seen_range(&site));
    let got = site.get("/").await;
    assert_eq!(
        (got.body.as_str(), site.requests()),
        (&*BODY.replace('-', "="), 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_part_is_cut_after_a_confirmation_and_when_the_origin_fails() {
    for (status, seen) in [
        (304, "fwd=stale; fwd-status=304"),
        (500, "detail=stale-if-error"),
    ] {
        let site = Site::with(Cache::builder().early_refresh(0.0), move |request, n| {
            if n == 1 {
                return Reply::ok(BODY)
                    .cached("max-age=2, stale-if-error=60")
                    .with("etag", "\"v1\"");
            }
            assert!(request.headers().contains_key("if-none-match"));
            Reply::ok("").status(status).with("etag", "\"v1\"")
        });
        site.get("/").await;
        advance(3_000).await;
        let got = ranged(&site, "bytes=10-19").await;
        assert_part(&got, 10, 19);
        assert!(got.cache_status().contains(seen), "{got:?}");
        assert_eq!(site.requests(), 2);
        assert!(!seen_range(&site));
    }
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_gets_its_part_or_504() {
    let site = Site::new(|_, _| reply());
    let only = [("cache-control", "only-if-cached")];
    assert_eq!(with(&site, "bytes=10-19", &only).await.status, 504);
    assert_eq!(site.requests(), 0);
    site.get("/").await;
    assert_part(&with(&site, "bytes=10-19", &only).await, 10, 19);
}
