//! RFC 9111 §3.5: responses to requests with `Authorization`.

use crate::table::{Row, run};

const ME: &[&str] = &["authorization: Basic bWU6"];

/// RFC 9111 §3.5: which directives let others have the response.
#[tokio::test(start_paused = true)]
async fn what_lets_others_have_it() {
    let table = [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("max-age=60, PUBLIC", true),
        ("s-maxage=60", true),
        ("max-age=60, must-revalidate", true),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, immutable", false),
        ("max-age=60, must-understand", false),
        ("max-age=60, foo=\"public\"", false),
        ("max-age=60, public, private", false),
        ("max-age=60, public, no-store", false),
    ];
    run(table.map(|(control, shared)| {
        Row::new(control)
            .reply(&[&format!("cache-control: {control}")])
            .get_with(ME, &["=1"])
            .get(&[if shared { "=1" } else { "=2" }])
    }))
    .await;
}

/// RFC 9111 §3.5: it is about responses to such requests, and about no others.
#[tokio::test(start_paused = true)]
async fn whose_response_it_is() {
    run([
        Row::new("what anybody got, they may have as well")
            .reply(&["cache-control: max-age=60"])
            .get(&["=1"])
            .get_with(ME, &["=1"]),
        Row::new("two of them get one each")
            .reply(&["cache-control: max-age=60"])
            .get_with(ME, &["=1"])
            .get_with(&["authorization: other"], &["=2"])
            .get_with(ME, &["=3"]),
        Row::new("an empty credential is one")
            .reply(&["cache-control: max-age=60"])
            .get_with(&["authorization: "], &["=1"])
            .get(&["=2"]),
        Row::new("a freshened response is theirs alone, too")
            .reply(&["cache-control: max-age=1", "etag: \"a\""])
            .reply(&["etag: \"a\"", "x-user: me"])
            .status(304)
            .reply(&["cache-control: max-age=1"])
            .get(&["=1"])
            .wait(2)
            .get_with(ME, &["=1", "x-user: me"])
            .get(&["=3", "!x-user"]),
        Row::new("one refused does not take away what others are served from")
            .reply(&["cache-control: max-age=1, stale-while-revalidate=60"])
            .get(&["=1"])
            .wait(2)
            .get_with(ME, &["=1"])
            .get(&["=1"]),
    ])
    .await;
}
