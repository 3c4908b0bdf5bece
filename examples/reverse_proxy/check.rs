//! `--check`: says what is wrong, and serves nothing.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use crate::Failure;
use crate::host::Site;
use crate::origin::{self, OriginError};
use crate::settings::{Settings, Target};
use crate::tier::Tier;

/// Time for the origin to answer.
const ORIGIN: Duration = Duration::from_secs(5);

/// What was found, as lines to print.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) lines: Vec<String>,
    pub(crate) problem: bool,
}

/// Looks at the origin and the shared tier at the same time. Takes five seconds at most.
pub(crate) async fn check(
    settings: &Settings,
    file: &str,
    tier: Option<&Tier>,
) -> Result<Checked, Failure> {
    let mut checked = Checked::default();
    let from = if file.is_empty() {
        String::new()
    } else {
        format!(", {file} among them")
    };
    checked.say("settings", format_args!("all can be used{from}"));
    if let Some(target) = &settings.origin {
        let host = target.host.clone();
        if Site::new(settings.listen, host.clone()).names_node(host.as_bytes()) {
            let line = format!("--origin: {} is this proxy's own address", target.authority);
            return Err(Failure::usage(line));
        }
    }
    let look_at_tier = async {
        match tier {
            Some(tier) => Some(tier.report().await),
            None => None,
        }
    };
    let look_at_origin = async {
        match &settings.origin {
            Some(target) => Some((target, ask(target).await)),
            None => None,
        }
    };
    let (origin, tier) = tokio::join!(look_at_origin, look_at_tier);
    match origin {
        None => checked.say("origin", "none given: it would be the built-in demo"),
        Some((target, answer)) => checked.judge_origin(target, answer),
    }
    match tier {
        Some((report, problem)) => {
            checked.lines.push(report);
            checked.problem |= problem;
        }
        None if settings.passthrough => checked.say("shared tier", "not used (--passthrough)"),
        None => checked.say("shared tier", "none given: this process caches for itself"),
    }
    Ok(checked)
}

/// The status of its answer, and how long that took.
async fn ask(target: &Target) -> Result<(http::StatusCode, Duration), OriginError> {
    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(origin::connector());
    let request = Request::builder()
        .method(Method::HEAD)
        .uri(format!("{}://{}/", target.scheme, target.authority))
        .body(Empty::new())
        .map_err(OriginError::new)?;
    let start = Instant::now();
    let answer = tokio::time::timeout(ORIGIN, client.request(request)).await;
    let answer = answer.map_err(|_| OriginError::late())?;
    let status = answer.map_err(OriginError::new)?.status();
    Ok((status, start.elapsed()))
}

impl Checked {
    fn say(&mut self, label: &str, text: impl std::fmt::Display) {
        // As wide as the labels of the report on the shared tier.
        self.lines.push(format!("{label:<13}{text}"));
    }

    fn judge_origin(
        &mut self,
        target: &Target,
        answer: Result<(http::StatusCode, Duration), OriginError>,
    ) {
        let place = format!("{}://{}", target.scheme, target.authority);
        match answer {
            Ok((status, after)) => {
                let after = after.as_secs_f64() * 1e3;
                let text = format!("{place}: answers HEAD / with {status} after {after:.1} ms");
                self.say("origin", text);
            }
            Err(error) => {
                self.problem = true;
                self.say("origin", format_args!("{place}: no answer"));
                self.say("PROBLEM", format_args!("{error}{}", causes(&error)));
                self.say(
                    "  cure",
                    "start it, or correct --origin; from here, this has to answer:",
                );
                self.say("", format_args!("  curl -I {place}/"));
            }
        }
    }
}

/// What is behind an error, from the outside in; what is said already is not repeated.
fn causes(error: &OriginError) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text += &format!(": {words}");
        }
        cause = error.source();
    }
    text
}
