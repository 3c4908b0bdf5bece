//! RFC 9110 §13.1.1, §13.1.4: conditions under which nothing is to be done, or sent.

use crate::table::{Row, run};

/// RFC 9110 §13.1.1, §13.1.4: `If-Match` and `If-Unmodified-Since` of unsafe methods are the
/// origin's business.
#[tokio::test(start_paused = true)]
async fn conditions_of_changes() {
    run([
        "if-match: \"a\"",
        "if-match: *",
        "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT",
        "if-none-match: *",
    ]
    .map(|field| {
        Row::new(field)
            .reply(&["cache-control: max-age=60", "etag: \"a\""])
            .reply(&[])
            .status(412)
            .get(&["=1"])
            .ask("PUT /", &[field], &["412", &format!("origin {field}")])
            // It was not done.
            .get(&["=1"])
    }))
    .await;
}

/// RFC 9110 §13.1.1, §13.1.4, §13.2.2: a client that says so takes 412, and not another
/// representation (it puts parts together).
#[tokio::test(start_paused = true)]
#[ignore = "finding 3"]
async fn if_match_and_if_unmodified_since() {
    let tagged = |name| {
        Row::new(name).reply(&[
            "cache-control: max-age=60",
            "etag: \"a\"",
            "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
        ])
    };
    let table = [
        ("if-match: \"b\"", "412"),
        ("if-match: W/\"a\"", "412"),
        ("if-match: \"b\", \"c\"", "412"),
        ("if-unmodified-since: Sun, 06 Nov 1993 08:49:37 GMT", "412"),
        ("if-match: \"a\"", "200"),
        ("if-match: *", "200"),
        ("if-match: \"b\", \"a\"", "200"),
        ("if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT", "200"),
        ("if-unmodified-since: x", "200"),
    ];
    run(table.into_iter().flat_map(|(field, status)| {
        [
            tagged(format!("held {field}"))
                .get(&["=1"])
                .get_with(&[field], &[status]),
            tagged(format!("cold {field}")).get_with(&[field], &[status]),
        ]
    }))
    .await;
}
