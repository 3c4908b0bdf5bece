//! RFC 9213: targeted cache control.

use http::HeaderName;

use crate::table::{Row, run};

/// RFC 9213 §2.1, §2.2: a valid one counts alone; one that is empty or invalid counts for nothing.
#[tokio::test(start_paused = true)]
async fn it_counts_alone() {
    let table: [(&[&str], u64); 24] = [
        (&["cdn-cache-control: max-age=20"], 20),
        (
            &["cdn-cache-control: max-age=20", "cache-control: max-age=40"],
            20,
        ),
        (
            &["cdn-cache-control: max-age=20", "cache-control: no-store"],
            20,
        ),
        (
            &[
                "cdn-cache-control: max-age=20",
                "cache-control: private, no-cache",
            ],
            20,
        ),
        (&["cdn-cache-control: max-age=20", "expires: 0"], 20),
        (
            &["cdn-cache-control: max-age=0", "cache-control: max-age=40"],
            0,
        ),
        (
            &["cdn-cache-control: no-store", "cache-control: max-age=40"],
            0,
        ),
        (
            &["cdn-cache-control: private", "cache-control: max-age=40"],
            0,
        ),
        (
            &["cdn-cache-control: no-cache", "cache-control: max-age=40"],
            0,
        ),
        (&["cdn-cache-control: foo", "cache-control: max-age=40"], 0),
        (&["cdn-cache-control: foo", "expires: @imf:60"], 0),
        (&["cdn-cache-control: s-maxage=30, max-age=20"], 30),
        // Empty, or no dictionary.
        (&["cdn-cache-control: ", "cache-control: max-age=40"], 40),
        (
            &[
                "cdn-cache-control: max-age=20,",
                "cache-control: max-age=40",
            ],
            40,
        ),
        (
            &["cdn-cache-control: MAX-AGE=20", "cache-control: max-age=40"],
            40,
        ),
        (
            &[
                "cdn-cache-control: max-age=\"20",
                "cache-control: max-age=40",
            ],
            40,
        ),
        (&["cdn-cache-control: &", "cache-control: max-age=40"], 40),
        (
            &[
                "cdn-cache-control: max-age =20",
                "cache-control: max-age=40",
            ],
            40,
        ),
        // Values of a dictionary: the last of a name, parameters ignored.
        (&["cdn-cache-control: max-age=20, max-age=30"], 30),
        (
            &[
                "cdn-cache-control: max-age=20",
                "cdn-cache-control: max-age=30",
            ],
            30,
        ),
        (&["cdn-cache-control: max-age=20;foo=bar"], 20),
        (&["cdn-cache-control: max-age=20, no-store=?0"], 20),
        (&["cdn-cache-control: max-age=20, no-store=?1"], 0),
        // Not meant for us.
        (
            &["surrogate-control: max-age=20", "cache-control: max-age=40"],
            40,
        ),
    ];
    run(table.map(|(fields, lifetime)| {
        let fields = [fields, &["date: @imf:0"]].concat();
        Row::new(format!("{fields:?}"))
            .reply(&fields)
            .fresh_for(lifetime)
    }))
    .await;
}

/// RFC 9213 §2.1: a value of another type than the directive has makes nothing fresh.
#[tokio::test(start_paused = true)]
async fn types() {
    let table = [
        "max-age=\"20\"",
        "max-age=20.5",
        "max-age=-20",
        "max-age",
        "max-age=(20)",
        "max-age=?1",
    ];
    run(table.map(|control| {
        Row::new(control)
            .reply(&[&format!("cdn-cache-control: {control}"), "etag: \"a\""])
            .fresh_for(0)
    }))
    .await;
}

/// RFC 9213 §2.2: the target list, most applicable first.
#[tokio::test(start_paused = true)]
async fn the_target_list() {
    let row = |name: &str| {
        Row::new(name).cache(|cache| {
            cache.targets([
                HeaderName::from_static("bellwether-cache-control"),
                HeaderName::from_static("cdn-cache-control"),
            ])
        })
    };
    run([
        row("the first")
            .reply(&[
                "cdn-cache-control: max-age=20",
                "bellwether-cache-control: max-age=30",
            ])
            .fresh_for(30),
        row("the second, if there is no first")
            .reply(&["cdn-cache-control: max-age=20"])
            .fresh_for(20),
        row("the second, if the first is invalid")
            .reply(&[
                "cdn-cache-control: max-age=20",
                "bellwether-cache-control: \"",
            ])
            .fresh_for(20),
        row("none")
            .reply(&["cache-control: max-age=40"])
            .fresh_for(40),
        Row::new("an empty list")
            .cache(|cache| cache.targets([]))
            .reply(&["cdn-cache-control: max-age=20", "cache-control: max-age=40"])
            .fresh_for(40),
    ])
    .await;
}

/// RFC 9213 §2.2: it says all that `Cache-Control` could, and goes on to who comes next.
#[tokio::test(start_paused = true)]
async fn all_that_it_says() {
    run([
        Row::new("staleness")
            .reply(&["cdn-cache-control: max-age=1, stale-while-revalidate=60"])
            .get(&["=1"])
            .wait(3)
            .get(&["=1"]),
        Row::new("that Cache-Control forbids it means nothing")
            .reply(&[
                "cdn-cache-control: max-age=1, stale-while-revalidate=60",
                "cache-control: must-revalidate",
            ])
            .get(&["=1"])
            .wait(3)
            .get(&["=1"]),
        Row::new("that it forbids it counts")
            .reply(&[
                "cdn-cache-control: max-age=1, must-revalidate",
                "cache-control: stale-while-revalidate=60",
            ])
            .get(&["=1"])
            .wait(3)
            .get(&["=2"]),
        Row::new("fields")
            .reply(&["cdn-cache-control: max-age=60, private=\"x-a\"", "x-a: 1"])
            .get(&["=1", "x-a: 1"])
            .get(&["=1", "!x-a"]),
        Row::new("who may share")
            .reply(&["cdn-cache-control: max-age=60, public"])
            .get_with(&["authorization: a"], &["=1"])
            .get(&["=1"]),
        Row::new("who may not")
            .reply(&["cdn-cache-control: max-age=60", "cache-control: public"])
            .get_with(&["authorization: a"], &["=1"])
            .get(&["=2"]),
        Row::new("it is passed on, by a hit and by a 304")
            .reply(&["cdn-cache-control: max-age=60", "etag: \"a\""])
            .get(&["cdn-cache-control: max-age=60"])
            .get(&["cdn-cache-control: max-age=60"])
            .get_with(
                &["if-none-match: \"a\""],
                &["304", "cdn-cache-control: max-age=60"],
            ),
        Row::new("a 304 renews it")
            .reply(&["cdn-cache-control: max-age=1", "etag: \"a\""])
            .reply(&["cdn-cache-control: max-age=60", "etag: \"a\""])
            .status(304)
            .get(&["=1"])
            .wait(3)
            .get(&["=1", "#2"])
            .wait(50)
            .get(&["=1", "#2"]),
    ])
    .await;
}
