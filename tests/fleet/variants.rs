//! A page with variants.

use std::time::Duration;

use futures_util::future::join_all;

use crate::fleet::{Fleet, NODES, Node};
use crate::report::row;
use crate::support::client::Answer;
use crate::support::origin::Page;

const LANGUAGES: [&str; 3] = ["de", "en", "fr"];

async fn in_language(node: &Node, path: &str, language: &str) -> Answer {
    let mut request = node.request("GET", path);
    let value = language.parse().expect("a language is a value");
    request.headers_mut().insert("accept-language", value);
    node.send(request).await
}

fn page() -> Page {
    // The origin of these tests knows no languages, so the number of its response tells them apart.
    Page::new("v{n}")
        .cache_control("max-age=60")
        .header("vary", "accept-language")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_variant_is_fetched_once_and_every_node_serves_the_right_one() {
    let fleet = Fleet::start().await;
    fleet.origin.serve("/page", page());
    // Each node fetches another one.
    for (node, language) in LANGUAGES.into_iter().enumerate() {
        let answer = in_language(&fleet.nodes[node], "/page", language).await;
        assert_eq!(answer.text(), format!("v{}", node + 1));
    }
    assert_eq!(fleet.origin.requests_to("/page"), LANGUAGES.len());
    for _ in 0..2 {
        for node in &fleet.nodes {
            for (number, language) in LANGUAGES.into_iter().enumerate() {
                let answer = in_language(node, "/page", language).await;
                assert_eq!(answer.text(), format!("v{}", number + 1), "{language}");
                assert!(
                    answer.header("cache-status").contains("hit"),
                    "{}",
                    answer.header("cache-status")
                );
            }
        }
    }
    assert_eq!(fleet.origin.requests_to("/page"), LANGUAGES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unseen_page_asked_for_in_all_languages_at_once_is_fetched_once_for_each() {
    let fleet = Fleet::start().await;
    fleet
        .origin
        .serve("/cold", page().latency(Duration::from_millis(200)));
    let asked = fleet.nodes.iter().flat_map(|node| {
        let clients = LANGUAGES.into_iter().cycle().take(LANGUAGES.len() * 10);
        clients.map(async move |language| (language, in_language(node, "/cold", language).await))
    });
    let answers = join_all(asked).await;
    assert_eq!(answers.len(), NODES * LANGUAGES.len() * 10);
    let requests = fleet.origin.requests_to("/cold");
    let longest = answers.iter().map(|(_, answer)| answer.took).max();
    row(
        "90 clients, 3 languages, unseen",
        &format!("{requests} origin requests, longest {longest:?}"),
    );
    for language in LANGUAGES {
        let mut of_language = answers.iter().filter(|(asked, _)| *asked == language);
        let first = of_language.next().map(|(_, answer)| answer.text());
        assert!(of_language.all(|(_, answer)| Some(answer.text()) == first));
    }
    assert_eq!(requests, LANGUAGES.len());
}
