use std::ops::RangeInclusive;

use http::HeaderValue;
use http::header::{ACCEPT, COOKIE, HeaderMap};

use super::*;
use crate::config::Settings;
use crate::semantics::policy::{Ignore, SetCookie};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn compiled(rule: &Rule, general: Settings) -> Result<Arc<Scope>, Error> {
    let settings = Settings {
        rules: vec![Rule::default().method(Method::PUT), rule.clone()],
        ..general
    };
    settings.check()?;
    let rules = settings.rules().expect("it has been checked");
    Ok(Arc::clone(rules.scope(&Method::GET, "a", "/")))
}

#[test]
fn what_a_rule_leaves_out_is_as_in_the_general_settings() {
    let general = || Settings {
        default_ttl: Some(secs(1)),
        grace: secs(2),
        stale_if_error: Some(secs(3)),
        stale_if_unreachable: secs(4),
        keep: secs(5),
        status_ttl: vec![(404..=404, secs(6))],
        set_cookie: SetCookie::Strip,
        targets: vec![ACCEPT],
        honor_request_directives: true,
        ..Settings::default()
    };
    let scope = compiled(&Rule::default(), general()).unwrap();
    let without = Settings::rules(&general()).unwrap();
    let (same, general_scope) = (format!("{scope:?}"), format!("{:?}", without.general()));
    assert_eq!(same, general_scope);

    let rule = Rule::default()
        .ttl(secs(10))
        .default_ttl(secs(11))
        .grace(secs(12))
        .stale_if_error(secs(13))
        .stale_if_unreachable(secs(14))
        .keep(secs(15))
        .status_ttl(410..=410, secs(16))
        .ignore(Ignore::Private)
        .set_cookie(SetCookie::Refuse)
        .honor_request_directives(false)
        .key_header(ACCEPT)
        .key_cookie("Lang");
    let scope = compiled(&rule, general()).unwrap();
    let policy = &scope.policy;
    assert_eq!(policy.ttl, Some(secs(10)));
    assert_eq!(policy.default_ttl, Some(secs(11)));
    assert_eq!(policy.grace, secs(12));
    assert_eq!(policy.stale_if_error, Some(secs(13)));
    assert_eq!(policy.stale_if_unreachable, secs(14));
    assert_eq!(policy.keep, secs(15));
    assert_eq!(policy.status_ttl, [(410..=410, secs(16))]);
    assert_eq!(policy.ignore, [Ignore::Private]);
    assert_eq!(policy.set_cookie, SetCookie::Refuse);
    assert_eq!(policy.targets, [ACCEPT]);
    assert_eq!(policy.key_fields, ["accept", "cookie.lang"]);
    assert!(!scope.honor_request_directives);
}

#[test]
fn a_wrong_rule_is_named_with_its_field_its_value_and_what_is_allowed() {
    let year_and_more = secs(365 * 86_400 + 1);
    let pseudo = HeaderName::from_static("cookie.a");
    for (rule, text) in [
        (Rule::path("[a"), "paths is \"[a\", must be a path"),
        (Rule::path("/[a"), "paths is \"/[a\", must be a glob: "),
        (Rule::host("a/b"), "hosts is \"a/b\", must be a host"),
        (Rule::host("a/b:1"), "hosts is \"a/b:1\", must be a host"),
        (
            Rule::default().ttl(year_and_more),
            "ttl is 31536001s, must be from 0ns to 31536000s",
        ),
        (
            Rule::default().default_ttl(year_and_more),
            "default_ttl is ",
        ),
        (Rule::default().grace(year_and_more), "grace is "),
        (
            Rule::default().stale_if_error(year_and_more),
            "stale_if_error is ",
        ),
        (
            Rule::default().stale_if_unreachable(year_and_more),
            "stale_if_unreachable is ",
        ),
        (Rule::default().keep(year_and_more), "keep is "),
        (
            Rule::default().status_ttl(404..=404, year_and_more),
            "status_ttl is ",
        ),
        (
            Rule::default().status_ttl(99..=404, secs(1)),
            "status_ttl: status is 99, must be from 200 to 599",
        ),
        (
            Rule::default().status_ttl(500..=600, secs(1)),
            "status_ttl: last status is 600, must be from 500 to 599",
        ),
        (
            Rule::default().status_ttl(RangeInclusive::new(404, 403), secs(1)),
            "status_ttl: last status is 403, must be from 404 to 599",
        ),
        (
            Rule::default().key_header(pseudo),
            "key_headers is \"cookie.a\", must be",
        ),
        (
            Rule::default().key_header(HeaderName::from_static("*")),
            "key_headers is \"*\", must be the name of a field",
        ),
        (
            Rule::default().key_cookie(""),
            "key_cookies is \"\", must be the name of a cookie",
        ),
        (
            Rule::default().key_cookie("a*"),
            "key_cookies is \"a*\", must be",
        ),
        (
            Rule::default().key_cookie("a b"),
            "key_cookies is \"a b\", must be",
        ),
        (
            Rule::default().bypass_cookie("a;b"),
            "bypass_cookies is \"a;b\", must be",
        ),
        (
            Rule::default().query(Query::Ignore(vec!["a=1".into()])),
            "query is \"a=1\", must be the name of a parameter",
        ),
        (
            Rule::default().query(Query::Only(vec!["{a".into()])),
            "query is \"{a\", must be a glob: ",
        ),
        (
            Rule::default().strip_cookies(Cookies::Except(vec![String::new()])),
            "strip_cookies is \"\", must be not empty",
        ),
        (
            Rule::default().strip_cookies(Cookies::Only(vec!["a b".into()])),
            "strip_cookies is \"a b\", must be the name of a cookie",
        ),
    ] {
        let error = compiled(&rule, Settings::default()).map(drop).unwrap_err();
        assert!(error.is_config());
        let start = format!("rules[1].{text}");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = fields.iter();
    let fields =
        fields.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    fields.collect()
}

#[test]
fn requests_pass_by_for_the_first_reason_that_holds() {
    let by = |rule: Rule, fields: &[_]| {
        let scope = compiled(&rule, Settings::default()).unwrap();
        scope.requests.bypass(&head(fields))
    };
    let rule = || {
        Rule::default()
            .bypass_cookie("wp_login_*")
            .bypass_header(HeaderName::from_static("x-preview"))
    };
    assert_eq!(by(rule(), &[]), None);
    assert_eq!(
        by(rule(), &[("cookie", "a=1; wp_logi=1; wp_login=2")]),
        None
    );
    assert_eq!(
        by(
            rule(),
            &[("cookie", "a=1"), ("cookie", "b=1; WP_login_x=2")]
        ),
        Some("bypass-cookie")
    );
    assert_eq!(by(rule(), &[("x-preview", "")]), Some("bypass-header"));
    assert_eq!(by(rule().cache(true), &[]), None);
    assert_eq!(by(rule().cache(false), &[("x-preview", "")]), Some("rule"));
}

#[test]
fn cookies_are_stripped_as_said() {
    let left = |strip| {
        let scope = compiled(&Rule::default().strip_cookies(strip), Settings::default()).unwrap();
        let mut headers = head(&[("cookie", "a=1; _ga=2; ID=3"), ("accept", "x")]);
        scope.requests.strip(&mut headers);
        assert_eq!(headers[ACCEPT], "x");
        headers
            .get(COOKIE)
            .map(|left| left.to_str().unwrap().to_owned())
    };
    assert_eq!(left(Cookies::None).as_deref(), Some("a=1; _ga=2; ID=3"));
    assert_eq!(left(Cookies::All), None);
    let names = || vec!["id".to_owned(), "_*".to_owned()];
    assert_eq!(
        left(Cookies::Except(names())).as_deref(),
        Some("_ga=2; ID=3")
    );
    assert_eq!(left(Cookies::Only(names())).as_deref(), Some("a=1"));
}
