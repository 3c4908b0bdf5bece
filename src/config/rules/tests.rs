use std::time::Duration;

use super::*;
use crate::config::{Query, Rule, Settings};

/// Each rule is known by its `grace`: the first has 1 s, the second 2 s...
fn rules(rules: Vec<Rule>) -> Rules {
    let numbered = rules.into_iter().zip(1..);
    let rules = numbered.map(|(rule, number)| rule.grace(Duration::from_secs(number)));
    let settings = Settings {
        rules: rules.collect(),
        ..Settings::default()
    };
    settings.check().expect("good rules");
    settings.rules().expect("good rules")
}

/// The number of the rule that holds; 0 for the general settings, 99 for none.
fn held(rules: &Rules, method: &str, host: &str, path: &str) -> u64 {
    let scope = rules.scope(&method.parse().unwrap(), host, path);
    match scope.requests.passes {
        Some("ambiguous-path") => 99,
        _ => scope.policy.grace.as_secs(),
    }
}

#[test]
fn the_first_rule_that_matches_holds() {
    let rules = rules(vec![
        Rule::path("/api/search").method(Method::POST),
        Rule::path("/api/**").or_path("/rpc"),
        Rule::host("*.example.com").on_host("[::1]:81"),
        Rule::path("/**/*.css").on_host("a:8080"),
        Rule::default().method(Method::GET).or_path("/g/*"),
    ]);
    for (method, host, path, number) in [
        ("POST", "a", "/api/search", 1),
        ("GET", "a", "/api/search", 2),
        ("GET", "a", "/api/?x=/y", 2),
        ("GET", "a", "/rpc?a", 2),
        ("GET", "a", "/api", 0),
        ("GET", "a", "/x?/api/", 0),
        ("GET", "a", "/API/x", 0),
        ("GET", "www.example.com", "/", 3),
        ("GET", "WWW.example.COM:8080", "/", 3),
        ("GET", "www.example.com", "/api/x", 2),
        ("GET", "example.com", "/", 0),
        ("GET", "[::1]:81", "/", 3),
        ("GET", "[::1]:82", "/", 0),
        ("GET", "[::1]", "/", 0),
        ("GET", "a:8080", "/x.css", 4),
        ("GET", "a", "/x.css", 0),
        ("GET", "a", "/g/x", 5),
        ("HEAD", "a", "/g/x", 5),
        ("POST", "a", "/g/x", 0),
        ("GET", "", "", 0),
    ] {
        let found = held(&rules, method, host, path);
        assert_eq!(found, number, "{method} {host} {path}");
    }
}

/// Where a HEAD went by another rule than a GET, one client could fetch for all what the key does
/// not show.
#[test]
fn a_head_goes_by_the_rule_of_the_get() {
    let rules = rules(vec![
        Rule::path("/a").method(Method::HEAD),
        Rule::path("/b").method(Method::GET).method(Method::HEAD),
        Rule::path("/c").method(Method::POST),
    ]);
    for (path, number) in [("/a", 1), ("/b", 2), ("/c", 0)] {
        assert_eq!(held(&rules, "GET", "x", path), number);
        assert_eq!(held(&rules, "HEAD", "x", path), number);
    }
}

#[test]
fn encoding_does_not_choose_the_rule() {
    let rules = rules(vec![
        Rule::path("/static/**"),
        Rule::path("/account/**"),
        Rule::path("/caf%C3%A9/*").or_path("/a%20b/*"),
        Rule::path("/**/*.css"),
    ]);
    for (path, number) in [
        ("/%73tatic/x", 1),
        ("/caf%c3%a9/x", 3),
        ("/a%20b/x", 3),
        ("/static/a%2Fb", 1),
        ("/static//x", 1),
        ("/static/./x", 1),
        ("/static/a/../b", 1),
        ("/static/x;v=1", 1),
        ("/other//x", 0),
        // Two readers, two rules.
        ("/static/..%2faccount/me", 99),
        ("/static/../account/me", 99),
        ("/account/..%2fstatic/x", 99),
        ("/account/me%2f..%2f..%2fstatic/x", 99),
        ("/static/..;/account/me", 99),
        ("//account/me", 99),
        ("/me;x.css", 99),
        ("/me%3fx.css", 99),
        // Decoded twice it might be something else still: that is beyond us.
        ("/%2573tatic/x", 0),
    ] {
        assert_eq!(held(&rules, "GET", "x", path), number, "{path}");
    }
}

#[test]
fn without_rules_no_path_is_ambiguous() {
    let rules = rules(vec![]);
    assert!(rules.is_empty());
    assert_eq!(held(&rules, "GET", "x", "/static/..%2faccount"), 0);
}

#[test]
fn a_key_is_made_of_what_counts_for_a_get() {
    let rules = rules(vec![
        Rule::path("/post").method(Method::POST),
        Rule::path("/cut").query(Query::None),
        Rule::path("/post").query(Query::Only(vec!["a*".into()])),
        Rule::path("/sort").sort_query(true),
    ]);
    for (url, counts) in [
        ("/cut?a=1", "/cut"),
        ("/post?b=1&ab=2&a=1", "/post?ab=2&a=1"),
        ("/sort?b&a", "/sort?a&b"),
        ("/other?b&a", "/other?b&a"),
    ] {
        assert_eq!(rules.key("Host", url), Key::primary("host", counts));
    }
}
