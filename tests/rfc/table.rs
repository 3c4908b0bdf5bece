//! Rows, and how they run.
//!
//! The origin's n-th answer has the body `n`, so a body tells which answer a client got. Each
//! answer takes no time; the last one is repeated.

use std::time::Duration;

use bellwether::{Cache, CacheBuilder};
use http::header::HeaderName;

use crate::dates::value;
use crate::support::{Got, Reply, Site, advance, request};

/// One story.
pub(crate) struct Row {
    name: String,
    builder: CacheBuilder,
    replies: Vec<(Reply, bool)>,
    steps: Vec<Step>,
}

enum Step {
    Wait(u64),
    Ask {
        method: String,
        path: String,
        fields: Vec<(String, String)>,
        checks: Vec<String>,
    },
}

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            builder: Cache::builder().early_refresh(0.0),
            replies: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Of a cache with other settings.
    pub(crate) fn cache(mut self, set: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Self {
        self.builder = set(self.builder);
        self
    }

    /// What the origin answers next: 200 with these fields (`name: value`; see [`value`]).
    pub(crate) fn reply(mut self, fields: &[&str]) -> Self {
        let mut reply = Reply::ok("").after(Duration::ZERO);
        for field in fields {
            let (name, value) = field_of(field);
            reply = reply.with(&name, &value);
        }
        self.replies.push((reply, true));
        self
    }

    /// The status of that answer.
    pub(crate) fn status(mut self, status: u16) -> Self {
        let (reply, numbered) = self.replies.last_mut().expect("an answer");
        *reply = reply.clone().status(status);
        *numbered &= status != 304;
        self
    }

    /// The body of that answer.
    pub(crate) fn body(mut self, body: &str) -> Self {
        let (reply, numbered) = self.replies.last_mut().expect("an answer");
        body.clone_into(&mut reply.body);
        *numbered = false;
        self
    }

    /// Next, the origin is out of reach.
    pub(crate) fn down(mut self) -> Self {
        self.replies.push((Reply::ok("").failing(), true));
        self
    }

    /// Seconds pass.
    pub(crate) fn wait(mut self, seconds: u64) -> Self {
        self.steps.push(Step::Wait(seconds));
        self
    }

    pub(crate) fn get(self, checks: &[&str]) -> Self {
        self.ask("GET /", &[], checks)
    }

    /// A GET with these fields.
    pub(crate) fn get_with(self, fields: &[&str], checks: &[&str]) -> Self {
        self.ask("GET /", fields, checks)
    }

    /// A request (`METHOD path`) with these fields, and what must be true after it (see [`check`]).
    pub(crate) fn ask(mut self, line: &str, fields: &[&str], checks: &[&str]) -> Self {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        self.steps.push(Step::Ask {
            method: method.to_owned(),
            path: path.to_owned(),
            fields: fields.iter().map(|field| field_of(field)).collect(),
            checks: checks.iter().map(|&check| check.to_owned()).collect(),
        });
        self
    }

    /// Asked twice, the origin is asked once, or twice.
    pub(crate) fn stored(self, stored: bool) -> Self {
        self.get(&["=1"]).get(&[if stored { "=1" } else { "=2" }])
    }

    /// It is fresh for that long, and no longer.
    pub(crate) fn fresh_for(self, seconds: u64) -> Self {
        let row = self.get(&["=1"]);
        if seconds == 0 {
            return row.get(&["=2"]);
        }
        row.wait(seconds - 1)
            .get(&["=1", "#1"])
            .wait(2)
            .get(&["=2"])
    }

    async fn play(self) -> Result<(), String> {
        let replies = self.replies;
        let site = Site::with(self.builder, move |request, n| {
            let (mut reply, numbered) = replies[n.min(replies.len()) - 1].clone();
            if numbered {
                reply.body = n.to_string();
            }
            if request.method() == "HEAD" {
                reply.body.clear();
            }
            reply
        });
        for (at, step) in self.steps.into_iter().enumerate() {
            match step {
                Step::Wait(seconds) => advance(seconds * 1_000).await,
                Step::Ask {
                    method,
                    path,
                    fields,
                    checks,
                } => {
                    let fields: Vec<_> = fields
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str()))
                        .collect();
                    let got = site.try_send(request(&method, &path, &fields)).await;
                    for wanted in checks {
                        check(&wanted, got.as_ref().ok(), &site)
                            .map_err(|found| format!("step {at}: {wanted:?}, but {found}"))?;
                    }
                    // What goes on in the background ends here.
                    advance(1).await;
                }
            }
        }
        Ok(())
    }
}

/// Plays each row; names all that fail.
pub(crate) fn run(rows: impl IntoIterator<Item = Row>) -> impl Future<Output = ()> {
    // Not within the future, which would be as large as the table.
    play_all(rows.into_iter().collect())
}

async fn play_all(rows: Vec<Row>) {
    let mut failed = Vec::new();
    let mut number = 0;
    for row in rows {
        number += 1;
        let name = row.name.clone();
        if let Err(why) = row.play().await {
            failed.push(format!("{name}: {why}"));
        }
    }
    println!("rows: {number}");
    assert!(failed.is_empty(), "\n  {}\n", failed.join("\n  "));
}

/// What must be true after a request:
///
/// - `=x`: the body is `x`; `404`: the status is; `error`: the inner service's own error came back;
/// - `name: value`: the response has this field (its lines joined by `, `); `!name`: it has none;
///   `!name: value`: it has not this one;
/// - `#2`: the origin was asked twice so far;
/// - `origin name: value`, `origin !name`: the same of the last request that it got;
/// - `origin GET`: the method of that.
fn check(wanted: &str, got: Option<&Got>, site: &Site) -> Result<(), String> {
    if let Some(count) = wanted.strip_prefix('#') {
        return same(count, &site.requests().to_string());
    }
    if let Some(wanted) = wanted.strip_prefix("origin ") {
        let seen = site.last_seen();
        return match wanted.contains(':') || wanted.starts_with('!') {
            true => has(wanted, seen.headers()),
            false => same(wanted, seen.method().as_str()),
        };
    }
    let Some(got) = got else {
        return same(wanted, "error");
    };
    if let Some(body) = wanted.strip_prefix('=') {
        return same(body, &got.body);
    }
    if wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        return same(wanted, got.status.as_str());
    }
    has(wanted, &got.headers)
}

fn has(wanted: &str, headers: &http::HeaderMap) -> Result<(), String> {
    if let Some(unwanted) = wanted.strip_prefix('!')
        && unwanted.contains(':')
    {
        return match has(unwanted, headers) {
            Ok(()) => Err("it is".to_owned()),
            Err(_) => Ok(()),
        };
    }
    if let Some(name) = wanted.strip_prefix('!') {
        return match joined(headers, name) {
            None => Ok(()),
            Some(found) => Err(format!("there is {found:?}")),
        };
    }
    let (name, value) = field_of(wanted);
    same(&value, &joined(headers, &name).unwrap_or_default())
}

fn joined(headers: &http::HeaderMap, name: &str) -> Option<String> {
    let name: HeaderName = name.parse().expect("a name");
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().expect("text"))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn same(wanted: &str, found: &str) -> Result<(), String> {
    if wanted == found {
        Ok(())
    } else {
        Err(format!("there is {found:?}"))
    }
}

fn field_of(field: &str) -> (String, String) {
    let (name, text) = field.split_once(':').expect("name: value");
    let text = text.strip_prefix(' ').unwrap_or(text);
    (name.to_owned(), value(text))
}
