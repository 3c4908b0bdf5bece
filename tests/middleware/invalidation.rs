//! Unsafe methods and purges, also in the middle of a fetch.

use http::Uri;

use crate::support::{Reply, Site, advance, request};

fn site() -> Site {
    Site::new(|_, n| {
        Reply::ok(&format!("body {n}")).cached("max-age=60, stale-while-revalidate=60")
    })
}

async fn purge(site: &Site, path: &str) {
    let uri: Uri = format!("http://site.test{path}").parse().expect("a uri");
    site.cache.purge(&uri).await.expect("no tier to fail");
}

#[tokio::test(start_paused = true)]
async fn a_successful_unsafe_request_invalidates_its_target_and_where_it_points() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO"] {
        let site = Site::new(|request, _| {
            let reply = Reply::ok("x").cached("max-age=60");
            if request.method() == "GET" {
                reply
            } else {
                reply.with("location", "/other")
            }
        });
        site.get("/").await;
        site.get("/other").await;
        site.get("/third").await;
        site.send(request(method, "/", &[])).await;
        assert_eq!(site.requests(), 4);
        site.get("/").await;
        site.get("/other").await;
        site.get("/third").await;
        assert_eq!(site.requests(), 6, "{method}: two of three are gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_unsafe_request_invalidates_nothing() {
    let site = Site::new(|request, _| {
        let reply = Reply::ok("x").cached("max-age=60");
        if request.method() == "GET" {
            reply
        } else {
            reply.status(403)
        }
    });
    site.get("/").await;
    site.send(request("POST", "/", &[])).await;
    assert!(site.get("/").await.cache_status().contains("hit"));
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_is_fetched_anew() {
    let site = site();
    site.get("/").await;
    purge(&site, "/").await;
    assert_eq!(site.get("/").await.body, "body 2");
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_before_a_purge_is_never_served_after_it() {
    let site = site();
    let before = tokio::spawn({
        let site = site.clone();
        async move { site.get("/").await }
    });
    advance(100).await;
    purge(&site, "/").await;
    // While the old fetch is still under way.
    let after = site.get("/").await;
    assert_eq!(after.body, "body 2");
    assert_eq!(before.await.expect("it ends").body, "body 1");
    advance(1_000).await;
    assert_eq!(site.get("/").await.body, "body 2");
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_purge_during_a_background_refresh_beats_it() {
    let site = site();
    site.get("/").await;
    advance(70_000).await;
    assert_eq!(site.get("/").await.body, "body 1");
    advance(100).await;
    purge(&site, "/").await;
    advance(1_000).await;
    assert_eq!(site.get("/").await.body, "body 3");
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_every_variant() {
    let site = Site::new(|_, n| {
        Reply::ok(&format!("body {n}"))
            .cached("max-age=60")
            .with("vary", "accept")
    });
    for accept in ["a", "b"] {
        site.send(request("GET", "/", &[("accept", accept)])).await;
    }
    purge(&site, "/").await;
    for accept in ["a", "b"] {
        let got = site.send(request("GET", "/", &[("accept", accept)])).await;
        assert!(got.cache_status().contains("fwd="), "{got:?}");
    }
    assert_eq!(site.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_purge_during_the_fetch_of_a_variant_beats_it() {
    let site = Site::new(|_, n| {
        Reply::ok(&format!("body {n}"))
            .cached("max-age=60")
            .with("vary", "accept")
    });
    site.send(request("GET", "/", &[("accept", "a")])).await;
    let fetch = tokio::spawn({
        let site = site.clone();
        async move { site.send(request("GET", "/", &[("accept", "b")])).await }
    });
    advance(100).await;
    purge(&site, "/").await;
    fetch.await.expect("it ends");
    advance(10).await;
    assert_eq!(
        site.send(request("GET", "/", &[("accept", "b")]))
            .await
            .body,
        "body 3"
    );
}

#[tokio::test(start_paused = true)]
async fn a_purge_without_a_host_is_refused() {
    let site = site();
    let error = site
        .cache
        .purge(&Uri::from_static("/path"))
        .await
        .expect_err("no host");
    assert!(error.is_config());
    assert_eq!(
        error.to_string(),
        "uri is \"/path\", must be absolute (http://host/path)"
    );
}
