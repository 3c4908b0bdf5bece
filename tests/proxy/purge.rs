//! The `PURGE` method of the proxy: closed unless opened, and then as users know it.

use http::header::{AUTHORIZATION, HOST, HeaderValue};

use crate::support::client::{Answer, Client};
use crate::support::origin::{Origin, Page};
use crate::support::proxy::{Proxy, command, refusal};

const TOKEN: &str = "a-token-of-16-signs";

async fn site(flags: &[&str]) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let page = Page::new("v{n}").cache_control("max-age=60, stale-while-revalidate=60");
    origin.serve("/page", page.clone().header("vary", "accept-language"));
    origin.serve("/other", page);
    let url = origin.url();
    let proxy = Proxy::spawn(&[&["--origin", &url], flags].concat()).await;
    (origin, proxy)
}

async fn purge(client: &Client, path: &str, fields: &[(&'static str, &str)]) -> Answer {
    let mut request = client.request("PURGE", path);
    for (name, value) in fields {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(*name, value);
    }
    client.send(request).await
}

async fn in_language(client: &Client, language: &str) -> Answer {
    let mut request = client.request("GET", "/page");
    let language = HeaderValue::from_str(language).unwrap();
    request.headers_mut().insert("accept-language", language);
    client.send(request).await
}

#[tokio::test]
async fn nobody_may_purge_unless_somebody_was_named_and_the_origin_hears_nothing_of_it() {
    let bearer = format!("Bearer {TOKEN}");
    for (flags, status) in [
        (&[][..], 405),
        (&["--purge-token", TOKEN][..], 403),
        (&["--purge-from", "10.0.0.0/8"][..], 403),
    ] {
        let (origin, proxy) = site(flags).await;
        let client = proxy.client();
        client.get("/other").await;
        let wrong = bearer.replace("16", "17");
        for fields in [&[][..], &[("authorization", &wrong[..])]] {
            assert_eq!(purge(&client, "/other", fields).await.status, status);
        }
        // What a client says of where it comes from does not count.
        let said = [
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ];
        assert_eq!(purge(&client, "/other", &said).await.status, status);
        assert_eq!(client.get("/other").await.text(), "v1");
        assert_eq!(origin.requests(), 1, "{flags:?}");
    }
}

#[tokio::test]
async fn who_may_takes_all_variants_of_a_page_away_and_nothing_else() {
    let bearer = format!("Bearer {TOKEN}");
    let by_token = [("authorization", &bearer[..])];
    for (flags, fields) in [
        (["--purge-token", TOKEN], &by_token[..]),
        (["--purge-from", "127.0.0.0/8"], &[]),
    ] {
        let (origin, proxy) = site(&flags).await;
        for client in [proxy.client(), Client::http2(proxy.url())] {
            let before = origin.requests();
            for language in ["de", "en"] {
                in_language(&client, language).await;
            }
            client.get("/other").await;
            let answer = purge(&client, "/page", fields).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.text().starts_with("purged http://"));
            for language in ["de", "en"] {
                let answer = in_language(&client, language).await;
                assert!(answer.header("cache-status").contains("detail=leader"));
            }
            let hit = client.get("/other").await;
            assert!(hit.header("cache-status").contains("hit"));
            assert!(origin.requests() - before >= 2, "both were fetched anew");
        }
        let methods = origin.heads("/page");
        assert!(methods.iter().all(|head| head.method == "GET"));
    }
}

#[tokio::test]
async fn a_soft_purge_leaves_the_page_to_be_served_while_it_is_refreshed() {
    let (origin, proxy) = site(&["--purge-from", "127.0.0.1"]).await;
    let client = proxy.client();
    client.get("/other").await;
    let answer = purge(&client, "/other", &[("soft-purge", "1")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stale = client.get("/other").await;
    assert_eq!(stale.text(), "v1");
    assert!(stale.header("cache-status").contains("detail=stale"));
    crate::support::until("it is refreshed", || origin.requests_to("/other") == 2).await;
    assert_eq!(
        purge(&client, "/other", &[("soft-purge", "x")])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn everything_is_purged_by_an_asterisk_for_those_who_may() {
    let (origin, proxy) = site(&["--purge-token", TOKEN]).await;
    let client = proxy.client();
    let may = format!("authorization: Bearer {TOKEN}");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        client.get("/other").await;
        in_language(&client, "de").await;
        let may_not = purge_by_curl(&proxy, &[version]).await;
        assert_eq!(may_not, "you may not purge 403");
        let softly = purge_by_curl(&proxy, &[version, "-H", &may, "-H", "soft-purge: 1"]).await;
        assert_eq!(softly, "only a page can be purged softly 400");
        assert!(hit(&client.get("/other").await) && hit(&in_language(&client, "de").await));
        let purged = purge_by_curl(&proxy, &[version, "-H", &may]).await;
        assert_eq!(purged, "purged everything 200");
        assert!(!hit(&client.get("/other").await));
        assert!(!hit(&in_language(&client, "de").await));
    }
    let methods = origin.heads("/other");
    assert!(methods.iter().all(|head| head.method == "GET"));
}

/// Other clients have no way to say `*`. Its words and the status.
async fn purge_by_curl(proxy: &Proxy, flags: &[&str]) -> String {
    let curl = tokio::process::Command::new("curl")
        .args(["-sS", "-m", "10", "-X", "PURGE", "--request-target", "*"])
        .args(["-w", " %{http_code}"])
        .args(flags)
        .arg(proxy.url())
        .output()
        .await
        .expect("curl is installed: apt-get install curl");
    assert!(curl.status.success(), "{curl:?}");
    String::from_utf8(curl.stdout).unwrap().replace('\n', "")
}

fn hit(answer: &Answer) -> bool {
    answer.header("cache-status").contains("; hit")
}

#[tokio::test]
async fn a_site_is_purged_by_its_own_name_and_its_rules() {
    let (origin, proxy) = site(&["--purge-from", "127.0.0.1"]).await;
    let client = proxy.client();
    let of_site = |method: &str, site: &'static str| {
        let mut request = client.request(method, "/other");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(site));
        headers.remove(AUTHORIZATION);
        request
    };
    for site in ["one.test", "two.test"] {
        client.send(of_site("GET", site)).await;
    }
    assert_eq!(client.send(of_site("PURGE", "ONE.test")).await.status, 200);
    let two = client.send(of_site("GET", "two.test")).await;
    assert!(two.header("cache-status").contains("hit"));
    let one = client.send(of_site("GET", "one.test")).await;
    assert!(one.header("cache-status").contains("detail=leader"));
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_refused_and_not_repeated() {
    let line = refusal(command().args(["--purge-token", "secret"]), 2).await;
    assert!(
        line.contains("--purge-token") && line.contains("16 to 256"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
}
