//! What is done with one page in one pass.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::compare::{Difference, Verdict};
use crate::stage::{Ask, Stage, now};
use crate::support::client::{Answer, Client};

/// Asks, compares and counts.
#[derive(Debug)]
pub(crate) struct Check {
    stage: Arc<Stage>,
    pub(crate) counts: Counts,
    pub(crate) verdict: Verdict,
    pub(crate) mismatches: Vec<Mismatch>,
}

/// The figures of a page or a pass.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) direct: u64,
    pub(crate) through: u64,
    /// Of the bodies that came through the proxy.
    pub(crate) bytes: u64,
    /// By Cache-Status.
    pub(crate) hits: u64,
}

/// A request whose answer is not as it should be.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) request: String,
    pub(crate) differences: Vec<Difference>,
    /// What the cache said that it did.
    pub(crate) status: String,
}

impl Mismatch {
    /// What differs.
    pub(crate) fn kind(&self) -> Vec<&str> {
        let what = self.differences.iter();
        what.map(|difference| difference.what.as_str()).collect()
    }
}

impl Check {
    pub(crate) fn new(stage: &Arc<Stage>) -> Self {
        Self {
            stage: Arc::clone(stage),
            counts: Counts::default(),
            verdict: Verdict::default(),
            mismatches: Vec::new(),
        }
    }

    /// Nginx's own answer.
    pub(crate) async fn direct(&mut self, ask: &Ask) -> Answer {
        self.counts.direct += 1;
        ask.send(&self.stage.origin).await
    }

    /// The proxy's answer. Whatever it is, its times have to be right.
    pub(crate) async fn through(&mut self, ask: &Ask) -> Answer {
        let stage = Arc::clone(&self.stage);
        self.by(&stage.through, ask).await
    }

    /// The answer of the proxy behind this client.
    pub(crate) async fn by(&mut self, proxy: &Client, ask: &Ask) -> Answer {
        let answer = ask.send(proxy).await;
        self.counts.through += 1;
        self.counts.bytes += answer.body.len() as u64;
        self.counts.hits += u64::from(is_hit(&answer));
        if let Err(wrong) = self.timing(&answer) {
            self.claim(ask, &answer, &wrong, false);
        }
        answer
    }

    /// Claims that the proxy's answer is nginx's; `length` is that of the body of a GET.
    pub(crate) fn same(&mut self, ask: &Ask, direct: &Answer, proxied: &Answer, length: usize) {
        self.verdict.answers(direct, proxied, length);
        self.close(ask, proxied);
    }

    /// Claims something else.
    pub(crate) fn claim(&mut self, ask: &Ask, proxied: &Answer, what: &str, holds: bool) {
        if !holds {
            self.verdict.differ("claim", what, "not so");
            self.close(ask, proxied);
        }
    }

    /// Makes a mismatch of the differences found since the last time.
    pub(crate) fn close(&mut self, ask: &Ask, proxied: &Answer) {
        if !self.verdict.differences.is_empty() {
            self.mismatches.push(Mismatch {
                request: ask.to_string(),
                differences: std::mem::take(&mut self.verdict.differences),
                status: status(proxied).to_owned(),
            });
        }
    }

    /// RFC 9111 §4.2.3, §5.1: a `Date` of this run, and an `Age` that is the time since then, on
    /// all that comes out of the store, and on nothing that was made for this request.
    fn timing(&self, answer: &Answer) -> Result<(), String> {
        const LEEWAY: Duration = Duration::from_secs(2);
        let (now, header) = (now(), |name| answer.header(name));
        let wrong = |why: &dyn Display| {
            let (date, age) = (header("date"), header("age"));
            Err(format!("{why}; Date: {date}, Age: {age}"))
        };
        let Ok(date) = httpdate::parse_http_date(header("date")) else {
            return wrong(&"a Date that can be read");
        };
        if date + LEEWAY < self.stage.begun || date > now + LEEWAY {
            return wrong(&"a Date of this run");
        }
        let age = header("age");
        if age.is_empty() {
            return if is_hit(answer) {
                wrong(&"what is stored has an Age")
            } else {
                Ok(())
            };
        }
        let Ok(age) = age.parse() else {
            return wrong(&"an Age that is a number");
        };
        let made = now - Duration::from_secs(age);
        let apart = made.duration_since(date).or(date.duration_since(made));
        match apart {
            Ok(apart) if apart <= LEEWAY => Ok(()),
            _ => wrong(&"an Age that is the time since Date"),
        }
    }
}

/// `Cache-Status`.
pub(crate) fn status(answer: &Answer) -> &str {
    answer.header("cache-status")
}

/// By `Cache-Status` it came out of the store.
pub(crate) fn is_hit(answer: &Answer) -> bool {
    status(answer).split("; ").any(|word| word == "hit")
}

/// A hit, or along with a request that came just before: the last byte of a body reaches its client
/// a moment before the whole is in the store.
pub(crate) fn is_spared(answer: &Answer) -> bool {
    is_hit(answer) || status(answer).split("; ").any(|word| word == "collapsed")
}
