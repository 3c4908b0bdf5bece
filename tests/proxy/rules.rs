//! The proxy with settings for what is cached: flags, rules out of a file, and what comes of them.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::client::Client;
use crate::support::origin::{Origin, Page};
use crate::support::proxy::{Proxy, command, refusal};

#[tokio::test]
async fn a_bad_rule_is_one_line_with_its_file_its_number_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    let cases = [
        (
            "tll = \"5s\"",
            "unknown key tll, expected one of path, paths",
        ),
        ("path = 5", "path: 5 is not allowed, expected a string"),
        ("path = []", "path: [] is not allowed, expected a string"),
        ("path = \"a\"", "paths is \"a\", must be a path"),
        (
            "paths = [\"/a\", \"/[\"]",
            "paths is \"/[\", must be a glob",
        ),
        (
            "host = \"http://a\"",
            "hosts is \"http://a\", must be a host",
        ),
        (
            "method = \"get\"",
            "methods: \"get\" is not allowed, expected",
        ),
        (
            "cache = \"no\"",
            "cache: \"no\" is not allowed, expected true or false",
        ),
        (
            "invalidate = 0",
            "invalidate: 0 is not allowed, expected true or false",
        ),
        (
            "ttl = \"5\"",
            "ttl: \"5\" is not allowed, expected a number and a unit",
        ),
        (
            "ttl = 5",
            "ttl: 5 is not allowed, expected a number and a unit",
        ),
        ("grace = \"2000d\"", "from 0s to 365d"),
        ("default_ttl = \"\"", "default_ttl: "),
        ("stale_if_error = \"\"", "stale_if_error: "),
        ("stale_if_unreachable = \"\"", "stale_if_unreachable: "),
        ("keep = \"\"", "keep: "),
        ("status_ttl = \"404\"", "like 404=10s, 500-599=1s"),
        (
            "ignore = [\"public\"]",
            "ignore: \"public\" is not allowed, expected some of no-store",
        ),
        ("set_cookie = \"keep\"", "refuse, strip or share"),
        (
            "honor_request_directives = 1",
            "honor_request_directives: 1 is not allowed",
        ),
        (
            "query = \"some\"",
            "query: \"some\" is not allowed, expected \"all\" or \"none\"",
        ),
        (
            "query = \"none\"\nquery_only = [\"a\"]",
            "expected one of query, query_ignore and query_only",
        ),
        (
            "query_ignore = [\"a=b\"]",
            "query is \"a=b\", must be the name of a parameter",
        ),
        ("sort_query = \"yes\"", "sort_query: \"yes\" is not allowed"),
        (
            "key_headers = [\"a b\"]",
            "key_headers: \"a b\" is not allowed",
        ),
        (
            "key_cookies = [\"a*\"]",
            "key_cookies is \"a*\", must be the name of a cookie",
        ),
        (
            "bypass_headers = \"a b\"",
            "bypass_headers: \"a b\" is not allowed",
        ),
        ("bypass_cookies = [\"a;b\"]", "bypass_cookies is \"a;b\""),
        (
            "strip_cookies = \"some\"",
            "strip_cookies: \"some\" is not allowed, expected \"all\"",
        ),
        (
            "strip_cookies = \"all\"\nstrip_cookies_except = \"a\"",
            "expected one of strip_cookies",
        ),
    ];
    for (text, words) in cases {
        let text = format!("[[rule]]\npath = \"/ok\"\n[[rule]]\n{text}");
        std::fs::write(&path, &text).unwrap();
        let line = refusal(command().arg("--config").arg(&path), 2).await;
        let place = format!("{}, rule 2: ", path.display());
        assert!(
            line.contains(&place) && line.contains(words),
            "{text}: {line}"
        );
    }
}

/// The example that users start from, as it stands, with a server behind it.
#[tokio::test]
async fn the_example_file_does_what_its_comments_say() {
    let origin = Origin::start().await;
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/reverse_proxy/proxy.toml"
    );
    let paths = ["/account/me", "/assets/a.css", "/search", "/page", "/gone"];
    for path in paths {
        origin.serve(
            path,
            Page::new("copy {n}").cache_control("max-age=0, must-revalidate"),
        );
    }
    origin.serve("/page", Page::new("copy {n}").cache_control("max-age=60"));
    origin.serve("/gone", Page::new("gone").status(404));
    let proxy = Proxy::spawn(&["--origin", &origin.url(), "--config", file]).await;
    let client = proxy.client();
    let ask = async |method: &str, path: &str, fields: &[(&'static str, &'static str)]| {
        let mut request = client.request(method, path);
        for (name, value) in fields {
            let value = http::HeaderValue::from_static(value);
            request.headers_mut().insert(*name, value);
        }
        client.send(request).await
    };
    let seen = |path: &str| {
        let head = origin.heads(path).pop().expect("it was asked");
        let cookie = head.headers.get("cookie").cloned();
        (head.uri.to_string(), cookie)
    };

    for copy in ["copy 1", "copy 2"] {
        let answer = ask("GET", "/account/me", &[]).await;
        assert_eq!(answer.text(), copy);
        assert_eq!(
            answer.header("cache-status"),
            "bellwether; fwd=bypass; detail=rule"
        );
    }

    ask("GET", "/assets/a.css?v=1", &[("cookie", "session=1")]).await;
    assert_eq!(seen("/assets/a.css"), ("/assets/a.css".to_owned(), None));
    let answer = ask("GET", "/assets/a.css?v=2", &[]).await;
    assert!(
        answer.header("cache-status").contains("hit; ttl=86"),
        "{answer:?}"
    );

    ask("GET", "/search?page=2&q=x&utm_source=y", &[]).await;
    assert_eq!(seen("/search").0, "/search?page=2&q=x");
    ask("POST", "/search?q=x&page=2", &[]).await;
    let answer = ask("GET", "/search?q=x&page=2", &[]).await;
    assert!(answer.header("cache-status").contains("hit"), "{answer:?}");

    let english = ("accept-language", "en");
    let answer = ask("GET", "/page?gclid=1", &[english, ("cookie", "a=1; _ga=2")]).await;
    assert_eq!(answer.text(), "copy 1");
    let cookie = Some(http::HeaderValue::from_static("a=1"));
    assert_eq!(seen("/page"), ("/page".to_owned(), cookie));
    assert_eq!(ask("GET", "/page", &[english]).await.text(), "copy 1");
    let german = ("accept-language", "de");
    assert_eq!(ask("GET", "/page", &[german]).await.text(), "copy 2");
    let answer = ask("GET", "/page", &[english, ("cookie", "session=x")]).await;
    assert_eq!(answer.text(), "copy 3");
    assert_eq!(
        answer.header("cache-status"),
        "bellwether; fwd=bypass; detail=bypass-cookie"
    );

    ask("GET", "/gone", &[]).await;
    let answer = ask("GET", "/gone", &[]).await;
    assert!(
        answer.header("cache-status").contains("hit; ttl="),
        "{answer:?}"
    );
    assert_eq!(
        (answer.status.as_u16(), origin.requests_to("/gone")),
        (404, 1)
    );
}

/// A purge by the operator names a page as its clients do, whatever the rules make of its URL.
#[tokio::test]
async fn a_purge_reads_a_url_by_the_rules() {
    let origin = Origin::start().await;
    origin.serve("/p", Page::new("copy {n}").cache_control("max-age=60"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    let rule = "[[rule]]\npath = \"/p\"\nsort_query = true\nquery_ignore = \"utm_*\"";
    std::fs::write(&path, rule).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let mut command = command();
    command.args(["--origin", &origin.url(), "--admin", &admin]);
    command.arg("--config").arg(&path);
    let proxy = Proxy::start(command).await;
    let client = proxy.client();
    client.get("/p?a=1&b=2").await;
    assert_eq!(client.get("/p?b=2&a=1&utm_x").await.text(), "copy 1");
    let page = format!("{}/p%3Futm_y=1%26b=2%26a=1", proxy.url());
    let operator = Client::new(format!("http://{admin}"));
    let request = operator.request("POST", &format!("/purge?uri={page}"));
    assert_eq!(operator.send(request).await.status, 200);
    assert_eq!(client.get("/p?a=1&b=2").await.text(), "copy 2");
}

/// Each reaches the library: what holds with the setting does not hold without.
#[tokio::test]
async fn the_general_settings_take_effect() {
    let origin = Origin::start().await;
    origin.serve("/silent", Page::new("copy {n}"));
    origin.serve("/gone", Page::new("copy {n}").status(410));
    origin.serve("/forbidden", Page::new("copy {n}").status(403));
    let cookie = Page::new("copy {n}").cache_control("max-age=60");
    origin.serve("/cookie", cookie.header("set-cookie", "a={n}"));
    let target = Page::new("copy {n}").cache_control("no-store");
    origin.serve("/target", target.header("surrogate-control", "max-age=60"));
    let slow = Page::new("late").latency(Duration::from_secs(3));
    origin.serve("/slow", slow);
    for page in ["/reload", "/stale"] {
        origin.serve(page, Page::new("copy {n}").cache_control("max-age=1"));
    }
    let url = origin.url();
    let plain = Proxy::spawn(&["--origin", &url]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    std::fs::write(&path, "honor_request_directives = true").unwrap();
    let mut command = command();
    command.args([
        "--origin",
        &url,
        "--default-ttl",
        "60s",
        "--set-cookie",
        "strip",
    ]);
    command.args([
        "--status-ttl",
        "403=60s",
        "--targets",
        "Surrogate-Control, X",
    ]);
    command.args(["--fetch-timeout", "500ms", "--stale-if-error", "60s"]);
    command.arg("--config").arg(&path);
    let set = Proxy::start(command).await;
    let is_hit = async |proxy: &Proxy, path: &str, fields: &[(&'static str, &'static str)]| {
        let client = proxy.client();
        client.get(path).await;
        let mut request = client.request("GET", path);
        for (name, value) in fields {
            let value = http::HeaderValue::from_static(value);
            request.headers_mut().insert(*name, value);
        }
        let answer = client.send(request).await;
        answer.header("cache-status").contains("; hit")
    };
    for path in ["/silent", "/gone", "/forbidden", "/cookie", "/target"] {
        assert!(!is_hit(&plain, path, &[]).await, "{path}");
        assert!(is_hit(&set, path, &[]).await, "{path}");
    }
    let reload = [("cache-control", "no-cache")];
    assert!(is_hit(&plain, "/reload", &reload).await);
    assert!(!is_hit(&set, "/reload", &reload).await);
    assert_eq!(set.client().get("/slow").await.status, 504);

    for proxy in [&plain, &set] {
        proxy.client().get("/stale").await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    origin.serve("/stale", Page::new("down").status(503));
    assert_eq!(plain.client().get("/stale").await.status, 503);
    assert_eq!(set.client().get("/stale").await.status, 200);
    assert_eq!(plain.client().get("/slow").await.status, 200);
}
