//! Which requests pass by, and what unsafe ones purge.

use bellwether::{Cache, Ignore, Rule};
use http::HeaderName;

use super::{cookie, is_hit, mirror, mirror_saying, passed_for, secs};
use crate::support::{Reply, Site, request};

#[tokio::test(start_paused = true)]
async fn a_bypass_cookie_gets_its_own_response_and_leaves_the_cache_alone() {
    let site = mirror([Rule::default().bypass_cookie("wordpress_logged_in_*")]);
    let login = "theme=dark; wordpress_logged_in_x=1";
    // First, so that it would be stored if it could be.
    let own = site.send(cookie("/?a", login)).await;
    assert!(passed_for(&own, "bypass-cookie"), "{own:?}");
    assert_eq!(own.body, format!("1: /?a [{login}|]"));
    let first = site.get("/?a").await;
    assert_eq!(first.body, "2: /?a [|]");
    let own = site.send(cookie("/?a", login)).await;
    assert_eq!(own.body, format!("3: /?a [{login}|]"));
    for others in ["theme=dark", "xwordpress_logged_in_x=1", ""] {
        let got = site.send(cookie("/?a", others)).await;
        assert!(is_hit(&got) && got.body == first.body, "{others}");
    }
    // What is done with such a cookie changes what the others see.
    site.send(request("POST", "/?a", &[("cookie", login)]))
        .await;
    assert!(!is_hit(&site.get("/?a").await));
}

#[tokio::test(start_paused = true)]
async fn a_bypass_header_and_a_path_that_is_not_cached_pass_by() {
    let site = mirror([
        Rule::path("/live/**").cache(false),
        Rule::default().bypass_header(HeaderName::from_static("x-preview")),
    ]);
    for n in 1..3 {
        let got = site.send(request("GET", "/", &[("x-preview", "1")])).await;
        assert!(passed_for(&got, "bypass-header"));
        assert_eq!(site.requests(), n);
    }
    assert_eq!(site.get("/").await.body, "3: / [|]");
    for n in 4..6 {
        let got = site.get("/live/x?a").await;
        assert!(passed_for(&got, "rule"));
        assert_eq!(got.body, format!("{n}: /live/x?a [|]"));
    }
    assert!(is_hit(&site.get("/").await));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_two_servers_read_differently_is_not_stored_by_the_wrong_rule() {
    let site = mirror_saying(
        "private",
        [
            Rule::path("/static/**")
                .ignore(Ignore::Private)
                .ttl(secs(60)),
            Rule::path("/account/**"),
        ],
    );
    for path in [
        "/static/..%2faccount/me",
        "/static/x/../../account/me",
        "/static/..;/account/me",
    ] {
        let got = site.get(path).await;
        assert!(passed_for(&got, "ambiguous-path"), "{path}: {got:?}");
        assert_eq!(site.last_seen().uri(), path);
    }
    site.get("/static/%61").await;
    assert!(is_hit(&site.get("/static/%61").await));
}

#[tokio::test(start_paused = true)]
async fn an_unsafe_request_that_only_asks_leaves_the_entry() {
    let builder = Cache::builder().rule(Rule::path("/search").invalidate(false));
    let site = Site::with(builder, |request, _| {
        let reply = Reply::ok("x").cached("max-age=60");
        match request.method().as_str() {
            "POST" => reply.with("location", "/other"),
            _ => reply,
        }
    });
    for path in ["/search", "/other", "/third"] {
        site.get(path).await;
        site.send(request("POST", "/search", &[])).await;
        assert!(is_hit(&site.get(path).await), "{path}");
    }
    site.send(request("POST", "/third", &[])).await;
    assert!(!is_hit(&site.get("/third").await));
    assert!(!is_hit(&site.get("/other").await));
}

/// RFC 9111 §4.4: what the request has changed may be cached by another rule.
#[tokio::test(start_paused = true)]
async fn an_unsafe_request_to_what_is_not_cached_still_invalidates() {
    let builder = Cache::builder().rule(Rule::path("/api/**").cache(false));
    let site = Site::with(builder, |request, _| {
        let reply = Reply::ok("x").cached("max-age=60");
        match request.method().as_str() {
            "POST" => reply.with("location", "/page"),
            _ => reply,
        }
    });
    site.get("/page").await;
    site.send(request("POST", "/api/pages", &[])).await;
    assert!(!is_hit(&site.get("/page").await));
}
