//! Directives of clients (RFC 9111 §5.2.1), targeted ones of origins (RFC 9213), and an origin that
//! cannot be reached (RFC 9111 §4.2.4).

use std::time::Duration;

use bellwether::shared::MemoryTier;
use bellwether::{Cache, CacheBuilder, SetCookie};
use futures_util::future::join_all;

use crate::support::{Got, Reply, Site, advance, request};

fn honouring() -> CacheBuilder {
    Cache::builder()
        .honor_request_directives(true)
        .early_refresh(0.0)
}

async fn get_with(site: &Site, control: &str) -> Got {
    site.send(request("GET", "/", &[("cache-control", control)]))
        .await
}

fn numbered(
    control: &'static str,
) -> impl Fn(&http::Request<http_body_util::Empty<bytes::Bytes>>, usize) -> Reply {
    move |_, n| Reply::ok(&format!("body {n}")).cached(control)
}

#[tokio::test(start_paused = true)]
async fn requests_demand_nothing_unless_that_is_honoured() {
    let site = Site::new(numbered("max-age=60"));
    site.get("/").await;
    advance(5_000).await;
    for control in ["no-cache", "max-age=0", "min-fresh=1000"] {
        assert_eq!(get_with(&site, control).await.body, "body 1", "{control}");
    }
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_demand_is_met_by_the_origin_and_what_it_brings_is_stored_for_all() {
    for (control, asked) in [
        ("no-cache", true),
        ("max-age=4", true),
        ("max-age=6", false),
        ("min-fresh=56", true),
        ("min-fresh=54", false),
        ("max-stale=1", false),
        ("foo", false),
    ] {
        let site = Site::with(honouring(), numbered("max-age=60"));
        site.get("/").await;
        advance(5_000).await;
        let got = get_with(&site, control).await;
        let body = if asked { "body 2" } else { "body 1" };
        assert_eq!(got.body, body, "{control}");
        let reason = got.cache_status().contains("fwd=request");
        assert_eq!(reason, asked, "{control}: {}", got.cache_status());
        assert_eq!(site.get("/").await.body, body, "{control}");
    }
}

#[tokio::test(start_paused = true)]
async fn pragma_counts_where_there_is_no_cache_control() {
    let site = Site::with(honouring(), numbered("max-age=60"));
    site.get("/").await;
    let pragma = ("pragma", "no-cache");
    let got = site.send(request("GET", "/", &[pragma])).await;
    assert_eq!(got.body, "body 2");
    let both = [pragma, ("cache-control", "foo")];
    assert_eq!(site.send(request("GET", "/", &both)).await.body, "body 2");
}

#[tokio::test(start_paused = true)]
async fn demands_of_many_are_met_by_one_request() {
    let site = Site::with(honouring(), numbered("max-age=60"));
    site.get("/").await;
    let answers = join_all((0..100).map(|_| get_with(&site, "no-cache"))).await;
    assert!(answers.iter().all(|got| got.body == "body 2"));
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_demand_of_validation_is_conditional_and_a_304_meets_it() {
    let site = Site::with(honouring(), |request, _| {
        let reply = Reply::ok("body").cached("max-age=60").with("etag", "\"a\"");
        if request.headers().contains_key("if-none-match") {
            reply.status(304)
        } else {
            reply
        }
    });
    site.get("/").await;
    advance(5_000).await;
    let got = get_with(&site, "no-cache").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "body"));
    assert_eq!(site.requests(), 2);
    assert!(
        got.cache_status().contains("fwd-status=304"),
        "{}",
        got.cache_status()
    );
}

#[tokio::test(start_paused = true)]
async fn max_stale_is_served_what_would_not_be_and_not_what_forbids_it() {
    for (response, control, served) in [
        ("max-age=2", "max-stale=10", true),
        ("max-age=2", "max-stale", true),
        ("max-age=2", "max-stale=1", false),
        ("max-age=2", "max-stale=10, max-age=1", false),
        ("max-age=2, must-revalidate", "max-stale", false),
        ("s-maxage=2", "max-stale", false),
    ] {
        let site = Site::with(honouring(), numbered(response));
        site.get("/").await;
        advance(5_000).await;
        let got = get_with(&site, control).await;
        let body = if served { "body 1" } else { "body 2" };
        assert_eq!(got.body, body, "{response} {control}");
        // Stale or not, it is refreshed.
        advance(1_000).await;
        assert_eq!(site.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn who_demands_an_age_gets_nothing_stale_although_it_may_be_served() {
    let site = Site::with(
        honouring(),
        numbered("max-age=2, stale-while-revalidate=60"),
    );
    site.get("/").await;
    advance(5_000).await;
    assert_eq!(get_with(&site, "max-age=100").await.body, "body 2");
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_a_failing_origin_cannot_meet_ends_in_its_answer() {
    let site = Site::with(honouring(), |_, n| {
        if n == 1 {
            Reply::ok("body").cached("max-age=60")
        } else {
            Reply::ok("no").status(503)
        }
    });
    site.get("/").await;
    advance(5_000).await;
    assert_eq!(get_with(&site, "no-cache").await.status, 503);
    // During the back-off as well.
    assert_eq!(get_with(&site, "no-cache").await.status, 503);
    assert_eq!(get_with(&site, "foo").await.body, "body");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_ask_for_stale_in_place_of_an_error() {
    let builder = honouring().stale_if_unreachable(Duration::ZERO);
    let site = Site::with(builder, |_, n| {
        if n == 1 {
            Reply::ok("body").cached("max-age=2")
        } else {
            Reply::ok("no").status(503)
        }
    });
    site.get("/").await;
    advance(5_000).await;
    let got = get_with(&site, "stale-if-error=10").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "body"));
    assert_eq!(get_with(&site, "stale-if-error=1").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_finds_what_another_node_holds() {
    let tier = MemoryTier::new();
    let node = || {
        Site::with(
            Cache::builder().shared(tier.clone()),
            numbered("max-age=60"),
        )
    };
    let (ours, theirs) = (node(), node());
    assert_eq!(get_with(&ours, "only-if-cached").await.status, 504);
    theirs.get("/").await;
    let got = get_with(&ours, "only-if-cached").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "body 1"));
    advance(61_000).await;
    assert_eq!(get_with(&ours, "only-if-cached").await.status, 504);
    assert_eq!(ours.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_finds_the_variant_that_another_node_holds() {
    let tier = MemoryTier::new();
    let script = |request: &http::Request<_>, _: usize| {
        let kind = request
            .headers()
            .get("x-kind")
            .map_or("", |kind| kind.to_str().expect("text"));
        Reply::ok(kind).cached("max-age=60").with("vary", "x-kind")
    };
    let node = || Site::with(Cache::builder().shared(tier.clone()), script);
    let (ours, theirs) = (node(), node());
    theirs.send(request("GET", "/", &[("x-kind", "a")])).await;
    let only = ("cache-control", "only-if-cached");
    let found = ours
        .send(request("GET", "/", &[("x-kind", "a"), only]))
        .await;
    assert_eq!((found.status.as_u16(), found.body.as_str()), (200, "a"));
    let missing = ours
        .send(request("GET", "/", &[("x-kind", "b"), only]))
        .await;
    assert_eq!((missing.status.as_u16(), ours.requests()), (504, 0));
}

#[tokio::test(start_paused = true)]
async fn a_targeted_field_governs_and_is_passed_on() {
    let site = Site::with(Cache::builder().early_refresh(0.0), |_, n| {
        Reply::ok(&format!("body {n}"))
            .cached("private, no-store")
            .with("cdn-cache-control", "max-age=10")
            .with("etag", "\"a\"")
    });
    site.get("/").await;
    let got = site.get("/").await;
    assert_eq!((got.body.as_str(), site.requests()), ("body 1", 1));
    assert_eq!(got.header("cdn-cache-control"), "max-age=10");
    assert_eq!(got.header("cache-control"), "private, no-store");
    let conditional = request("GET", "/", &[("if-none-match", "\"a\"")]);
    let not_modified = site.send(conditional).await;
    assert_eq!(not_modified.status, 304);
    assert_eq!(not_modified.header("cdn-cache-control"), "max-age=10");
    advance(11_000).await;
    assert_eq!(site.get("/").await.body, "body 2");
}

#[tokio::test(start_paused = true)]
async fn an_origin_out_of_reach_is_covered_up_and_an_error_of_its_own_is_not() {
    let lost = Site::with(Cache::builder(), |_, n| {
        if n == 1 {
            Reply::ok("body").cached("max-age=2")
        } else {
            Reply::ok("").failing()
        }
    });
    lost.get("/").await;
    advance(5_000).await;
    let got = lost.get("/").await;
    assert_eq!(got.body, "body");
    assert!(
        got.cache_status().contains("detail=stale-if-error"),
        "{}",
        got.cache_status()
    );
    // The back-off runs: at once, and nothing is tried.
    let got = lost.get("/").await;
    assert_eq!(
        (got.body.as_str(), got.waited, lost.requests()),
        ("body", Duration::ZERO, 2)
    );
    advance(58_000).await;
    assert!(
        lost.try_send(request("GET", "/", &[])).await.is_err(),
        "the window has ended"
    );

    let failing = Site::with(Cache::builder(), |_, n| {
        if n == 1 {
            Reply::ok("body").cached("max-age=2")
        } else {
            Reply::ok("no").status(503)
        }
    });
    failing.get("/").await;
    advance(5_000).await;
    assert_eq!(failing.get("/").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn what_forbids_it_is_not_served_although_the_origin_is_out_of_reach() {
    for control in [
        "max-age=2, must-revalidate",
        "s-maxage=2",
        "no-cache",
        "max-age=2, proxy-revalidate",
        "max-age=2, stale-if-error=0",
    ] {
        let site = Site::with(Cache::builder(), move |_, n| {
            let reply = Reply::ok("body").cached(control).with("etag", "\"a\"");
            if n == 1 { reply } else { reply.failing() }
        });
        site.get("/").await;
        advance(5_000).await;
        assert!(
            site.try_send(request("GET", "/", &[])).await.is_err(),
            "{control}"
        );
    }
}

/// Followers of what is validated each time go alone; they fall back as the leader does.
#[tokio::test(start_paused = true)]
async fn everyone_falls_back_on_what_is_validated_each_time() {
    let site = Site::with(Cache::builder(), |_, n| {
        let reply = Reply::ok("body").cached("max-age=0").with("etag", "\"a\"");
        if n == 1 { reply } else { reply.failing() }
    });
    site.get("/").await;
    let answers = join_all((0..10).map(|_| site.get("/"))).await;
    assert!(answers.iter().all(|got| got.body == "body"));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_may_be_stored_does_not_replace_what_may_be_served_in_its_place() {
    let builder = Cache::builder().status_ttl(500..=599, Duration::from_secs(60));
    let site = Site::with(builder, |_, n| {
        if n == 1 {
            Reply::ok("body").cached("max-age=2, stale-if-error=60")
        } else {
            Reply::ok("no").status(503)
        }
    });
    site.get("/").await;
    advance(5_000).await;
    assert_eq!(site.get("/").await.body, "body");
    advance(60_000).await;
    assert_eq!(site.get("/").await.status, 503);
    let requests = site.requests();
    assert_eq!(site.get("/").await.status, 503);
    assert_eq!(
        site.requests(),
        requests,
        "by its own lifetime it is stored now"
    );
}

#[tokio::test(start_paused = true)]
async fn cookies_are_refused_stripped_or_shared() {
    for (set_cookie, requests, cookie) in [
        (SetCookie::Refuse, 2, "a=b"),
        (SetCookie::Strip, 1, ""),
        (SetCookie::Share, 1, "a=b"),
    ] {
        let site = Site::with(Cache::builder().set_cookie(set_cookie), |_, _| {
            Reply::ok("body")
                .cached("max-age=60")
                .with("set-cookie", "a=b")
        });
        let first = site.get("/").await;
        let second = site.get("/").await;
        let found = (
            first.header("set-cookie"),
            second.header("set-cookie"),
            site.requests(),
        );
        assert_eq!(found, (cookie, cookie, requests), "{set_cookie:?}");
    }
}
