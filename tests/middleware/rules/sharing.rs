//! Which requests share an entry, and what the origin sees of them.

use bellwether::shared::MemoryTier;
use bellwether::{Cache, Cookies, Query, Rule};
use http::{HeaderName, Method, Request};

use super::{cookie, is_hit, mirror, purge, seen};
use crate::support::{Reply, Site, advance, request};

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
        "plan=free; plan=basic",
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

/// The rule that leads to the variants is made by the settings, and travels like that of a `Vary`.
#[tokio::test(start_paused = true)]
async fn variants_by_cookie_are_the_whole_fleets() {
    let tier = MemoryTier::new();
    let node = || {
        let rule = Rule::default().key_cookie("plan").sort_query(true);
        let builder = Cache::builder().shared(tier.clone()).rule(rule);
        Site::with(builder, |request, n| {
            Reply::ok(&format!("{n}: {}", seen(request))).cached("max-age=60")
        })
    };
    let (a, b) = (node(), node());
    for plan in ["plan=free", "plan=paid"] {
        let made = a.send(cookie("/?x&y", plan)).await;
        advance(100).await;
        let got = b.send(cookie("/?y&x", plan)).await;
        assert_eq!(got.body, made.body, "{got:?}");
    }
    assert_eq!((a.requests(), b.requests()), (2, 0));
    purge(&b, "/?y&x").await;
    advance(100).await;
    for plan in ["plan=free", "plan=paid"] {
        assert!(!is_hit(&a.send(cookie("/?x&y", plan)).await), "{plan}");
    }
}
