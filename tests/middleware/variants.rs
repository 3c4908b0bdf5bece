//! Vary, Authorization, Set-Cookie: what may be shared with whom.

use bellwether::Cache;
use bellwether::shared::MemoryTier;
use futures_util::future::join_all;

use crate::support::{Reply, Site, advance, request};

fn by_language() -> Site {
    Site::new(|request, _| {
        let language = request
            .headers()
            .get("accept-language")
            .map_or("none", |value| value.to_str().expect("text"));
        Reply::ok(language)
            .cached("max-age=60")
            .with("vary", "Accept-Language")
    })
}

#[tokio::test(start_paused = true)]
async fn each_variant_is_fetched_once_and_served_to_those_who_asked_for_it() {
    let site = by_language();
    for _ in 0..3 {
        for language in ["en", "de"] {
            let got = site
                .send(request("GET", "/", &[("accept-language", language)]))
                .await;
            assert_eq!(got.body, language);
        }
        assert_eq!(site.get("/").await.body, "none");
    }
    assert_eq!(site.requests(), 3);
    // White space and case make no other variant.
    assert_eq!(
        site.send(request("GET", "/", &[("accept-language", " EN ")]))
            .await
            .body,
        "en"
    );
    assert_eq!(site.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn clients_of_different_variants_on_a_cold_url_get_each_their_own() {
    let site = by_language();
    let requests = (0..90).map(|n| {
        let language = ["en", "de", "fr"][n % 3];
        let site = &site;
        async move {
            (
                language,
                site.send(request("GET", "/", &[("accept-language", language)]))
                    .await,
            )
        }
    });
    for (language, got) in join_all(requests).await {
        assert_eq!(got.body, language);
    }
    assert_eq!(site.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_url_that_varies_on_more_than_before_mixes_nothing_up() {
    let site = Site::new(|request, n| {
        let value = |name| {
            request
                .headers()
                .get(name)
                .map_or("-", |value| value.to_str().expect("text"))
                .to_owned()
        };
        let vary = if n == 1 { "accept" } else { "accept, x-site" };
        Reply::ok(&format!("{} {}", value("accept"), value("x-site")))
            .cached("max-age=60")
            .with("vary", vary)
    });
    for _ in 0..2 {
        for accept in ["a", "b"] {
            for site_name in ["1", "2"] {
                site.send(request(
                    "GET",
                    "/",
                    &[("accept", accept), ("x-site", site_name)],
                ))
                .await;
            }
        }
    }
    for accept in ["a", "b"] {
        for site_name in ["1", "2"] {
            let got = site
                .send(request(
                    "GET",
                    "/",
                    &[("accept", accept), ("x-site", site_name)],
                ))
                .await;
            assert_eq!(got.body, format!("{accept} {site_name}"));
            assert!(got.cache_status().contains("hit"), "{got:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn vary_on_anything_is_never_stored() {
    let site = Site::new(|_, _| {
        Reply::ok("x")
            .cached("max-age=60")
            .with("vary", "accept, *")
    });
    site.get("/").await;
    site.get("/").await;
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_authorized_response_is_not_shared_unless_it_says_so() {
    let bearer = [("authorization", "Bearer a")];
    let site = Site::new(|request, _| {
        let who = request
            .headers()
            .get("authorization")
            .map_or("public", |_| "secret");
        Reply::ok(who).cached("max-age=60")
    });
    let (secret, public) = tokio::join!(site.send(request("GET", "/", &bearer)), async {
        advance(1).await;
        site.get("/").await
    });
    assert_eq!(
        (secret.body.as_str(), public.body.as_str()),
        ("secret", "public")
    );
    // The verdict is about authorized requests: the others are cached.
    assert!(site.get("/").await.cache_status().contains("hit"));

    let site = Site::new(|_, _| Reply::ok("shared").cached("public, max-age=60"));
    site.send(request("GET", "/", &bearer)).await;
    site.get("/").await;
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_is_given_to_one_client_only() {
    let site = Site::new(|_, n| {
        Reply::ok("x")
            .cached("max-age=60")
            .with("set-cookie", &format!("id={n}"))
    });
    let answers = join_all((0..10).map(|_| site.get("/"))).await;
    let mut cookies: Vec<_> = answers
        .iter()
        .map(|got| got.header("set-cookie").to_owned())
        .collect();
    cookies.sort();
    cookies.dedup();
    assert_eq!(cookies.len(), 10);
}

/// The store may lose the rule of a URL, but not its variants, and so not the nodes that know it:
/// whoever does not makes another one. Under two rules all is fetched twice.
#[tokio::test(start_paused = true)]
async fn nodes_that_know_two_rules_of_a_url_come_to_agree_on_one() {
    let tier = MemoryTier::new();
    let node = |name: &'static str| {
        Site::with(Cache::builder().shared(tier.clone()), move |_, n| {
            Reply::ok(&format!("{name}{n}"))
                .cached("max-age=600")
                .with("vary", "accept-language")
        })
    };
    let (first, second) = (node("a"), node("b"));
    let ask = async |site: &Site, language| {
        let headers = [("accept-language", language)];
        site.send(request("GET", "/", &headers)).await.body
    };
    assert_eq!(ask(&first, "en").await, "a1");
    tier.forget_all();
    assert_eq!(ask(&second, "en").await, "b1");
    advance(61_000).await;
    // Who asks for what it had is told so, and looks the rule up.
    assert_eq!(ask(&first, "en").await, "b1");
    assert_eq!(ask(&first, "de").await, "a2");
    assert_eq!(ask(&second, "de").await, "a2");
    // The one that counts is used on: nothing is fetched anew, however often it is looked up.
    for _ in 0..3 {
        advance(61_000).await;
        for site in [&first, &second] {
            assert_eq!(ask(site, "en").await, "b1");
            assert_eq!(ask(site, "de").await, "a2");
        }
    }
    assert_eq!((first.requests(), second.requests()), (2, 1));
}
