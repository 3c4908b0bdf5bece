//! Purges: softly, with one refresh and nobody who waits that need not; and of everything.

use std::sync::Arc;
use std::time::Duration;

use bellwether::Cache;
use bellwether::shared::MemoryTier;
use futures_util::future::join_all;
use http::Uri;

use crate::support::{Got, Reply, Site, advance, get, request};

const STALE: &str = "max-age=600, stale-while-revalidate=60";

fn uri(path: &str) -> Uri {
    format!("http://site.test{path}").parse().expect("a URI")
}

/// Each version says its number; each takes 200 ms.
fn versions(cache_control: &'static str) -> impl Fn(usize) -> Reply + Clone {
    move |number| Reply::ok(&format!("v{number}")).cached(cache_control)
}

async fn soft_purge(site: &Site) {
    let purged = site.cache.soft_purge(&uri("/")).await;
    purged.expect("it is within reach");
}

/// Two nodes of a fleet, each with its own connection to the origin.
fn two_nodes(reply: impl Fn(usize) -> Reply + Send + Sync + Clone + 'static) -> [Site; 2] {
    let tier = MemoryTier::new();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    [(); 2].map(|()| {
        let (reply, asked) = (reply.clone(), Arc::clone(&asked));
        Site::with(Cache::builder().shared(tier.clone()), move |_, _| {
            reply(1 + asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
        })
    })
}

fn is_stale(got: &Got, body: &str) -> bool {
    got.body == body && got.cache_status().contains("detail=stale")
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_softly_is_served_stale_while_one_request_refreshes_it() {
    let site = Site::new(|_, number| versions(STALE)(number));
    site.get("/").await;
    advance(10_000).await;
    assert_eq!(site.get("/").await.header("age"), "10");
    soft_purge(&site).await;
    let answers = join_all((0..5).map(|_| site.get("/"))).await;
    assert!(answers.iter().all(|got| is_stale(got, "v1")), "{answers:?}");
    assert!(answers.iter().all(|got| got.waited == Duration::ZERO));
    // No cache behind us takes it for fresh.
    assert_eq!(answers[0].header("age"), "600");
    advance(300).await;
    assert_eq!(site.get("/").await.body, "v2");
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn it_may_be_stale_for_as_long_as_it_might_have_been_later() {
    let site = Site::new(|_, number| {
        let reply = versions(STALE)(number);
        if number == 1 { reply } else { reply.failing() }
    });
    site.get("/").await;
    soft_purge(&site).await;
    advance(59_000).await;
    assert!(is_stale(&site.get("/").await, "v1"));
    advance(2_000).await;
    // Only the window for an origin out of reach is left, and that is the same minute.
    assert!(site.try_send(get("/")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn where_stale_may_not_be_served_it_is_confirmed_by_its_validators() {
    let site = Site::new(|request, _| {
        let reply = Reply::ok("page").cached("max-age=600, must-revalidate");
        let reply = reply.with("etag", "\"1\"");
        match request.headers().get("if-none-match") {
            Some(_) => Reply::ok("").status(304).with("etag", "\"1\""),
            None => reply,
        }
    });
    site.get("/").await;
    soft_purge(&site).await;
    let got = site.get("/").await;
    assert_eq!(got.body, "page");
    assert!(got.waited >= Duration::from_millis(200), "it waited");
    let asked = site.last_seen();
    assert_eq!(asked.headers()["if-none-match"], "\"1\"");
    assert!(site.get("/").await.cache_status().contains("hit"));
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_variants_of_a_url_are_stale_and_each_is_refreshed_once() {
    for shared in [false, true] {
        let builder = Cache::builder();
        let builder = if shared {
            builder.shared(MemoryTier::new())
        } else {
            builder
        };
        let site = Site::with(builder, |request, number| {
            let language = request.headers()["accept-language"].to_str();
            let text = format!("{} v{number}", language.expect("text"));
            Reply::ok(&text)
                .cached(STALE)
                .with("vary", "accept-language")
        });
        let ask = |language: &'static str| {
            site.send(request("GET", "/", &[("accept-language", language)]))
        };
        let languages = ["de", "en", "fr"];
        for (number, language) in languages.into_iter().enumerate() {
            assert_eq!(
                ask(language).await.body,
                format!("{language} v{}", number + 1)
            );
        }
        soft_purge(&site).await;
        for (number, language) in languages.into_iter().enumerate() {
            let answers = join_all((0..3).map(|_| ask(language))).await;
            let before = format!("{language} v{}", number + 1);
            assert!(
                answers.iter().all(|got| is_stale(got, &before)),
                "{answers:?}"
            );
        }
        advance(300).await;
        assert_eq!(site.requests(), 6, "shared: {shared}");
        for (number, language) in languages.into_iter().enumerate() {
            let got = ask(language).await;
            assert_eq!(got.body, format!("{language} v{}", number + 4));
            assert!(got.cache_status().contains("hit"), "{got:?}");
        }
        // One that is asked for only now was purged all the same.
        soft_purge(&site).await;
        advance(30_000).await;
        assert!(is_stale(&ask("en").await, "en v5"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_fleet_refreshes_it_once_whichever_node_purged_it() {
    for purging in 0..2 {
        let nodes = two_nodes(versions(STALE));
        for node in &nodes {
            assert_eq!(node.get("/").await.body, "v1");
        }
        soft_purge(&nodes[purging]).await;
        for node in &nodes {
            assert!(is_stale(&node.get("/").await, "v1"));
        }
        advance(300).await;
        for node in &nodes {
            let got = node.get("/").await;
            assert_eq!(got.body, "v2", "{got:?}");
        }
        assert_eq!(nodes[0].requests() + nodes[1].requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_later_finds_it_stale_with_all_its_variants() {
    let nodes = two_nodes(|number| versions(STALE)(number).with("vary", "accept-language"));
    let ask = |node: usize, language: &'static str| {
        nodes[node].send(request("GET", "/", &[("accept-language", language)]))
    };
    assert_eq!(ask(0, "de").await.body, "v1");
    assert_eq!(ask(0, "en").await.body, "v2");
    soft_purge(&nodes[0]).await;
    // Nothing of it was ever held here.
    let got = ask(1, "en").await;
    assert!(is_stale(&got, "v2"), "{got:?}");
    advance(300).await;
    let got = ask(1, "en").await;
    assert!(
        got.body == "v3" && got.cache_status().contains("hit"),
        "{got:?}"
    );
    // The other node looks, once it is asked, and finds the one new and refreshes the other.
    assert!(is_stale(&ask(0, "en").await, "v2"));
    assert!(is_stale(&ask(0, "de").await, "v1"));
    advance(10).await;
    assert_eq!(ask(0, "en").await.body, "v3");
    advance(300).await;
    assert_eq!(ask(1, "de").await.body, "v4");
    assert_eq!(nodes[0].requests() + nodes[1].requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_from_before_the_purge_is_stored_nowhere() {
    let nodes = two_nodes(versions(STALE));
    let (leader, purger) = (nodes[0].clone(), &nodes[1]);
    let leading = tokio::spawn(async move { leader.get("/").await });
    advance(100).await;
    soft_purge(purger).await;
    assert_eq!(
        leading.await.expect("no panic").body,
        "v1",
        "its own answer"
    );
    for node in &nodes {
        let got = node.get("/").await;
        assert_eq!(got.body, "v2", "{got:?}");
    }
    assert_eq!(nodes[0].requests() + nodes[1].requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_what_is_not_there_is_no_error() {
    let site = Site::new(|_, number| versions(STALE)(number));
    soft_purge(&site).await;
    assert_eq!(site.get("/").await.body, "v1");
    let relative = "/page".parse().expect("a URI");
    let error = site.cache.soft_purge(&relative).await;
    assert!(error.expect_err("it names no host").is_config());
}

#[tokio::test(start_paused = true)]
async fn everything_is_gone_and_what_is_being_fetched_is_not_kept() {
    let site = Site::new(|_, number| versions(STALE)(number));
    for path in ["/a", "/b"] {
        site.get(path).await;
    }
    let coming = tokio::join!(site.get("/c"), async {
        advance(100).await;
        site.cache.purge_all().await.expect("there is no tier");
        assert_eq!(site.cache.stats().local_entries, 0);
        // Who comes after the purge does not follow what began before it.
        site.get("/c").await
    });
    assert_eq!(coming.0.body, "v3");
    assert_eq!(coming.1.body, "v4");
    for (path, version) in [("/c", "v4"), ("/a", "v5"), ("/b", "v6")] {
        assert_eq!(site.get(path).await.body, version);
        assert_eq!(site.get(path).await.body, version, "and it is kept again");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_gone_on_all_nodes_and_fetched_once_for_all() {
    let [one, two] = two_nodes(versions(STALE));
    for site in [&one, &two] {
        for path in ["/a", "/b"] {
            site.get(path).await;
        }
    }
    one.cache.purge_all().await.expect("it is within reach");
    for (path, version) in [("/a", "v3"), ("/b", "v4")] {
        for site in [&two, &one] {
            assert_eq!(site.get(path).await.body, version);
        }
    }
}
