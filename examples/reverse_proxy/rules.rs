//! The `[[rule]]` tables of the file.
//!
//! An error names the file, the number of the rule and the key, and says what is allowed.

use std::fmt;
use std::time::Duration;

use bellwether::{Cookies, Ignore, Query, Rule};
use http::Method;
use serde::Deserialize;
use toml::Value;

use crate::Failure;
use crate::settings::YEAR;
use crate::units;

/// One table. What a value means is read afterwards, so that errors can say it in our words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: Option<Value>,
    paths: Option<Value>,
    host: Option<Value>,
    hosts: Option<Value>,
    method: Option<Value>,
    methods: Option<Value>,
    cache: Option<Value>,
    invalidate: Option<Value>,
    ttl: Option<Value>,
    default_ttl: Option<Value>,
    status_ttl: Option<Value>,
    grace: Option<Value>,
    stale_if_error: Option<Value>,
    stale_if_unreachable: Option<Value>,
    keep: Option<Value>,
    ignore: Option<Value>,
    set_cookie: Option<Value>,
    honor_request_directives: Option<Value>,
    query: Option<Value>,
    query_ignore: Option<Value>,
    query_only: Option<Value>,
    sort_query: Option<Value>,
    key_headers: Option<Value>,
    key_cookies: Option<Value>,
    bypass_cookies: Option<Value>,
    bypass_headers: Option<Value>,
    strip_cookies: Option<Value>,
    strip_cookies_except: Option<Value>,
}

/// Reads the tables of `file`, or says what is wrong.
pub(crate) fn read(file: &str, tables: &[Value]) -> Result<Vec<Rule>, Failure> {
    let rules = tables.iter().zip(1..).map(|(table, number)| {
        let table = table.clone().try_into::<Table>();
        let rule = table.map_err(unknown).and_then(|table| table.rule());
        let rule = rule.and_then(|rule| checked(&rule).map(|()| rule));
        rule.map_err(|what| Failure::usage(format!("{file}, rule {number}: {what}")))
    });
    rules.collect()
}

/// All that can go wrong with a table of any values is a key that there is not.
fn unknown(error: toml::de::Error) -> String {
    error.message().replace('`', "").replace("field", "key")
}

/// The library knows what its patterns and names may be, and calls the one rule `rules[0]`.
fn checked(rule: &Rule) -> Result<(), String> {
    let mut settings = bellwether::Settings::default();
    settings.rules.push(rule.clone());
    settings.check().map_err(|error| {
        let error = error.to_string();
        error.strip_prefix("rules[0].").unwrap_or(&error).to_owned()
    })
}

impl Table {
    fn rule(self) -> Result<Rule, String> {
        let mut rule = Rule::default();
        rule.paths = [texts("path", self.path)?, texts("paths", self.paths)?].concat();
        rule.hosts = [texts("host", self.host)?, texts("hosts", self.hosts)?].concat();
        let methods = [
            texts("method", self.method)?,
            texts("methods", self.methods)?,
        ];
        rule.methods = each("methods", methods.concat(), method)?;
        rule.cache = truth("cache", self.cache)?;
        rule.invalidate = truth("invalidate", self.invalidate)?;
        rule.ttl = time("ttl", self.ttl)?;
        rule.default_ttl = time("default_ttl", self.default_ttl)?;
        let statuses = texts("status_ttl", self.status_ttl)?;
        rule.status_ttl = each("status_ttl", statuses, units::statuses)?.concat();
        rule.grace = time("grace", self.grace)?;
        rule.stale_if_error = time("stale_if_error", self.stale_if_error)?;
        rule.stale_if_unreachable = time("stale_if_unreachable", self.stale_if_unreachable)?;
        rule.keep = time("keep", self.keep)?;
        rule.ignore = each("ignore", texts("ignore", self.ignore)?, ignore)?;
        rule.set_cookie = one("set_cookie", self.set_cookie, units::set_cookie)?;
        let honor = self.honor_request_directives;
        rule.honor_request_directives = truth("honor_request_directives", honor)?;
        rule.query = query(self.query, self.query_ignore, self.query_only)?;
        rule.sort_query = truth("sort_query", self.sort_query)?.unwrap_or_default();
        let key_headers = texts("key_headers", self.key_headers)?;
        rule.key_headers = each("key_headers", key_headers, units::field)?;
        rule.key_cookies = texts("key_cookies", self.key_cookies)?;
        rule.bypass_cookies = texts("bypass_cookies", self.bypass_cookies)?;
        let bypass_headers = texts("bypass_headers", self.bypass_headers)?;
        rule.bypass_headers = each("bypass_headers", bypass_headers, units::field)?;
        rule.strip_cookies = strip(self.strip_cookies, self.strip_cookies_except)?;
        Ok(rule)
    }
}

fn query(word: Option<Value>, ignore: Option<Value>, only: Option<Value>) -> Result<Query, String> {
    match (word, ignore, only) {
        (None, None, None) => Ok(Query::All),
        (None, Some(names), None) => texts("query_ignore", Some(names)).map(Query::Ignore),
        (None, None, Some(names)) => texts("query_only", Some(names)).map(Query::Only),
        (Some(Value::String(word)), None, None) if word == "all" => Ok(Query::All),
        (Some(Value::String(word)), None, None) if word == "none" => Ok(Query::None),
        (Some(word), None, None) => Err(wrong(
            "query",
            &word,
            "\"all\" or \"none\" (or query_ignore, query_only with names)",
        )),
        _ => Err("expected one of query, query_ignore and query_only".to_owned()),
    }
}

fn strip(which: Option<Value>, except: Option<Value>) -> Result<Cookies, String> {
    match (which, except) {
        (None, None) => Ok(Cookies::None),
        (None, Some(names)) => texts("strip_cookies_except", Some(names)).map(Cookies::Except),
        (Some(Value::String(word)), None) if word == "all" => Ok(Cookies::All),
        (Some(Value::String(word)), None) if word == "none" => Ok(Cookies::None),
        (Some(names @ Value::Array(_)), None) => {
            texts("strip_cookies", Some(names)).map(Cookies::Only)
        }
        (Some(word), None) => Err(wrong(
            "strip_cookies",
            &word,
            "\"all\", \"none\" or a list of names (or strip_cookies_except with names)",
        )),
        _ => Err("expected one of strip_cookies and strip_cookies_except".to_owned()),
    }
}

fn ignore(text: &str) -> Result<Ignore, String> {
    Ok(match text {
        "no-store" => Ignore::NoStore,
        "no-cache" => Ignore::NoCache,
        "private" => Ignore::Private,
        "lifetime" => Ignore::Lifetime,
        "must-revalidate" => Ignore::MustRevalidate,
        "vary" => Ignore::Vary,
        _ => {
            let words = "no-store, no-cache, private, lifetime, must-revalidate, vary";
            return Err(format!("expected some of {words}"));
        }
    })
}

fn method(text: &str) -> Result<Method, String> {
    let method = text.parse::<Method>();
    // Methods are told apart by case, and `get` is none that anybody sends.
    let method = method.ok().filter(|_| text == text.to_uppercase());
    method.ok_or_else(|| "expected methods like GET".to_owned())
}

fn time(key: &str, value: Option<Value>) -> Result<Option<Duration>, String> {
    one(key, value, |text| units::time(text, Duration::ZERO..=YEAR))
}

fn truth(key: &str, value: Option<Value>) -> Result<Option<bool>, String> {
    match value {
        None => Ok(None),
        Some(Value::Boolean(truth)) => Ok(Some(truth)),
        Some(other) => Err(wrong(key, &other, "true or false")),
    }
}

/// One text, read by `parse`.
fn one<T>(
    key: &str,
    value: Option<Value>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(value) = value else { return Ok(None) };
    let Value::String(text) = &value else {
        // What it should be, `parse` knows.
        let allowed = parse("").err();
        let allowed = allowed.unwrap_or_else(|| "expected a string".to_owned());
        return Err(format!(
            "{key}: {value} is not allowed, {allowed}, in quotes"
        ));
    };
    let read = parse(text).map_err(|allowed| format!("{key}: {value} is not allowed, {allowed}"));
    read.map(Some)
}

/// A text, or a list of texts.
fn texts(key: &str, value: Option<Value>) -> Result<Vec<String>, String> {
    let members = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(members)) if !members.is_empty() => members,
        Some(value) => vec![value],
    };
    let text = |member| match member {
        Value::String(text) => Ok(text),
        other => Err(wrong(key, &other, "a string or a list of strings")),
    };
    members.into_iter().map(text).collect()
}

fn each<T>(
    key: &str,
    texts: Vec<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let read = |text: &String| {
        parse(text).map_err(|allowed| format!("{key}: {text:?} is not allowed, {allowed}"))
    };
    texts.iter().map(read).collect()
}

fn wrong(key: &str, value: &Value, allowed: impl fmt::Display) -> String {
    format!("{key}: {value} is not allowed, expected {allowed}")
}
