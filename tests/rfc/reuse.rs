//! RFC 9111 §4: when a stored response answers a request.

use crate::table::{Row, run};

fn fresh(name: &str) -> Row {
    Row::new(name).reply(&["cache-control: max-age=60"])
}

/// RFC 9111 §4, §2: the target URI.
#[tokio::test(start_paused = true)]
async fn the_target() {
    run([
        fresh("another path")
            .get(&["=1"])
            .ask("GET /a", &[], &["=2"]),
        fresh("another query")
            .ask("GET /?a", &[], &["=1"])
            .ask("GET /?b", &[], &["=2"]),
        fresh("an empty query is one")
            .get(&["=1"])
            .ask("GET /?", &[], &["=2"]),
        fresh("paths have case")
            .ask("GET /a", &[], &["=1"])
            .ask("GET /A", &[], &["=2"]),
    ])
    .await;
}

/// RFC 9111 §4: the method that the stored response is for.
#[tokio::test(start_paused = true)]
async fn the_method() {
    run([
        fresh("HEAD").get(&["=1"]).ask("HEAD /", &[], &["=", "#1"]),
        fresh("OPTIONS").get(&["=1"]).ask("OPTIONS /", &[], &["=2"]),
        fresh("POST is written through")
            .get(&["=1"])
            .ask("POST /", &[], &["=2"]),
        fresh("TRACE").get(&["=1"]).ask("TRACE /", &[], &["=2"]),
    ])
    .await;
}

/// RFC 9111 §4, §5.2.2.4: `no-cache` is used only once it is validated.
#[tokio::test(start_paused = true)]
async fn responses_that_are_validated_each_time() {
    run([
        Row::new("no-cache, confirmed")
            .reply(&["cache-control: no-cache", "etag: \"a\""])
            .reply(&["etag: \"a\""])
            .status(304)
            .get(&["=1"])
            .get(&["=1", "200", "#2", "origin if-none-match: \"a\""])
            .get(&["=1", "200", "#3", "origin if-none-match: \"a\""]),
        Row::new("no-cache, changed")
            .reply(&["cache-control: no-cache, max-age=60", "etag: \"a\""])
            .get(&["=1"])
            .get(&["=2", "#2", "origin if-none-match: \"a\""]),
        Row::new("no-cache, and nothing to validate by")
            .reply(&["cache-control: no-cache, max-age=60"])
            .stored(false),
    ])
    .await;
}

/// RFC 9111 §4: `Age` on what is reused, and only there.
#[tokio::test(start_paused = true)]
async fn a_reused_response_has_an_age() {
    run([
        fresh("0 at once")
            .get(&["=1", "!age"])
            .get(&["=1", "age: 0"]),
        fresh("in whole seconds")
            .get(&["=1"])
            .wait(7)
            .get(&["=1", "age: 7"]),
        fresh("of a 304, too")
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .ask("GET /", &[], &["=1"])
            .wait(61)
            .get(&["=2"])
            .wait(7)
            .get_with(&["if-none-match: \"a\""], &["304", "age: 7"]),
        fresh("of HEAD, too")
            .get(&["=1"])
            .wait(7)
            .ask("HEAD /", &[], &["age: 7"]),
    ])
    .await;
}
