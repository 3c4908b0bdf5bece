//! RFC 9111 §3: which responses are stored.

use crate::table::{Row, run};

/// RFC 9111 §3: the method.
#[tokio::test(start_paused = true)]
async fn methods() {
    let fresh = |name: &str| Row::new(name).reply(&["cache-control: max-age=60"]);
    run([
        fresh("GET").stored(true),
        fresh("HEAD is asked as GET, and stored for it")
            .ask("HEAD /", &[], &["=", "200", "origin GET"])
            .get(&["=1"]),
        fresh("GET is stored for HEAD").get(&["=1"]).ask(
            "HEAD /",
            &[],
            &["=", "200", "content-length: 1", "#1"],
        ),
        fresh("POST").ask("POST /", &[], &["=1"]).get(&["=2"]),
        fresh("PUT").ask("PUT /", &[], &["=1"]).get(&["=2"]),
        fresh("OPTIONS")
            .ask("OPTIONS /", &[], &["=1"])
            .ask("OPTIONS /", &[], &["=2"])
            .get(&["=3"]),
        fresh("an unknown method")
            .ask("FOO /", &[], &["=1"])
            .ask("FOO /", &[], &["=2"])
            .get(&["=3"]),
        fresh("methods are case-sensitive")
            .ask("get /", &[], &["=1", "origin get"])
            .get(&["=2"]),
    ])
    .await;
}

/// RFC 9111 §3: any final status may be stored on the origin's word, but for parts (§3.3) and what
/// is no answer of its own (304); numbers beyond 599 are invalid (RFC 9110 §15).
#[tokio::test(start_paused = true)]
async fn statuses_with_a_lifetime() {
    let stored = [
        200, 201, 202, 203, 204, 205, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399, 400, 401,
        402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421,
        422, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 511, 599,
    ];
    let rows = stored.map(|status| (status, true));
    let not = [206, 600, 999].map(|status| (status, false));
    run(rows.into_iter().chain(not).map(|(status, stored)| {
        let same = status.to_string();
        Row::new(&same)
            .reply(&["cache-control: max-age=60", "content-range: bytes 0-0/1"])
            .status(status)
            .get(&["=1", &same])
            .get(&[if stored { "=1" } else { "=2" }, &same])
    }))
    .await;
}

/// RFC 9111 §3, §4.2.2; RFC 9110 §15.1: without a lifetime, only these.
#[tokio::test(start_paused = true)]
async fn statuses_with_a_guessed_lifetime() {
    let table = [
        (200, true),
        (201, false),
        (202, false),
        (203, true),
        (204, true),
        (205, false),
        (300, true),
        (301, true),
        (302, false),
        (303, false),
        (307, false),
        (308, true),
        (400, false),
        (401, false),
        (403, false),
        (404, true),
        (405, true),
        (410, true),
        (414, true),
        (421, false),
        (500, false),
        (501, true),
        (503, false),
        (299, false),
        (599, false),
    ];
    run(table.map(|(status, stored)| {
        Row::new(status.to_string())
            .reply(&["last-modified: @imf:-864000", "date: @imf:0"])
            .status(status)
            .stored(stored)
    }))
    .await;
}

/// RFC 9111 §3: what a response has to say.
#[tokio::test(start_paused = true)]
async fn what_a_response_must_say() {
    let date = "date: @imf:0";
    let changed = "last-modified: @imf:-864000";
    run([
        Row::new("nothing").reply(&[date]).stored(false),
        Row::new("an age is no lifetime")
            .reply(&[date, "age: 1"])
            .stored(false),
        Row::new("Expires")
            .reply(&[date, "expires: @imf:60"])
            .stored(true),
        Row::new("Expires, of a status that is not stored by default")
            .reply(&[date, "expires: @imf:60"])
            .status(302)
            .stored(true),
        Row::new("s-maxage")
            .reply(&["cache-control: s-maxage=60"])
            .status(403)
            .stored(true),
        Row::new("public: a guess, whatever the status")
            .reply(&[date, changed, "cache-control: public"])
            .status(302)
            .stored(true),
        Row::new("public, and nothing to guess by")
            .reply(&[date, "cache-control: public"])
            .stored(false),
        Row::new("an unknown directive")
            .reply(&[date, changed, "cache-control: foo=bar"])
            .status(302)
            .stored(false),
        Row::new("an unknown directive beside a known one")
            .reply(&["cache-control: foo=bar, max-age=60, baz"])
            .stored(true),
    ])
    .await;
}

/// RFC 9111 §3: the request's `no-store` keeps its response out of the store, and no more.
#[tokio::test(start_paused = true)]
async fn what_a_request_forbids() {
    let fresh = |name: &str| Row::new(name).reply(&["cache-control: max-age=60"]);
    run([
        fresh("no-store of a request")
            .get_with(&["cache-control: no-store"], &["=1"])
            .get(&["=2"])
            .get(&["=2"]),
        fresh("in any case and in any line")
            .get_with(
                &["cache-control: foo", "cache-control: bar, NO-Store"],
                &["=1"],
            )
            .get(&["=2"]),
        fresh("a quoted one is none")
            .get_with(&["cache-control: foo=\"no-store\""], &["=1"])
            .get(&["=1"]),
    ])
    .await;
}

/// RFC 9111 §3.3: less than was announced is no response at all.
#[tokio::test(start_paused = true)]
async fn incomplete_responses() {
    let broken = "=broken: the origin broke off in the middle of the body";
    run([
        Row::new("too short")
            .reply(&["cache-control: max-age=60", "content-length: 9"])
            .body("short")
            .get(&[broken])
            .get(&[broken, "#2"]),
        Row::new("too long")
            .reply(&["cache-control: max-age=60", "content-length: 2"])
            .body("long")
            .get(&[broken])
            .get(&[broken, "#2"]),
        Row::new("as long as announced")
            .reply(&["cache-control: max-age=60", "content-length: 5"])
            .body("short")
            .get(&["=short"])
            .get(&["=short", "content-length: 5", "#1"]),
    ])
    .await;
}
