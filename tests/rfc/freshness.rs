//! RFC 9111 §4.2.1, §4.2.2, §5.3: lifetimes.

use crate::table::{Row, run};

/// RFC 9111 §4.2.1: in which order they count.
#[tokio::test(start_paused = true)]
async fn precedence() {
    let expires = "expires: @imf:60";
    let table: [(&[&str], u64); 9] = [
        (&["cache-control: max-age=20"], 20),
        (&["cache-control: max-age=20", expires], 20),
        (&["cache-control: s-maxage=30, max-age=20", expires], 30),
        (
            &["cache-control: max-age=20", "cache-control: s-maxage=30"],
            30,
        ),
        (&["cache-control: s-maxage=0, max-age=20"], 0),
        (&["cache-control: max-age=0", expires], 0),
        (&["cache-control: foo", expires], 60),
        (&["pragma: no-cache", expires], 60),
        (&["last-modified: @imf:-1000000", expires], 60),
    ];
    run(table.map(|(fields, lifetime)| {
        let fields = [fields, &["date: @imf:0"]].concat();
        let row = Row::new(format!("{fields:?}")).reply(&fields);
        // Dates have whole seconds, and one may pass meanwhile.
        if fields
            .iter()
            .any(|field| field.starts_with("cache-control: foo"))
            || lifetime == 60
        {
            return row
                .get(&["=1"])
                .wait(lifetime - 2)
                .get(&["=1"])
                .wait(4)
                .get(&["=2"]);
        }
        row.fresh_for(lifetime)
    }))
    .await;
}

/// RFC 9111 §4.2.1, §1.2.2, §5.2: spellings of a number of seconds. Of several, the first counts;
/// what cannot be read makes it stale.
#[tokio::test(start_paused = true)]
async fn spellings() {
    let table = [
        ("max-age=20", 20),
        ("MAX-AGE=20", 20),
        ("Max-Age=020", 20),
        ("max-age=\"20\"", 20),
        ("max-age=20, max-age=40", 20),
        ("max-age=40, max-age=20", 40),
        (" ,, max-age=20 ,", 20),
        ("foo=\"max-age=9\", max-age=20", 20),
        ("foo=\"a, max-age=9, b\", max-age=20", 20),
        ("foo=\"a\\\", max-age=9\", max-age=20", 20),
        ("max-age=20, foo=\"", 20),
        ("foo=\"bar, max-age=20", 20),
        ("x-max-age=40, max-age=20", 20),
        ("max-agent=40, max-age=20", 20),
        ("a-name-that-is-longer-than-any-known=1, max-age=20", 20),
        ("max-age=0", 0),
        ("max-age", 0),
        ("max-age=", 0),
        ("max-age=\"\"", 0),
        ("max-age=-20", 0),
        ("max-age=+20", 0),
        ("max-age=20.0", 0),
        ("max-age=2e1", 0),
        ("max-age=0x20", 0),
        ("max-age=20s", 0),
        ("max-age=20;foo", 0),
        ("max-age='20'", 0),
        ("max-age=\"20", 0),
        ("max-age=20\"", 0),
        ("max-age=2 0", 0),
        ("max-age =20", 0),
        ("max-age= 20", 0),
        ("max-age:20", 0),
        ("foo=max-age=20", 0),
    ];
    run(table.map(|(control, lifetime)| {
        Row::new(control)
            .reply(&[&format!("cache-control: {control}")])
            .fresh_for(lifetime)
    }))
    .await;
}

/// RFC 9111 §1.2.2: numbers that are too large.
#[tokio::test(start_paused = true)]
async fn overflow() {
    let table = [
        "2147483647",
        "2147483648",
        "4294967296",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    run(table.map(|number| {
        Row::new(number)
            .reply(&[&format!("cache-control: max-age={number}")])
            .get(&["=1"])
            .wait(10_000_000)
            .get(&["=1", "age: 10000000"])
    }))
    .await;
}

/// RFC 9111 §5.3; RFC 9110 §5.6.7: forms of `Expires`.
#[tokio::test(start_paused = true)]
async fn forms_of_expires() {
    let fresh = [
        "@imf:600",
        "@850:600",
        "@asc:600",
        "Sun, 06 Nov 2094 08:49:37 GMT",
        "sun, 06 nov 2094 08:49:37 gmt",
    ];
    let stale = [
        "0",
        "-1",
        "",
        "never",
        "@imf:0",
        "@imf:-600",
        "@850:-600",
        "@asc:-600",
        "Sun, 06 Nov 2094 08:49:37 UTC",
        "Sun, 06 Nov 2094 08:49:37 +0000",
        "Sun, 06 Nov 2094 08:49:37",
        "06 Nov 2094 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "2094-11-06T08:49:37Z",
        "4000000000",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 2094 08:49:37 GMT",
    ];
    let rows = fresh.iter().map(|form| (form, true));
    run(rows
        .chain(stale.iter().map(|form| (form, false)))
        .map(|(form, stored)| {
            Row::new(*form)
                .reply(&["date: @imf:0", &format!("expires: {form}")])
                .stored(stored)
        }))
    .await;
    run([
        Row::new("of several, the first")
            .reply(&["date: @imf:0", "expires: @imf:600", "expires: 0"])
            .stored(true),
        Row::new("of several, the first, though it is invalid")
            .reply(&["date: @imf:0", "expires: 0", "expires: @imf:600"])
            .stored(false),
        Row::new("counted from Date, not from our clock")
            .reply(&["date: @imf:3600", "expires: @imf:3000"])
            .stored(false),
        Row::new("counted from Date, by a clock that is fast")
            .reply(&["date: @imf:3600", "expires: @imf:3660"])
            .get(&["=1"])
            .wait(50)
            .get(&["=1"])
            .wait(12)
            .get(&["=2"]),
        Row::new("counted from receipt if there is no Date")
            .reply(&["expires: @imf:600"])
            .get(&["=1"])
            .wait(590)
            .get(&["=1"])
            .wait(12)
            .get(&["=2"]),
    ])
    .await;
}

/// RFC 9111 §4.2.2: a tenth of the time since it changed, at most a day, only where nothing is
/// said.
#[tokio::test(start_paused = true)]
async fn heuristics() {
    let guessed =
        |name: &str, fields: &[&str]| Row::new(name).reply(&[&["date: @imf:0"], fields].concat());
    run([
        guessed("a tenth", &["last-modified: @imf:-1000"])
            .get(&["=1"])
            .wait(98)
            .get(&["=1"])
            .wait(4)
            .get(&["=2"]),
        guessed("at most a day", &["last-modified: @imf:-100000000"])
            .get(&["=1"])
            .wait(86_390)
            .get(&["=1"])
            .wait(20)
            .get(&["=2"]),
        guessed("of the future", &["last-modified: @imf:1000"]).stored(false),
        guessed("of no date", &["last-modified: yesterday"]).stored(false),
        guessed(
            "not beside a lifetime",
            &["last-modified: @imf:-1000000", "cache-control: max-age=5"],
        )
        .fresh_for(5),
        guessed(
            "not beside one that cannot be read",
            &["last-modified: @imf:-1000000", "expires: x"],
        )
        .fresh_for(0),
        guessed(
            "not beside no-cache",
            &["last-modified: @imf:-1000000", "cache-control: no-cache"],
        )
        .fresh_for(0),
    ])
    .await;
}
