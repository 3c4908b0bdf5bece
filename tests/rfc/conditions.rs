//! RFC 9110 §8.8, §13: validators and conditions, towards the client; RFC 9111 §4.3.2.

use crate::table::{Row, run};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn held(name: impl Into<String>, fields: &[&str]) -> Row {
    Row::new(name)
        .reply(&[&["cache-control: max-age=60"], fields].concat())
        .get(&["=1"])
}

fn answer(not_modified: bool) -> &'static [&'static str] {
    if not_modified {
        &["304", "=", "#1"]
    } else {
        &["200", "=1", "#1"]
    }
}

/// RFC 9110 §13.1.2, §8.8.3.2: `If-None-Match`, compared weakly.
#[tokio::test(start_paused = true)]
async fn if_none_match() {
    let table = [
        ("\"a\"", "\"a\"", true),
        ("\"a\"", "W/\"a\"", true),
        ("W/\"a\"", "\"a\"", true),
        ("W/\"a\"", "W/\"a\"", true),
        ("\"a\"", "\"b\"", false),
        ("\"a\"", "\"A\"", false),
        ("\"a\"", "\"b\", \"a\"", true),
        ("\"a\"", "\"b\",\"a\"", true),
        ("\"a\"", " , \"b\" ,, W/\"a\" ,", true),
        ("\"a\"", "\"b\", \"c\"", false),
        ("\"a\"", "*", true),
        ("\"a\"", " * ", true),
        ("\"a\"", "\"*\"", false),
        ("\"a\"", "a", false),
        ("\"a\"", "\"\"", false),
        ("\"\"", "\"\"", true),
        ("\"a\"", "", false),
        ("\"a,b\"", "\"a,b\"", true),
        ("\"a,b\"", "\"x\", \"a,b\"", true),
        ("\"b\"", "\"a,b\"", false),
        ("\"a\"", "\"x,\"a\"", false),
        ("\"a\\\"", "\"a\\\"", true),
        ("\"a\"", "w/\"a\"", false),
    ];
    run(table.map(|(tag, condition, not_modified)| {
        held(format!("{tag}: {condition}"), &[&format!("etag: {tag}")]).get_with(
            &[&format!("if-none-match: {condition}")],
            answer(not_modified),
        )
    }))
    .await;
    run([
        held("two lines", &["etag: \"a\""]).get_with(
            &["if-none-match: \"b\"", "if-none-match: \"a\""],
            answer(true),
        ),
        held("no tag is stored", &[]).get_with(&["if-none-match: \"a\""], answer(false)),
        held("no tag is stored, but something is", &[])
            .get_with(&["if-none-match: *"], answer(true)),
        held("HEAD", &["etag: \"a\""]).ask(
            "HEAD /",
            &["if-none-match: \"a\""],
            &["304", "=", "#1"],
        ),
    ])
    .await;
}

/// RFC 9110 §13.1.3: `If-Modified-Since`.
#[tokio::test(start_paused = true)]
async fn if_modified_since() {
    let table = [
        (DATE, true),
        ("Sunday, 06-Nov-94 08:49:37 GMT", true),
        ("Sun Nov  6 08:49:37 1994", true),
        ("Sun, 06 Nov 1994 08:49:38 GMT", true),
        ("Sun, 06 Nov 1994 08:49:36 GMT", false),
        ("Mon, 06 Nov 1995 08:49:37 GMT", true),
        ("", false),
        ("0", false),
        ("Sun, 06 Nov 1994 08:49:37 CET", false),
        ("06 Nov 1994", false),
        (
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            false,
        ),
        ("Sun, 06 Nov 1994 08:49:37 GMT; length=5", false),
    ];
    let changed = format!("last-modified: {DATE}");
    run(table.map(|(since, not_modified)| {
        held(since, &[&changed]).get_with(
            &[&format!("if-modified-since: {since}")],
            answer(not_modified),
        )
    }))
    .await;
    let since = format!("if-modified-since: {DATE}");
    run([
        held("two lines are ignored", &[&changed]).get_with(&[&since, &since], answer(false)),
        held("HEAD", &[&changed]).ask("HEAD /", &[&since], &["304", "#1"]),
        // RFC 9111 §4.3.2: without a Last-Modified, by its Date.
        held("its Date", &["date: @imf:-10"])
            .get_with(&["if-modified-since: @imf:-10"], answer(true))
            .get_with(&["if-modified-since: @imf:-11"], answer(false)),
        held("a Last-Modified that is no date", &["last-modified: x"])
            .get_with(&["if-modified-since: @imf:60"], answer(false)),
        Row::new("a POST is none of ours").reply(&[&changed]).ask(
            "POST /",
            &[&since],
            &["200", "=1", &format!("origin {since}")],
        ),
    ])
    .await;
}

/// RFC 9110 §13.2.2: which one counts.
#[tokio::test(start_paused = true)]
async fn precedence() {
    let both = [
        "etag: \"a\"",
        "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
    ];
    let table = [
        (
            "if-none-match: \"a\"",
            "if-modified-since: Sun, 06 Nov 1993 08:49:37 GMT",
            true,
        ),
        (
            "if-none-match: \"b\"",
            "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
            false,
        ),
        (
            "if-none-match: ",
            "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
            false,
        ),
        ("if-none-match: *", "if-modified-since: x", true),
    ];
    run(table.map(|(tag, since, not_modified)| {
        held(format!("{tag} {since}"), &both).get_with(&[tag, since], answer(not_modified))
    }))
    .await;
}

/// RFC 9110 §13.2.1: a condition is for what would have succeeded.
#[tokio::test(start_paused = true)]
async fn responses_that_are_no_success() {
    run([203, 301, 404, 410, 500].map(|status| {
        let same = status.to_string();
        let success = status < 300;
        Row::new(&same)
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .status(status)
            .get(&["=1", &same])
            .get_with(
                &["if-none-match: \"a\""],
                &[if success { "304" } else { &same }, "#1"],
            )
            .get_with(
                &["if-none-match: *"],
                &[if success { "304" } else { &same }, "#1"],
            )
    }))
    .await;
}

/// RFC 9110 §15.4.5: what a 304 says.
#[tokio::test(start_paused = true)]
async fn the_304() {
    let all = [
        "etag: \"a\"",
        "content-location: /x",
        "expires: Sun, 06 Nov 2094 08:49:37 GMT",
        "vary: x-a",
        "vary: x-b",
        "date: @imf:-5",
        "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "content-type: text/plain",
        "content-length: 1",
        "x-a: 1",
    ];
    run([
        held("with a tag", &all).get_with(
            &["if-none-match: \"a\""],
            &[
                "304",
                "=",
                "etag: \"a\"",
                "content-location: /x",
                "expires: Sun, 06 Nov 2094 08:49:37 GMT",
                "vary: x-a, x-b",
                "date: @imf:-5",
                "cache-control: max-age=60",
                "!last-modified",
                "!content-type",
                "!content-length",
            ],
        ),
        held("with a date only", &all[1..]).get_with(
            &["if-modified-since: @imf:0"],
            &[
                "304",
                "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
                "!content-type",
            ],
        ),
    ])
    .await;
}
