//! Rules: which requests share an entry, what the origin sees of them, and what passes by.

mod lifetimes;
mod passing;
mod sharing;

use std::time::Duration;

use bellwether::{Cache, Rule};
use http::{Request, Uri};

use crate::support::{Got, Reply, Site, request};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Its pages tell which request made them, and all that it saw of that.
fn mirror(rules: impl IntoIterator<Item = Rule>) -> Site {
    mirror_saying("max-age=60", rules)
}

fn mirror_saying(cache_control: &'static str, rules: impl IntoIterator<Item = Rule>) -> Site {
    let builder = rules
        .into_iter()
        .fold(Cache::builder(), |all, rule| all.rule(rule));
    Site::with(builder, move |request, n| {
        Reply::ok(&format!("{n}: {}", seen(request))).cached(cache_control)
    })
}

/// What an origin may make its page of.
fn seen<B>(request: &Request<B>) -> String {
    let fields = |name| {
        let lines = request.headers().get_all(name).iter();
        let lines = lines.map(|line| line.to_str().expect("text"));
        lines.collect::<Vec<_>>().join(" + ")
    };
    let fields = [fields("cookie"), fields("accept-language")];
    format!("{} [{}]", request.uri(), fields.join("|"))
}

fn cookie(path: &str, cookies: &str) -> Request<http_body_util::Empty<bytes::Bytes>> {
    request("GET", path, &[("cookie", cookies)])
}

async fn purge(site: &Site, path: &str) {
    let uri: Uri = format!("http://site.test{path}").parse().expect("a uri");
    site.cache.purge(&uri).await.expect("no tier to fail");
}

fn is_hit(got: &Got) -> bool {
    got.cache_status().starts_with("bellwether; hit")
}

fn passed_for(got: &Got, why: &str) -> bool {
    got.cache_status() == format!("bellwether; fwd=bypass; detail={why}")
}
