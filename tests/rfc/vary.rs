//! RFC 9111 §4.1: `Vary`.

use crate::table::{Row, run};

/// How the second request's fields compare with the first's, under `Vary: {vary}`.
fn pair(vary: &[&str], first: &[&str], second: &[&str], same: bool) -> Row {
    let lines: Vec<_> = vary.iter().map(|line| format!("vary: {line}")).collect();
    let mut fields = vec!["cache-control: max-age=60"];
    fields.extend(lines.iter().map(String::as_str));
    Row::new(format!("{vary:?}: {first:?}, {second:?}"))
        .reply(&fields)
        .get_with(first, &["=1"])
        .get_with(second, &[if same { "=1" } else { "=2" }])
        // The first is not lost by it.
        .get_with(first, &["=1"])
}

/// RFC 9111 §4.1: the fields that are listed, in every spelling of the list.
#[tokio::test(start_paused = true)]
async fn spellings_of_the_list() {
    let table: [(&[&str], bool); 10] = [
        (&["x-a"], true),
        (&["X-A"], true),
        (&["x-b, x-a"], true),
        (&["x-b", "x-a"], true),
        (&["x-b,x-a,x-c"], true),
        (&[" ,, x-a ,"], true),
        (&["", "x-a"], true),
        (&["x-b"], false),
        (&[""], false),
        (&[","], false),
    ];
    run(table.map(|(vary, chooses)| pair(vary, &["x-a: 1"], &["x-a: 2"], !chooses))).await;
}

/// RFC 9111 §4.1: `*` never matches, wherever it stands. A list that is none counts the same.
#[tokio::test(start_paused = true)]
async fn the_star() {
    let table: [&[&str]; 9] = [
        &["*"],
        &["*, x-a"],
        &["x-a, *"],
        &[", *"],
        &["*,"],
        &["x-a", "*"],
        &["", "*"],
        &["x-a x-b"],
        &["\"x-a\""],
    ];
    run(table.map(|vary| {
        let lines: Vec<_> = vary.iter().map(|line| format!("vary: {line}")).collect();
        let mut fields = vec!["cache-control: max-age=60", "etag: \"a\""];
        fields.extend(lines.iter().map(String::as_str));
        Row::new(format!("{vary:?}")).reply(&fields).stored(false)
    }))
    .await;
}

/// RFC 9111 §4.1: when two requests have the same.
#[tokio::test(start_paused = true)]
async fn values_that_match() {
    let table: [(&[&str], &[&str], bool); 19] = [
        (&["x-a: 1"], &["x-a: 1"], true),
        (&["x-a: 1"], &["x-a: 2"], false),
        (&["x-a: 1"], &[], false),
        (&[], &["x-a: 1"], false),
        (&[], &["x-b: 1"], true),
        // Absent is not empty.
        (&[], &["x-a: "], false),
        // Combined lines.
        (&["x-a: 1", "x-a: 2"], &["x-a: 1, 2"], true),
        (&["x-a: 1", "x-a: 2"], &["x-a: 2", "x-a: 1"], false),
        (&["x-a: 1", "x-a: 2"], &["x-a: 1"], false),
        // White space around commas.
        (&["x-a: 1,2"], &["x-a: 1 ,\t 2"], true),
        (&["x-a:  1 "], &["x-a: 1"], true),
        (&["x-a: 1 2"], &["x-a: 12"], false),
        (&["x-a: \"1,2\""], &["x-a: \"1, 2\""], false),
        // Case, where it is known to mean nothing.
        (&["x-a: A"], &["x-a: a"], false),
        (
            &["accept-language: EN, De"],
            &["accept-language: en,de"],
            true,
        ),
        (
            &["accept-language: en, de"],
            &["accept-language: de, en"],
            false,
        ),
        (
            &["accept-encoding: GZip;q=1"],
            &["accept-encoding: gzip; q=1"],
            true,
        ),
        (&["accept: text/HTML"], &["accept: text/html"], true),
        (&["cookie: a=B"], &["cookie: a=b"], false),
    ];
    let list = "x-a, accept, accept-language, accept-encoding, cookie";
    run(table.map(|(first, second, same)| pair(&[list], first, second, same))).await;
}

/// RFC 9111 §4.1: values whose case or lines mean something.
#[tokio::test(start_paused = true)]
async fn values_that_only_look_alike() {
    run([
        // A parameter's value may have case (RFC 9110 §5.6.6).
        pair(
            &["accept"],
            &["accept: a/b;profile=X"],
            &["accept: a/b;profile=x"],
            false,
        ),
        // RFC 9113 §8.2.3: the lines of a cookie are joined by semicolons.
        pair(
            &["cookie"],
            &["cookie: a=1", "cookie: b=2"],
            &["cookie: a=1, b=2"],
            false,
        ),
        pair(
            &["cookie"],
            &["cookie: a=1", "cookie: b=2"],
            &["cookie: a=1; b=2"],
            true,
        ),
    ])
    .await;
}

/// RFC 9111 §4.1: several stored responses of one URL.
#[tokio::test(start_paused = true)]
async fn variants_that_vary_differently() {
    run([
        Row::new("one that names another field")
            .reply(&["cache-control: max-age=60", "vary: x-a"])
            .reply(&["cache-control: max-age=60", "vary: x-b"])
            .get_with(&["x-a: 1"], &["=1"])
            .get_with(&["x-a: 2"], &["=2"])
            .get_with(&["x-a: 2", "x-b: 1"], &["=3"])
            .get_with(&["x-a: 2"], &["=2"]),
        Row::new("one that names none")
            .reply(&["cache-control: max-age=60", "vary: x-a"])
            .reply(&["cache-control: max-age=60"])
            .get_with(&["x-a: 1"], &["=1"])
            .get_with(&["x-a: 2"], &["=2"])
            .get_with(&["x-a: 1"], &["=1"]),
        Row::new("one that was stored before it was known to vary")
            .reply(&["cache-control: max-age=1"])
            .reply(&["cache-control: max-age=60", "vary: x-a"])
            .get_with(&["x-a: 1"], &["=1"])
            .wait(2)
            .get_with(&["x-a: 1"], &["=2"])
            .get_with(&["x-a: 2"], &["=3"])
            .get_with(&["x-a: 1"], &["=2"]),
        Row::new("each is validated by its own tag")
            .reply(&["cache-control: max-age=1", "vary: x-a", "etag: \"a\""])
            .reply(&["cache-control: max-age=1", "vary: x-a", "etag: \"b\""])
            .get_with(&["x-a: 1"], &["=1"])
            .get_with(&["x-a: 2"], &["=2"])
            .wait(2)
            .get_with(&["x-a: 1"], &["=3", "origin if-none-match: \"a\""])
            .get_with(&["x-a: 2"], &["=4", "origin if-none-match: \"b\""]),
        Row::new("a 304 that names another field")
            .reply(&["cache-control: max-age=1", "vary: x-a", "etag: \"a\""])
            .reply(&["cache-control: max-age=60", "vary: x-b", "etag: \"a\""])
            .status(304)
            .reply(&["cache-control: max-age=60", "vary: x-b"])
            .get_with(&["x-a: 1", "x-b: 1"], &["=1"])
            .wait(2)
            .get_with(&["x-a: 1", "x-b: 1"], &["=1", "#2"])
            .get_with(&["x-a: 1", "x-b: 2"], &["=3"]),
    ])
    .await;
}
