//! How the inner service is driven. The probe in `support` panics when called unready.

use std::time::Duration;

use futures_util::future::join_all;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, ServiceExt};

use crate::support::{Reply, Site, advance, get, request};

#[tokio::test(start_paused = true)]
async fn the_probe_is_ready_on_every_path() {
    let site = Site::new(|_, n| {
        let reply = Reply::ok("x").with("etag", "\"a\"");
        match n % 3 {
            0 => reply.cached("max-age=1, stale-while-revalidate=1"),
            1 => reply.cached("no-store"),
            _ => reply.cached("max-age=1").status(500),
        }
    });
    for round in 0..20 {
        join_all((0..5).map(|_| site.get("/"))).await;
        site.send(request("POST", "/", &[])).await;
        site.send(request("GET", "/", &[("cache-control", "no-store")]))
            .await;
        advance(round * 100).await;
    }
    assert!(site.requests() > 40);
}

#[tokio::test(start_paused = true)]
async fn hits_need_no_place_at_a_saturated_origin() {
    let site = Site::new(|request, _| {
        let slow = request.uri().path() == "/slow";
        Reply::ok("x")
            .cached("max-age=60")
            .after(Duration::from_millis(if slow { 10_000 } else { 10 }))
    });
    let limited = ConcurrencyLimitLayer::new(1).layer(site.service.get_ref().clone());
    let service = site.cache.layer().layer(limited);
    service
        .clone()
        .oneshot(get("/"))
        .await
        .expect("the origin is up");
    let slow = tokio::spawn(service.clone().oneshot(get("/slow")));
    advance(100).await;
    let start = tokio::time::Instant::now();
    service.oneshot(get("/")).await.expect("a hit");
    assert!(start.elapsed() < Duration::from_millis(1));
    slow.abort();
}
