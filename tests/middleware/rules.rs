//! Rules: which requests share an entry, what the origin sees of them, and what passes by.

use std::time::Duration;

use bellwether::{Cache, Cookies, Ignore, Query, Rule};
use http::{HeaderName, Method, Request, Uri};

use crate::support::{Got, Reply, Site, advance, get, request};

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

#[tokio::test(start_paused = true)]
async fn ignored_parameters_share_an_entry_and_the_origin_does_not_see_them() {
    let ignore = Query::Ignore(vec!["utm_*".into(), "gclid".into()]);
    let site = mirror([Rule::path("/p").query(ignore)]);
    let first = site.get("/p?utm_source=evil&a=1").await;
    assert_eq!(first.body, "1: /p?a=1 [|]");
    for same in ["/p?a=1", "/p?a=1&utm_medium=x", "/p?gclid=1&a=1&utm_x"] {
        let got = site.get(same).await;
        assert!(is_hit(&got) && got.body == first.body, "{same}: {got:?}");
    }
    for other in ["/p", "/p?a=2", "/p?A=1", "/p?%61=1"] {
        assert!(!is_hit(&site.get(other).await), "{other}");
    }
    // With nothing left, the question mark is gone too.
    assert!(is_hit(&site.get("/p?utm_x=1").await));
    // Elsewhere everything counts.
    site.get("/q?utm_x=1").await;
    assert_eq!(site.last_seen().uri(), "/q?utm_x=1");
    assert!(!is_hit(&site.get("/q").await));
}

#[tokio::test(start_paused = true)]
async fn named_parameters_or_none_may_be_all_that_counts() {
    let only = Query::Only(vec!["id".into(), "id".into()]);
    let site = mirror([
        Rule::path("/only").query(only),
        Rule::path("/none").query(Query::None),
    ]);
    assert_eq!(
        site.get("/only?x=1&id=1&id=2").await.body,
        "1: /only?id=1&id=2 [|]"
    );
    assert!(is_hit(&site.get("/only?id=1&y&id=2").await));
    assert!(!is_hit(&site.get("/only?id=2&id=1").await));
    assert_eq!(site.get("/none?x=1").await.body, "3: /none [|]");
    assert!(is_hit(&site.get("/none?y").await));
    assert!(is_hit(&site.get("/none").await));
}

#[tokio::test(start_paused = true)]
async fn sorted_parameters_share_an_entry_and_the_origin_sees_them_sorted() {
    let site = mirror([Rule::path("/p").sort_query(true)]);
    assert_eq!(
        site.get("/p?b=2&a=1&b=1").await.body,
        "1: /p?a=1&b=2&b=1 [|]"
    );
    assert!(is_hit(&site.get("/p?b=2&b=1&a=1").await));
    // Which of the two is first may mean something.
    assert!(!is_hit(&site.get("/p?a=1&b=1&b=2").await));
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_target_keeps_its_host() {
    let site = mirror([Rule::path("/").query(Query::None)]);
    let absolute = |uri: &str| {
        let request = Request::builder().uri(uri);
        request
            .body(http_body_util::Empty::new())
            .expect("a request")
    };
    site.send(absolute("http://site.test/?a")).await;
    assert_eq!(site.last_seen().uri(), "http://site.test/");
    site.send(absolute("http://other.test?a")).await;
    assert_eq!(site.last_seen().uri(), "http://other.test/");
    assert!(is_hit(&site.send(absolute("http://other.test/?b")).await));
}

#[tokio::test(start_paused = true)]
async fn a_purge_reads_a_url_as_a_get_does() {
    let rule = || {
        Rule::path("/p")
            .query(Query::Ignore(vec!["utm_*".into()]))
            .sort_query(true)
    };
    // A rule for another method must not decide how a URL is read.
    let site = mirror([Rule::path("/p").method(Method::POST), rule()]);
    site.get("/p?a=1&b=2").await;
    purge(&site, "/p?b=2&utm_source=x&a=1").await;
    assert!(!is_hit(&site.get("/p?a=1&b=2").await));

    // Also where an unsafe request purges: its own target, and what it points to.
    let builder = Cache::builder().rule(rule());
    let site = Site::with(builder, |request, _| {
        let reply = Reply::ok("x").cached("max-age=60");
        match request.method().as_str() {
            "POST" => reply.with("location", "/p?d=1&c=1"),
            _ => reply,
        }
    });
    site.get("/p?a=1&b=2").await;
    site.get("/p?c=1&d=1").await;
    site.send(request("POST", "/p?b=2&a=1&utm_x", &[])).await;
    assert_eq!(site.last_seen().uri(), "/p?b=2&a=1&utm_x");
    assert!(!is_hit(&site.get("/p?a=1&b=2").await));
    assert!(!is_hit(&site.get("/p?c=1&d=1").await));
}

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
async fn stripped_cookies_reach_neither_the_key_nor_the_origin() {
    let strip = Cookies::Only(vec!["_ga*".into()]);
    let varying = Cache::builder().rule(Rule::path("/p").strip_cookies(strip));
    let site = Site::with(varying, |request, n| {
        Reply::ok(&format!("{n}: {}", seen(request)))
            .cached("max-age=60")
            .with("vary", "cookie")
    });
    let first = site.send(cookie("/p", "a=1; _ga=x; b=2; _GA_1=y")).await;
    assert_eq!(first.body, "1: /p [a=1; b=2|]");
    assert!(is_hit(&site.send(cookie("/p", "_ga=z; a=1; b=2")).await));
    assert!(!is_hit(&site.send(cookie("/p", "a=1")).await));
    // Where another rule holds, all of them stay.
    assert_eq!(
        site.send(cookie("/q", "_ga=x")).await.body,
        "3: /q [_ga=x|]"
    );

    let site = mirror([
        Rule::path("/all").strip_cookies(Cookies::All),
        Rule::default().strip_cookies(Cookies::Except(vec!["id".into()])),
    ]);
    let cookies = "id=1; a=2";
    assert_eq!(site.send(cookie("/all", cookies)).await.body, "1: /all [|]");
    assert_eq!(site.send(cookie("/", cookies)).await.body, "2: / [id=1|]");
    // What passes by goes as it came.
    site.send(request("POST", "/all", &[("cookie", cookies)]))
        .await;
    assert_eq!(site.last_seen().headers()["cookie"], cookies);
}

/// A HEAD is sent to the origin as a GET and stored for all, so it is rewritten like one.
#[tokio::test(start_paused = true)]
async fn a_head_is_rewritten_like_the_get_that_it_stands_for() {
    let rule = Rule::path("/p").method(Method::GET);
    let site = mirror([rule.strip_cookies(Cookies::All).query(Query::None)]);
    site.send(request("HEAD", "/p?x", &[("cookie", "evil=1")]))
        .await;
    let got = site.get("/p?y").await;
    assert!(is_hit(&got));
    assert_eq!(got.body, "1: /p [|]");
}

#[tokio::test(start_paused = true)]
async fn key_cookies_separate_users_although_no_vary_says_so() {
    let site = mirror([Rule::default().key_cookie("plan")]);
    let free = site.send(cookie("/", "plan=free; id=1")).await;
    let paid = site.send(cookie("/", "id=2; plan=paid")).await;
    let none = site.get("/").await;
    assert_eq!(site.requests(), 3);
    for (cookies, expected) in [
        ("id=9; plan=free", &free),
        ("plan=paid", &paid),
        ("id=1", &none),
    ] {
        let got = site.send(cookie("/", cookies)).await;
        assert!(is_hit(&got) && got.body == expected.body, "{cookies}");
    }
    // Whichever of them the origin reads: nobody gets another's page.
    for hidden in [
        "plan=free; plan=paid",
        "PLAN=paid",
        "x=1, plan=paid",
        "plan=\"free; plan\"",
    ] {
        assert!(!is_hit(&site.send(cookie("/", hidden)).await), "{hidden}");
    }
    purge(&site, "/").await;
    for cookies in ["plan=free", "plan=paid", "id=1"] {
        assert!(!is_hit(&site.send(cookie("/", cookies)).await), "{cookies}");
    }
}

#[tokio::test(start_paused = true)]
async fn key_headers_choose_among_variants_beside_those_of_vary() {
    let language = HeaderName::from_static("accept-language");
    let site = mirror([Rule::path("/p").key_header(language)]);
    let ask = |path, language| site.send(request("GET", path, &[("accept-language", language)]));
    // At once: the second one waits for an answer that turns out to be another's.
    let (en, de) = tokio::join!(ask("/p", "en"), async {
        advance(1).await;
        ask("/p", "de").await
    });
    assert_eq!(
        (en.body.as_str(), de.body.as_str()),
        ("1: /p [|en]", "2: /p [|de]")
    );
    for (language, expected) in [("EN", &en), ("de", &de)] {
        let got = ask("/p", language).await;
        assert!(is_hit(&got) && got.body == expected.body);
    }
    assert!(!is_hit(&site.get("/p").await));
    ask("/q", "en").await;
    assert!(is_hit(&ask("/q", "de").await));
}

/// Its value would be read from the cookies, and not from the field that the origin means.
#[tokio::test(start_paused = true)]
async fn a_vary_that_names_a_pseudo_field_is_never_stored() {
    let site = Site::new(|_, _| {
        Reply::ok("x")
            .cached("max-age=60")
            .with("vary", "cookie.plan")
    });
    site.get("/").await;
    site.get("/").await;
    assert_eq!(site.requests(), 2);
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
