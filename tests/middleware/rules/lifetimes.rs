//! Which rule holds, and for how long.

use std::time::Duration;

use bellwether::{Cache, Ignore, Query, Rule};

use super::{is_hit, mirror, mirror_saying, passed_for, secs};
use crate::support::{Reply, Site, advance, get, request};

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_matches_holds_alone() {
    let site = mirror_saying(
        "max-age=1",
        [
            Rule::path("/a/b").ttl(secs(10)),
            Rule::path("/a/**").query(Query::None).ttl(secs(20)),
            Rule::host("other.test").cache(false),
        ],
    );
    // Nothing of the second rule is added to the first.
    site.get("/a/b?x").await;
    assert_eq!(site.last_seen().uri(), "/a/b?x");
    site.get("/a/c?x").await;
    assert_eq!(site.last_seen().uri(), "/a/c");
    site.get("/c").await;
    advance(5_000).await;
    assert!(is_hit(&site.get("/a/b?x").await) && is_hit(&site.get("/a/c").await));
    assert!(!is_hit(&site.get("/c").await));
    advance(10_000).await;
    assert!(!is_hit(&site.get("/a/b?x").await));
    assert!(is_hit(&site.get("/a/c").await));
    let mut elsewhere = get("/c");
    elsewhere
        .headers_mut()
        .insert("host", "Other.test:81".parse().expect("a host"));
    assert!(passed_for(&site.send(elsewhere).await, "rule"));
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_by_status_holds_that_long_where_the_rule_does() {
    let rule = Rule::path("/p")
        .status_ttl(404..=404, secs(10))
        .status_ttl(500..=599, secs(1));
    let builder = Cache::builder().default_ttl(secs(100)).rule(rule);
    let site = Site::with(builder, |request, _| {
        let status = if request.uri().query() == Some("500") {
            500
        } else {
            404
        };
        Reply::ok("no").status(status)
    });
    for (path, left) in [("/p", 10), ("/p?500", 1), ("/q", 100)] {
        site.get(path).await;
        advance(left * 1_000 - 400).await;
        let got = site.get(path).await;
        assert!(
            is_hit(&got) && got.headers.contains_key("age"),
            "{path}: {got:?}"
        );
        advance(500).await;
        assert!(!is_hit(&site.get(path).await), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_lifetime_beats_a_short_one_but_no_refusal() {
    for (says, stored) in [
        ("max-age=0", true),
        ("max-age=1, must-revalidate", true),
        ("", true),
        ("no-store", false),
        ("private", false),
        ("no-cache", false),
    ] {
        let site = mirror_saying(says, [Rule::path("/p").ttl(secs(60))]);
        site.get("/p").await;
        advance(30_000).await;
        assert_eq!(is_hit(&site.get("/p").await), stored, "{says:?}");
    }
    // Unless the refusal is ignored too.
    for (says, ignore) in [
        ("no-store", Ignore::NoStore),
        ("private", Ignore::Private),
        ("no-cache", Ignore::NoCache),
    ] {
        let site = mirror_saying(says, [Rule::path("/p").ttl(secs(60)).ignore(ignore)]);
        site.get("/p").await;
        advance(30_000).await;
        assert!(is_hit(&site.get("/p").await), "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn staleness_is_as_the_rule_says() {
    let builder = Cache::builder()
        .grace(secs(5))
        .rule(Rule::path("/never").grace(Duration::ZERO));
    let site = Site::with(builder, |_, n| {
        Reply::ok(&n.to_string()).cached("max-age=1")
    });
    site.get("/").await;
    site.get("/never").await;
    advance(2_000).await;
    assert!(site.get("/").await.cache_status().contains("detail=stale"));
    assert!(!is_hit(&site.get("/never").await));
}

#[tokio::test(start_paused = true)]
async fn clients_are_heeded_where_the_rule_says_so() {
    let site = mirror([Rule::path("/p").honor_request_directives(true)]);
    for path in ["/p", "/q"] {
        site.get(path).await;
        let reload = [("cache-control", "no-cache")];
        let got = site.send(request("GET", path, &reload)).await;
        assert_eq!(is_hit(&got), path == "/q", "{path}: {got:?}");
    }
}
