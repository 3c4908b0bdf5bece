//! RFC 9110 §9, §15: methods and statuses as they pass.

use crate::table::{Row, run};

/// RFC 9110 §9.3.2: HEAD is GET without its body.
#[tokio::test(start_paused = true)]
async fn head() {
    let fields = [
        "cache-control: max-age=60",
        "etag: \"a\"",
        "content-type: text/plain",
        "x-a: 1",
    ];
    run([
        Row::new("cold")
            .reply(&fields)
            .ask(
                "HEAD /",
                &[],
                &[
                    "200",
                    "=",
                    "etag: \"a\"",
                    "content-type: text/plain",
                    "x-a: 1",
                ],
            )
            .ask(
                "HEAD /",
                &[],
                &["200", "=", "etag: \"a\"", "content-length: 1", "#1"],
            ),
        Row::new("that cannot be stored")
            .reply(&["cache-control: no-store", "x-a: 1"])
            .ask("HEAD /", &[], &["200", "=", "x-a: 1"])
            .ask("HEAD /", &[], &["200", "=", "#2"])
            .get(&["=3"]),
        Row::new("404")
            .reply(&["cache-control: max-age=60"])
            .status(404)
            .ask("HEAD /", &[], &["404", "="])
            .get(&["404", "=1"]),
        Row::new("while the origin is down")
            .reply(&fields)
            .down()
            .get(&["=1"])
            .ask("HEAD /", &[], &["200", "="]),
    ])
    .await;
}

/// RFC 9110 §8.6: no `Content-Length` on 204.
#[tokio::test(start_paused = true)]
#[ignore = "finding 7"]
async fn head_of_no_content() {
    run([Row::new("204")
        .reply(&["cache-control: max-age=60"])
        .status(204)
        .body("")
        .get(&["204"])
        .ask("HEAD /", &[], &["204", "!content-length"])])
    .await;
}

/// RFC 9110 §15: what is passed on as it is.
#[tokio::test(start_paused = true)]
async fn statuses_pass() {
    run(
        [200, 201, 204, 206, 302, 401, 412, 416, 500, 503, 599, 999].map(|status| {
            let same = status.to_string();
            Row::new(&same)
                .reply(&["cache-control: no-store", "x-a: 1", "set-cookie: a=b"])
                .status(status)
                .get(&[&same, "x-a: 1", "set-cookie: a=b"])
                .get(&[&same, "x-a: 1", "set-cookie: a=b", "#2"])
                .ask("POST /", &[], &[&same, "x-a: 1", "set-cookie: a=b", "#3"])
        }),
    )
    .await;
}

/// RFC 9110 §9.2.2, §7.6: nothing is sent twice that the origin may have seen.
#[tokio::test(start_paused = true)]
async fn no_request_is_repeated() {
    run(
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].map(|method| {
            Row::new(method)
                .down()
                .ask(&format!("{method} /"), &[], &["error", "#1"])
        }),
    )
    .await;
}
