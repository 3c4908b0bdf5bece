//! RFC 9111 §4.3.1, §4.3.3, §4.3.5: validation towards the origin.

use crate::table::{Row, run};

const CHANGED: &str = "last-modified: Sun, 06 Nov 1994 08:49:37 GMT";
const SINCE: &str = "origin if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT";

/// RFC 9111 §4.3.1: what is asked by.
#[tokio::test(start_paused = true)]
async fn the_request() {
    let stale = |name: &str, fields: &[&str]| {
        Row::new(name)
            .reply(&[&["cache-control: max-age=1"], fields].concat())
            .get(&["=1"])
            .wait(3)
    };
    let (no_tag, no_date) = ("origin !if-none-match", "origin !if-modified-since");
    run([
        stale("a tag", &["etag: \"a\""]).get(&["=2", "origin if-none-match: \"a\"", no_date]),
        stale("a weak tag", &["etag: W/\"a\""]).get(&["=2", "origin if-none-match: W/\"a\""]),
        stale("a date", &[CHANGED]).get(&["=2", SINCE, no_tag]),
        stale("both", &["etag: \"a\"", CHANGED]).get(&["=2", SINCE, "origin if-none-match: \"a\""]),
        stale("nothing", &[]).get(&["=2", no_tag, no_date]),
        stale("not by the client's tag", &["etag: \"a\""]).get_with(
            &["if-none-match: \"b\""],
            &["=2", "origin if-none-match: \"a\""],
        ),
        stale("not by the client's date", &["etag: \"a\""])
            .get_with(&["if-modified-since: @imf:-9"], &["=2", no_date]),
        stale("not under the client's other conditions", &["etag: \"a\""])
            .get_with(&["if-range: \"b\""], &["=2", "origin !if-range"]),
        stale("HEAD validates, too, as GET", &["etag: \"a\""])
            .ask(
                "HEAD /",
                &[],
                &["=", "origin GET", "origin if-none-match: \"a\""],
            )
            .get(&["=2"]),
    ])
    .await;
    run([Row::new("a cold one is asked for whole")
        .reply(&["cache-control: max-age=60", "etag: \"a\""])
        .get_with(
            &["if-none-match: \"a\"", "if-modified-since: @imf:0"],
            &["304", no_tag, no_date],
        )
        .get(&["=1"])])
    .await;
}

/// RFC 9111 §4.3.3: what comes of the answer.
#[tokio::test(start_paused = true)]
async fn the_answer() {
    let stale =
        |name: &str| Row::new(name).reply(&["cache-control: max-age=1", "etag: \"a\"", "x-n: 1"]);
    run([
        stale("304")
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .status(304)
            .get(&["=1"])
            .wait(3)
            .get(&["200", "=1", "!age"])
            .get(&["200", "=1", "age: 0", "#2"]),
        stale("304 for a client that has it")
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .status(304)
            .get(&["=1"])
            .wait(3)
            .get_with(&["if-none-match: \"a\""], &["304", "=", "etag: \"a\""]),
        stale("304 for a client that has another")
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .status(304)
            .get(&["=1"])
            .wait(3)
            .get_with(&["if-none-match: \"b\""], &["200", "=1"]),
        stale("200 takes its place, all of it")
            .reply(&["cache-control: max-age=60", "etag: \"b\""])
            .get(&["=1"])
            .wait(3)
            .get(&["=2"])
            .get(&["=2", "etag: \"b\"", "!x-n"]),
        stale("another final status does, too")
            .reply(&["cache-control: max-age=60"])
            .status(404)
            .get(&["=1"])
            .wait(3)
            .get(&["404", "=2"])
            .get(&["404", "=2", "#2"]),
        stale("one that may not be stored ends what is stored")
            .reply(&["cache-control: no-store"])
            .get(&["=1"])
            .wait(3)
            .get(&["=2"])
            .get(&["=3"]),
        stale("5xx is passed on")
            .reply(&[])
            .status(503)
            .get(&["=1"])
            .wait(3)
            .get(&["503", "=2"]),
        stale("a 304 may forbid that it is stored any longer")
            .reply(&["cache-control: no-store", "etag: \"a\""])
            .status(304)
            .reply(&["cache-control: max-age=60"])
            .get(&["=1"])
            .wait(3)
            .get(&["200", "=1"])
            .get(&["=3"]),
    ])
    .await;
}

/// RFC 9111 §4.3.3: a 304 that nobody asked for is for nobody.
#[tokio::test(start_paused = true)]
#[ignore = "finding 8"]
async fn a_304_to_an_unconditional_request() {
    run([Row::new("it reaches no client that has nothing")
        .reply(&["cache-control: max-age=60", "etag: \"a\""])
        .status(304)
        .get(&["502"])])
    .await;
}

/// RFC 9111 §4.3.5: a HEAD that went to the origin tells of a change.
#[tokio::test(start_paused = true)]
#[ignore = "finding 9"]
async fn head() {
    let no_store = &["cache-control: no-store"];
    run([Row::new("another tag")
        .reply(&["cache-control: max-age=60", "etag: \"a\""])
        .reply(&["cache-control: max-age=60", "etag: \"b\""])
        .get(&["=1"])
        .ask("HEAD /", no_store, &["200", "origin HEAD"])
        .get(&["=3"])])
    .await;
}
