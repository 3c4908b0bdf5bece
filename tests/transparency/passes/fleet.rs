//! Two nodes with one Redis: what one has fetched, the other serves out of the shared tier.

use std::sync::Arc;

use crate::check::is_spared;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::tree::MAX_BODY;

/// Nginx is asked once for both.
pub(crate) async fn fleet(stage: &Arc<Stage>) -> Tally {
    let redis = RedisServer::start();
    let (first, second) = (node(stage, &redis).await, node(stage, &redis).await);
    let nodes = [first.client(), second.client()];
    let pages: Vec<_> = stage.pages.iter().step_by(3).cloned().collect();
    let target = |path: &str| format!("{path}?copy=fleet");
    let mut tally = pass("two nodes", stage, &pages, |mut check, page| {
        let nodes = nodes.clone();
        async move {
            let ask = Ask::get(target(&page.path));
            for (ask, whole) in [(ask.clone(), page.plain()), (ask.gzip(), page.gzip())] {
                for node in &nodes {
                    let got = check.by(node, &ask).await;
                    check.same(&ask, whole, &got, whole.body.len());
                }
                let got = check.by(&nodes[1], &ask).await;
                check.claim(&ask, &got, "a hit", is_spared(&got) || !page.fits());
            }
            check
        }
    })
    .await;
    for page in pages.iter().filter(|page| page.fits()) {
        let varies = page.plain().headers.contains_key("vary");
        tally.asked_just(&target(&page.path), &[200, 200][..1 + usize::from(varies)]);
    }
    tally
}

async fn node(stage: &Stage, redis: &RedisServer) -> Proxy {
    let (origin, redis, largest) = (stage.nginx.url(), redis.url(), MAX_BODY.to_string());
    let args = [
        "--origin",
        &origin,
        "--redis",
        &redis,
        "--max-body-size",
        &largest,
    ];
    Proxy::spawn(&args).await
}
