//! RFC 9211: `Cache-Status`.

use std::time::Duration;

use sfv::{BareItem, ListEntry, Parser};

use crate::support::{Got, Reply, Site, advance, request};
use bellwether::Cache;

/// Each member: its name, then its parameters in order.
fn members(got: &Got) -> Vec<String> {
    let lines: Vec<_> = got
        .headers
        .get_all("cache-status")
        .iter()
        .map(|line| line.to_str().expect("text"))
        .collect();
    let list: sfv::List = Parser::new(&lines.join(", "))
        .parse()
        .expect("a structured list");
    let text = |item: &BareItem| match item {
        BareItem::Token(token) => token.as_str().to_owned(),
        BareItem::String(text) => format!("{:?}", text.as_str()),
        BareItem::Integer(number) => number.to_string(),
        BareItem::Boolean(yes) => format!("?{}", u8::from(*yes)),
        other => panic!("RFC 9211 has no {other:?}"),
    };
    list.iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else {
                panic!("RFC 9211 has no inner lists");
            };
            let mut member = text(&item.bare_item);
            for (key, value) in &item.params {
                member += &format!(" {}={}", key.as_str(), text(value));
            }
            member
        })
        .collect()
}

/// Its answers take no time by the paused clock and some by the real one, so that each has lost its
/// first second when it comes: `ttl` is a floor.
fn site(control: &'static str) -> Site {
    Site::with(Cache::builder().early_refresh(0.0), move |_, _| {
        Reply::ok("x").cached(control).after(Duration::ZERO)
    })
}

async fn ask(site: &Site, method: &str, fields: &[(&str, &str)]) -> Vec<String> {
    members(&site.send(request(method, "/", fields)).await)
}

/// RFC 9211 §2.1 to §2.6: stored, hit, stale, validated.
#[tokio::test(start_paused = true)]
async fn the_life_of_a_response() {
    let site = site("max-age=10, stale-while-revalidate=10");
    let first = ask(&site, "GET", &[]).await;
    assert_eq!(first, ["bellwether fwd=miss ttl=9 stored=?1 detail=leader"]);
    advance(3_000).await;
    assert_eq!(ask(&site, "GET", &[]).await, ["bellwether hit=?1 ttl=6"]);
    assert_eq!(ask(&site, "HEAD", &[]).await, ["bellwether hit=?1 ttl=6"]);
    advance(10_000).await;
    let stale = ask(&site, "GET", &[]).await;
    assert_eq!(stale, ["bellwether hit=?1 ttl=-4 detail=stale"]);
    advance(100_000).await;
    let again = ask(&site, "GET", &[]).await;
    assert_eq!(
        again,
        ["bellwether fwd=stale ttl=9 stored=?1 detail=leader"]
    );
}

/// RFC 9211 §2.2: why a request went on.
#[tokio::test(start_paused = true)]
async fn reasons() {
    let range = [("range", "bytes=0-")];
    let no_store = [("cache-control", "no-store")];
    for (method, fields, expected) in [
        ("POST", &[][..], "bellwether fwd=method detail=method"),
        ("GET", &range[..], "bellwether fwd=bypass detail=range"),
        (
            "GET",
            &no_store[..],
            "bellwether fwd=bypass detail=no-store",
        ),
    ] {
        let site = site("max-age=10");
        ask(&site, "GET", &[]).await;
        assert_eq!(ask(&site, method, fields).await, [expected], "{method}");
    }
    let site = site("no-store");
    assert_eq!(
        ask(&site, "GET", &[]).await,
        ["bellwether fwd=miss detail=no-store"]
    );
    assert_eq!(
        ask(&site, "GET", &[]).await,
        ["bellwether fwd=miss detail=uncacheable"]
    );
}

/// RFC 9211 §2.2: `method` is for what the method's semantics want forwarded.
#[tokio::test(start_paused = true)]
#[ignore = "finding 10"]
async fn safe_methods_pass_for_their_method() {
    let site = site("max-age=10");
    assert_eq!(
        ask(&site, "OPTIONS", &[]).await,
        ["bellwether fwd=method detail=method"]
    );
}

/// RFC 9211 §2.2, §2.3: a variant, a validation.
#[tokio::test(start_paused = true)]
async fn variants_and_validations() {
    let site = Site::with(Cache::builder().early_refresh(0.0), |request, _| {
        let reply = Reply::ok("x")
            .cached("max-age=10")
            .with("etag", "\"a\"")
            .with("vary", "x-a")
            .after(Duration::ZERO);
        match request.headers().contains_key("if-none-match") {
            true => reply.status(304),
            false => reply,
        }
    });
    ask(&site, "GET", &[]).await;
    let other = ask(&site, "GET", &[("x-a", "1")]).await;
    assert_eq!(
        other,
        ["bellwether fwd=vary-miss ttl=9 stored=?1 detail=leader"]
    );
    advance(11_000).await;
    let validated = ask(&site, "GET", &[("x-a", "1")]).await;
    assert_eq!(
        validated,
        ["bellwether fwd=stale fwd-status=304 ttl=9 stored=?1 detail=leader"]
    );
    let conditional = [("x-a", "1"), ("if-none-match", "\"a\"")];
    assert_eq!(
        ask(&site, "GET", &conditional).await,
        ["bellwether hit=?1 ttl=9"]
    );
}

/// RFC 9211 §2.7: who waited for another's request.
#[tokio::test(start_paused = true)]
async fn collapsed() {
    let site = Site::new(|_, _| Reply::ok("x").cached("max-age=10"));
    let (led, followed) = tokio::join!(site.get("/"), async {
        advance(50).await;
        site.get("/").await
    });
    assert_eq!(
        members(&led),
        ["bellwether fwd=miss ttl=9 stored=?1 detail=leader"]
    );
    let expected = ["bellwether fwd=miss ttl=9 collapsed=?1 detail=follower"];
    assert_eq!(members(&followed), expected);
}

/// RFC 9211 §2: caches nearer to the origin come first; one that fails says so as well.
#[tokio::test(start_paused = true)]
async fn other_caches_and_failures() {
    let site = Site::new(|_, _| {
        let reply = Reply::ok("x").cached("max-age=10");
        reply.with("cache-status", "Near; hit, \"Middle one\"; fwd=miss")
    });
    for own in [
        "bellwether fwd=miss ttl=9 stored=?1 detail=leader",
        "bellwether hit=?1 ttl=9",
    ] {
        let found = members(&site.get("/").await);
        assert_eq!(found, ["Near hit=?1", "\"Middle one\" fwd=miss", own]);
    }
    let only = [("cache-control", "only-if-cached")];
    let nothing = site.send(request("GET", "/other", &only)).await;
    assert_eq!(members(&nothing), ["bellwether detail=only-if-cached"]);
}

/// RFC 9211 §2: a name that is no token is a string.
#[tokio::test(start_paused = true)]
async fn names() {
    for (name, expected) in [
        ("node-1.example", "node-1.example"),
        ("*", "*"),
        ("a/b:c", "a/b:c"),
        ("1", "\"1\""),
        ("edge 7", "\"edge 7\""),
        ("a, b; hit", "\"a, b; hit\""),
        ("say \"x\"\\", "\"say \\\"x\\\"\\\\\""),
    ] {
        let site = Site::with(Cache::builder().name(name), |_, _| Reply::ok("x"));
        let found = members(&site.get("/").await);
        assert!(
            found[0].starts_with(&format!("{expected} fwd=miss")),
            "{found:?}"
        );
    }
}

/// RFC 9211 §2.1: a hit was not forwarded. What is served since the origin failed was.
#[tokio::test(start_paused = true)]
#[ignore = "finding 11"]
async fn what_serves_in_place_of_an_error_is_no_hit() {
    let site = Site::new(|_, n| {
        let reply = Reply::ok("x").cached("max-age=1, stale-if-error=60");
        if n == 1 { reply } else { reply.status(503) }
    });
    site.get("/").await;
    advance(3_000).await;
    let found = members(&site.get("/").await);
    assert!(
        found[0].starts_with("bellwether fwd=stale fwd-status=503"),
        "{found:?}"
    );
    // The back-off: nobody asks.
    let found = members(&site.get("/").await);
    assert!(found[0].starts_with("bellwether hit=?1 ttl=-"), "{found:?}");
}
