//! RFC 9111 §5.2.2: what responses say.

use crate::table::{Row, run};

/// RFC 9111 §5.2, §5.2.2.5, §5.2.2.7: what is kept from the store, however it is written.
#[tokio::test(start_paused = true)]
async fn what_is_not_stored() {
    let table = [
        ("max-age=60", true),
        // §5.2.2.5
        ("no-store", false),
        ("No-Store", false),
        ("max-age=60, no-store", false),
        ("no-store, max-age=60", false),
        ("max-age=60,no-store", false),
        ("max-age=60 , no-store ,", false),
        ("no-store=foo", false),
        ("no-store=\"\"", false),
        ("max-age=60, no-store =1", false),
        ("foo=\"bar, no-store", false),
        ("foo=\"a\\\"\", no-store", false),
        ("public, no-store, s-maxage=60", false),
        // It is another directive, or none.
        ("max-age=60, no-stored", true),
        ("max-age=60, x-no-store", true),
        ("max-age=60, foo=\"no-store\"", true),
        ("max-age=60, foo=\"bar, no-store\"", true),
        ("max-age=60, foo=no-store", true),
        ("max-age=60; no-store", false),
        // §5.2.2.7
        ("max-age=60, private", false),
        ("max-age=60, PRIVATE", false),
        ("max-age=60, private=", false),
        ("max-age=60, private=\"\"", false),
        ("max-age=60, private=\"a b\"", false),
        ("max-age=60, private=\"x-a", false),
        ("max-age=60, private=\"x-a\", private", false),
        ("max-age=60, private=\"x-a\"", true),
        ("max-age=60, privately", true),
        // §5.2.2.4
        ("max-age=60, no-cache", false),
        ("max-age=60, NO-CACHE", false),
        ("max-age=60, no-cache=", false),
        ("max-age=60, no-cache=\"a b\"", false),
        ("max-age=60, no-cache=\"x-a\"", true),
        // §5.2.2.6, and with arguments where none belong
        ("max-age=60, no-transform", true),
        ("max-age=60, public=foo", true),
        ("max-age=60, must-revalidate=foo", true),
    ];
    run(table.map(|(control, stored)| {
        Row::new(control)
            .reply(&[&format!("cache-control: {control}")])
            .stored(stored)
    }))
    .await;
    run([
        Row::new("in a second line")
            .reply(&["cache-control: max-age=60", "cache-control: no-store"])
            .stored(false),
        Row::new("in a line before")
            .reply(&["cache-control: no-store", "cache-control: max-age=60"])
            .stored(false),
        Row::new("a quote that a line leaves open ends with it")
            .reply(&[
                "cache-control: foo=\"",
                "cache-control: no-store, bar=\"",
                "cache-control: max-age=60",
            ])
            .stored(false),
    ])
    .await;
}

/// RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.10: once stale, not without the origin. (Against what would
/// permit it: see `stale.rs`.)
#[tokio::test(start_paused = true)]
async fn what_must_be_revalidated() {
    let table = [
        ("max-age=1", "=1"),
        ("max-age=1, must-revalidate", "error"),
        ("max-age=1, must-revalidate=foo", "error"),
        ("max-age=1, proxy-revalidate", "error"),
        ("s-maxage=1", "error"),
        ("max-age=1, s-maxage=foo", "error"),
        ("max-age=1, foo=must-revalidate", "=1"),
    ];
    run(table.map(|(control, then)| {
        Row::new(control)
            .reply(&[&format!("cache-control: {control}"), "etag: \"a\""])
            .down()
            .get(&["=1"])
            .wait(3)
            .get(&[then])
    }))
    .await;
    run([Row::new("while it is fresh, that means nothing")
        .reply(&["cache-control: max-age=60, must-revalidate"])
        .fresh_for(60)])
    .await;
}

/// RFC 9111 §5.2.2.3: `must-understand`.
#[tokio::test(start_paused = true)]
async fn must_understand() {
    let table = [
        (200, "must-understand, no-store, max-age=60", true),
        (404, "no-store, must-understand, max-age=60", true),
        (299, "must-understand, no-store, max-age=60", false),
        (599, "must-understand, max-age=60", false),
        (299, "max-age=60", true),
        (206, "must-understand, max-age=60", false),
        (200, "must-understand, private, max-age=60", false),
        (200, "foo=\"must-understand\", no-store, max-age=60", false),
    ];
    run(table.map(|(status, control, stored)| {
        Row::new(format!("{status} {control}"))
            .reply(&[&format!("cache-control: {control}")])
            .status(status)
            .stored(stored)
    }))
    .await;
}

/// RFC 9111 §5.2.2.9: `public` makes guessable what is not by its status, and shared what is not
/// by its request; it is no lifetime, and beats no refusal.
#[tokio::test(start_paused = true)]
async fn public() {
    let (date, changed) = ("date: @imf:0", "last-modified: @imf:-864000");
    run([
        Row::new("302")
            .reply(&[date, changed, "cache-control: Public"])
            .status(302)
            .stored(true),
        Row::new("302, without")
            .reply(&[date, changed])
            .status(302)
            .stored(false),
        Row::new("private")
            .reply(&[date, changed, "cache-control: public, private"])
            .stored(false),
        Row::new("206")
            .reply(&[date, "cache-control: public, max-age=9"])
            .status(206)
            .stored(false),
    ])
    .await;
}
