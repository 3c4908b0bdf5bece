//! RFC 9111 §4.2.3, §5.1: ages.

use crate::table::{Row, run};

/// RFC 9111 §4.2.3, §5.1: its age on receipt.
#[tokio::test(start_paused = true)]
async fn ages() {
    let table = [
        ("age: 20", "25"),
        ("age: 020", "25"),
        ("age: 0", "5"),
        ("age: 20, 40", "25"),
        ("age: 20 , foo", "25"),
        ("age: ", "5"),
        ("age: -20", "5"),
        ("age: 20.5", "5"),
        ("age: \"20\"", "5"),
        ("age: 20;foo=bar", "5"),
        ("age: foo", "5"),
        ("age: foo, 20", "5"),
    ];
    run(table.map(|(age, later)| {
        Row::new(age)
            .reply(&["cache-control: max-age=1000", age])
            .get(&["=1"])
            .wait(5)
            .get(&["=1", &format!("age: {later}")])
    }))
    .await;
    let fresh = |name: &str, fields: &[&str]| {
        Row::new(name).reply(&[&["cache-control: max-age=1000"], fields].concat())
    };
    run([
        fresh("of several lines, the first", &["age: 20", "age: 40"])
            .get(&["=1"])
            .get(&["age: 20"]),
        fresh("it counts towards the lifetime", &["age: 900"]).fresh_for(100),
        fresh("older than its lifetime", &["age: 1000"]).fresh_for(0),
        fresh("too large a number", &["age: 99999999999999999999"]).fresh_for(0),
        fresh(
            "by its Date, if that says more",
            &["date: @imf:-990", "age: 10"],
        )
        .get(&["=1"])
        .wait(12)
        .get(&["=2"]),
        fresh(
            "by its Age, if that says more",
            &["date: @imf:-10", "age: 990"],
        )
        .get(&["=1"])
        .wait(12)
        .get(&["=2"]),
        fresh("a Date in the future says nothing", &["date: @imf:3600"])
            .get(&["=1"])
            .get(&["age: 0"]),
        fresh("a Date that is none says nothing", &["date: soon"])
            .get(&["=1"])
            .get(&["age: 0"]),
    ])
    .await;
}
