//! RFC 9111 §4.2.4; RFC 5861: when something stale is served.

use std::time::Duration;

use crate::table::{Row, run};

/// What is stale may be served by consent alone, and by none if one of these forbids it.
const FORBID: [&str; 5] = [
    "must-revalidate",
    "proxy-revalidate",
    "s-maxage=1",
    "no-cache",
    "MUST-Revalidate",
];

/// RFC 9111 §4.2.4: directives that forbid it, against every consent there is.
#[tokio::test(start_paused = true)]
async fn what_forbids_it() {
    run(FORBID.iter().flat_map(|forbidden| {
        let fields = [
            format!("cache-control: max-age=1, {forbidden}, stale-while-revalidate=60, stale-if-error=60"),
            "etag: \"a\"".to_owned(),
        ];
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let row = || {
            Row::new(*forbidden)
                .cache(|cache| {
                    cache
                        .grace(Duration::from_secs(60))
                        .stale_if_error(Duration::from_secs(60))
                        .honor_request_directives(true)
                })
                .reply(&fields)
        };
        let wish = ["cache-control: max-stale, stale-if-error=60"];
        [
            row().get(&["=1"]).wait(3).get_with(&wish, &["=2"]),
            row().down().get(&["=1"]).wait(3).get_with(&wish, &["error"]),
            row()
                .reply(&[])
                .status(503)
                .get(&["=1"])
                .wait(3)
                .get_with(&wish, &["503", "=2"])
                .get_with(&wish, &["503", "=3"]),
        ]
    }))
    .await;
}

/// RFC 9111 §4.2.4: without consent only while the origin cannot be reached.
#[tokio::test(start_paused = true)]
async fn without_consent() {
    let short = |name: &str| Row::new(name).reply(&["cache-control: max-age=1"]);
    run([
        short("the origin answers")
            .get(&["=1"])
            .wait(3)
            .get(&["=2"]),
        short("the origin is down")
            .down()
            .get(&["=1"])
            .wait(3)
            .get(&["=1", "200", "age: 3"]),
        short("the origin is down for longer")
            .down()
            .get(&["=1"])
            .wait(62)
            .get(&["error"]),
        short("the origin is down, and that is to be seen")
            .cache(|cache| cache.stale_if_unreachable(Duration::ZERO))
            .down()
            .get(&["=1"])
            .wait(3)
            .get(&["error"]),
        short("the origin fails")
            .reply(&[])
            .status(500)
            .get(&["=1"])
            .wait(3)
            .get(&["500", "=2"]),
    ])
    .await;
}

/// RFC 5861 §3: `stale-while-revalidate`, counted from the end of freshness.
#[tokio::test(start_paused = true)]
async fn stale_while_revalidate() {
    let row = |control: &str| Row::new(control).reply(&[&format!("cache-control: {control}")]);
    run([
        row("max-age=10, stale-while-revalidate=20")
            .get(&["=1"])
            .wait(29)
            .get(&["=1", "age: 29"])
            .get(&["=2", "#2"]),
        row("max-age=10, stale-while-revalidate=20")
            .get(&["=1"])
            .wait(31)
            .get(&["=2"]),
        row("max-age=10, STALE-While-Revalidate=\"20\"")
            .get(&["=1"])
            .wait(29)
            .get(&["=1"]),
        row("max-age=10, stale-while-revalidate=20, stale-while-revalidate=40")
            .get(&["=1"])
            .wait(31)
            .get(&["=2"]),
        row("max-age=10, stale-while-revalidate")
            .get(&["=1"])
            .wait(11)
            .get(&["=2"]),
        row("max-age=10, stale-while-revalidate=foo")
            .get(&["=1"])
            .wait(11)
            .get(&["=2"]),
        row("max-age=10, stale-while-revalidate=-5")
            .get(&["=1"])
            .wait(11)
            .get(&["=2"]),
        row("max-age=0, stale-while-revalidate=20")
            .get(&["=1"])
            .get(&["=1"])
            .get(&["=2"]),
        row("stale-while-revalidate=20").stored(false),
        row("max-age=10, stale-while-revalidate=99999999999999999999")
            .get(&["=1"])
            .wait(10_000_000)
            .get(&["=1"]),
    ])
    .await;
}

/// RFC 5861 §4: `stale-if-error`, for 500, 502, 503, 504 and no answer at all.
#[tokio::test(start_paused = true)]
async fn stale_if_error() {
    let row = |control: &str| Row::new(control).reply(&[&format!("cache-control: {control}")]);
    run([
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (501, false),
        (505, false),
        (429, false),
        (404, false),
        (204, false),
    ]
    .map(|(status, hidden)| {
        let shown = status.to_string();
        row("max-age=10, stale-if-error=20")
            .reply(&["cache-control: no-store"])
            .status(status)
            .get(&["=1"])
            .wait(29)
            .get(if hidden { &["=1", "200"] } else { &["=2"] })
            .get(&[if hidden { "200" } else { &shown }])
    }))
    .await;
    run([
        row("max-age=10, stale-if-error=20")
            .down()
            .get(&["=1"])
            .wait(29)
            .get(&["=1"]),
        row("max-age=10, stale-if-error=20")
            .down()
            .get(&["=1"])
            .wait(31)
            .get(&["error"]),
        row("max-age=10, stale-if-error=0")
            .down()
            .get(&["=1"])
            .wait(11)
            .get(&["error"]),
        row("max-age=10, stale-if-error=20")
            .get(&["=1"])
            .wait(11)
            .get(&["=2"]),
        row("max-age=10, stale-if-error=20")
            .reply(&[])
            .status(503)
            .get(&["=1"])
            .wait(31)
            .get(&["503", "=2"]),
    ])
    .await;
}

/// RFC 5861 §4: the end of the trouble is noticed.
#[tokio::test(start_paused = true)]
async fn after_the_trouble() {
    run([Row::new("recovered")
        .reply(&["cache-control: max-age=1, stale-if-error=600"])
        .reply(&[])
        .status(503)
        .reply(&["cache-control: max-age=60"])
        .get(&["=1"])
        .wait(3)
        .get(&["=1", "#2"])
        .wait(60)
        .get(&["=3"])
        .get(&["=3"])])
    .await;
}
