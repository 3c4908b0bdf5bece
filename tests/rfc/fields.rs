//! RFC 9111 §3.1: which fields are stored.

use crate::table::{Row, run};

/// RFC 9111 §3.1: all, unknown ones as well, each line of them, in order.
#[tokio::test(start_paused = true)]
async fn fields_that_are_stored() {
    let table = [
        "x-unknown: a",
        "content-type: text/plain; charset=utf-8",
        "content-language: de",
        "content-encoding: x-rot13",
        "content-disposition: inline",
        "content-location: /x",
        "etag: W/\"a\"",
        "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "link: </a>; rel=preload",
        "vary: x-a",
        "warning: 199 - x",
        "pragma: no-cache",
        "server: x",
        "via: 1.1 x",
        "www-authenticate: Basic",
        "authentication-info: x",
        "allow: GET",
        "accept-ranges: bytes",
        "retry-after: 9",
        "strict-transport-security: max-age=1",
        "cdn-cache-control: max-age=60",
        "date: Sun, 06 Nov 2094 08:49:37 GMT",
        "expires: Sun, 06 Nov 2094 08:49:37 GMT",
        "x-empty: ",
    ];
    run(table.map(|field| {
        Row::new(field)
            .reply(&["cache-control: max-age=60", field])
            .get(&["=1", field])
            .get(&["=1", field])
    }))
    .await;
    run([Row::new("each line")
        .reply(&["cache-control: max-age=60", "x-a: 1", "x-b: 2", "x-a: 3"])
        .get(&["=1"])
        .get(&["=1", "x-a: 1, 3", "x-b: 2"])])
    .await;
}

/// RFC 9111 §3.1; RFC 9110 §7.6.1: what is meant for one connection, or for one proxy.
#[tokio::test(start_paused = true)]
async fn fields_that_are_not_stored() {
    let table = [
        "connection: close",
        "keep-alive: timeout=5",
        "proxy-connection: close",
        "te: trailers",
        "trailer: x",
        "transfer-encoding: chunked",
        "upgrade: h2c",
        "proxy-authenticate: Basic",
        "proxy-authentication-info: x",
        "proxy-authorization: Basic",
    ];
    run(table.map(|field| {
        let name = field.split_once(':').expect("a field").0;
        Row::new(field)
            .reply(&["cache-control: max-age=60", field])
            .get(&["=1"])
            .get(&["=1", &format!("!{name}")])
    }))
    .await;
    run([
        Row::new("what Connection lists, in any case, in any line")
            .reply(&[
                "cache-control: max-age=60",
                "connection: X-A, close",
                "connection: , x-b",
                "x-a: 1",
                "x-b: 1",
                "x-c: 1",
            ])
            .get(&["=1"])
            .get(&["=1", "!x-a", "!x-b", "x-c: 1", "!connection"]),
        Row::new("an age is reckoned anew")
            .reply(&["cache-control: max-age=60", "age: 3"])
            .get(&["=1", "age: 3"])
            .wait(5)
            .get(&["=1", "age: 8"]),
    ])
    .await;
}

/// RFC 9111 §5.2.2.4, §5.2.2.7: the fields that the qualified forms name, but for the client whose
/// own they are.
#[tokio::test(start_paused = true)]
async fn fields_that_are_one_clients_own() {
    let table = [
        ("private=\"x-a\"", true),
        ("private=x-a", true),
        ("PRIVATE=\"X-A\"", true),
        ("private=\"x-b, x-a\"", true),
        ("private=\" ,x-a ,\"", true),
        ("no-cache=\"x-a\"", true),
        ("no-cache=\"x-b\", no-cache=\"x-a\"", true),
        ("private=\"x-b\"", false),
        ("foo=\"x-a\"", false),
    ];
    run(table.map(|(directive, own)| {
        Row::new(directive)
            .reply(&[&format!("cache-control: max-age=60, {directive}"), "x-a: 1"])
            .get(&["=1", "x-a: 1"])
            .get(&["=1", if own { "!x-a" } else { "x-a: 1" }])
    }))
    .await;
    run([Row::new("a cookie, which would else keep it all out")
        .reply(&[
            "cache-control: max-age=60, no-cache=\"Set-Cookie\"",
            "set-cookie: a=b",
        ])
        .get(&["=1", "set-cookie: a=b"])
        .get(&["=1", "!set-cookie"])])
    .await;
}

/// RFC 9110 §6.6.1: a recipient with a clock gives a stored response the date it lacks.
#[tokio::test(start_paused = true)]
async fn the_date() {
    run([Row::new("a date of its own is kept")
        .reply(&["cache-control: max-age=7200", "date: @imf:-60"])
        .get(&["date: @imf:-60"])
        .get(&["date: @imf:-60"])])
    .await;
}
