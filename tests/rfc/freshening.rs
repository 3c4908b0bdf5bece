//! RFC 9111 §3.2, §4.3.4: what a 304 does to the stored response.

use crate::table::{Row, run};

fn stale(name: &str, fields: &[&str]) -> Row {
    let mut all = vec!["cache-control: max-age=1", "etag: \"a\""];
    all.extend_from_slice(fields);
    Row::new(name).reply(&all)
}

impl Row {
    /// The first answer has gone stale, and this comes of validating it; then of a hit.
    fn validated(self, then: &[&str]) -> Self {
        self.get(&["=1"])
            .wait(3)
            .get(&["200", "#2", "origin if-none-match: \"a\""])
            .get(then)
    }
}

/// RFC 9111 §3.2: fields that a 304 provides take the place of the stored ones.
#[tokio::test(start_paused = true)]
async fn fields_that_change() {
    let table = [
        ("x-a: 1", "x-a: 2"),
        ("content-type: text/plain", "content-type: text/html"),
        ("content-location: /a", "content-location: /b"),
        ("content-language: de", "content-language: en"),
        (
            "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
            "last-modified: Mon, 07 Nov 1994 08:49:37 GMT",
        ),
        ("expires: 0", "expires: Sun, 06 Nov 2094 08:49:37 GMT"),
        ("date: @imf:-2", "date: @imf:-1"),
        ("cache-control: foo", "cache-control: max-age=60"),
        ("server: a", "server: b"),
    ];
    run(table.map(|(old, new)| {
        stale(new, &[old])
            .reply(&["cache-control: max-age=60", "etag: \"a\"", new])
            .status(304)
            .validated(&[
                "=1",
                "#2",
                if new.starts_with("cache") { "x: " } else { new },
            ])
    }))
    .await;
    run([
        stale("the others stay", &["x-a: 1", "x-b: 1"])
            .reply(&[
                "cache-control: max-age=60",
                "etag: \"a\"",
                "x-b: 2",
                "x-b: 3",
                "x-c: 4",
            ])
            .status(304)
            .validated(&["=1", "#2", "x-a: 1", "x-b: 2, 3", "x-c: 4", "etag: \"a\""]),
        stale("its lifetime is the new one", &[])
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .status(304)
            .validated(&["=1", "cache-control: max-age=60"])
            .wait(58)
            .get(&["=1", "#2"])
            .wait(2)
            .get(&["=1", "#3"]),
        stale("its lifetime is the old one if it says nothing", &[])
            .reply(&["etag: \"a\""])
            .status(304)
            .validated(&["=1", "#2", "cache-control: max-age=1"])
            .wait(2)
            .get(&["=1", "#3"]),
        stale(
            "a date that it does not renew is none of its own",
            &["date: @imf:-50"],
        )
        .reply(&["cache-control: max-age=60", "etag: \"a\""])
        .status(304)
        .get(&["=1", "date: @imf:-50"])
        .get(&["=1", "#2", "!date: @imf:-50", "!date: "])
        .get(&["=1", "#2", "!date: @imf:-50", "!date: ", "age: 0"]),
        stale("its age is that of the 304", &["age: 500"])
            .reply(&["cache-control: max-age=60", "etag: \"a\"", "age: 20"])
            .status(304)
            .get(&["=1"])
            .get(&["=1", "#2", "age: 20"])
            .wait(5)
            .get(&["=1", "#2", "age: 25"])
            .wait(36)
            .get(&["=1", "#3"]),
    ])
    .await;
}

/// RFC 9111 §3.2: what describes the stored body, what is of one connection.
#[tokio::test(start_paused = true)]
async fn fields_that_do_not_change() {
    let table = [
        ("content-length: 1", "content-length: 999"),
        ("content-encoding: x-a", "content-encoding: x-b"),
        ("!content-range", "content-range: bytes 0-0/5"),
        ("!keep-alive", "keep-alive: timeout=1"),
        ("!transfer-encoding", "transfer-encoding: chunked"),
        ("!proxy-authenticate", "proxy-authenticate: Basic"),
        ("!x-listed", "x-listed: 1"),
    ];
    run(table.map(|(old, new)| {
        let stored: &[&str] = if old.starts_with('!') { &[] } else { &[old] };
        stale(new, stored)
            .reply(&[
                "cache-control: max-age=60",
                "etag: \"a\"",
                "connection: x-listed",
                new,
            ])
            .status(304)
            .validated(&["=1", "#2", old])
    }))
    .await;
}

/// RFC 9111 §5.2.2.4, §5.2.2.7: a field that is one client's own in the 304.
#[tokio::test(start_paused = true)]
async fn fields_of_a_304_that_are_one_clients_own() {
    run([stale("named by the 304", &[])
        .reply(&[
            "cache-control: max-age=60, private=\"x-user\"",
            "etag: \"a\"",
            "x-user: bob",
        ])
        .status(304)
        .validated(&["=1", "#2", "!x-user"])])
    .await;
}

#[tokio::test(start_paused = true)]
#[ignore = "finding 1"]
async fn fields_that_the_stored_response_says_are_one_clients_own() {
    let own = |directive: &str| {
        Row::new(directive).reply(&[
            &format!("cache-control: max-age=1, {directive}"),
            "etag: \"a\"",
        ])
    };
    run([
        own("private=\"x-user\"")
            .reply(&["etag: \"a\"", "x-user: bob"])
            .status(304)
            .validated(&["=1", "#2", "!x-user"]),
        own("no-cache=\"set-cookie\"")
            .reply(&["etag: \"a\"", "set-cookie: session=bob"])
            .status(304)
            .validated(&["=1", "#2", "!set-cookie"]),
        stale("stored before it was said", &["x-user: alice"])
            .reply(&[
                "cache-control: max-age=60, private=\"x-user\"",
                "etag: \"a\"",
            ])
            .status(304)
            .validated(&["=1", "#2", "!x-user"]),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
#[ignore = "finding 2"]
async fn the_client_whose_own_fields_a_304_brings_gets_them() {
    run([stale("private", &[])
        .reply(&[
            "cache-control: max-age=60, private=\"x-user\"",
            "etag: \"a\"",
            "x-user: bob",
        ])
        .status(304)
        .get(&["=1"])
        .wait(3)
        .get(&["=1", "#2", "x-user: bob"])])
    .await;
}

/// RFC 9111 §4.3.4: which stored response a 304 is about.
#[tokio::test(start_paused = true)]
async fn what_a_304_is_about() {
    let (a, b) = (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Mon, 07 Nov 1994 08:49:37 GMT",
    );
    let (changed_a, changed_b) = (format!("last-modified: {a}"), format!("last-modified: {b}"));
    let other_form = "last-modified: Sunday, 06-Nov-94 08:49:37 GMT";
    let table: [(&str, &str, bool); 9] = [
        ("etag: \"a\"", "etag: \"a\"", true),
        ("etag: \"a\"", "etag: \"b\"", false),
        ("etag: \"a\"", "etag: W/\"a\"", true),
        ("etag: W/\"a\"", "etag: W/\"a\"", true),
        // Only a strong validator names one response, and ours is not known by it.
        ("etag: W/\"a\"", "etag: \"a\"", false),
        ("etag: \"a\"", "x: y", true),
        (&changed_a, &changed_a, true),
        (&changed_a, other_form, true),
        (&changed_a, &changed_b, false),
    ];
    run(table.map(|(stored, new, about)| {
        let count = if about { "#2" } else { "#3" };
        Row::new(format!("{stored}, {new}"))
            .reply(&["cache-control: max-age=1", stored])
            .reply(&["cache-control: max-age=60", new, "x-new: 1"])
            .status(304)
            .reply(&["cache-control: max-age=60"])
            .get(&["=1"])
            .wait(3)
            .get(&["200", "=1", if about { "x-new: 1" } else { "!x-new" }])
            .get(&[if about { "=1" } else { "=3" }, count])
    }))
    .await;
}
