//! A site whose content changes, and the weather there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

use super::history::{At, Fetch, History, Purpose, Reply};
use crate::entry::Lifetime;
use crate::sync::Mutex;

/// One URL. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) fresh: u64,
    pub(super) stale: u64,
    pub(super) on_error: u64,
    pub(super) unreachable: u64,
    /// There are two variants of it.
    pub(super) varies: bool,
    /// What is unchanged is confirmed by a 304.
    pub(super) confirms: bool,
    pub(super) latency: Range<u64>,
    pub(super) chunks: usize,
    /// Between two chunks of a body, at most.
    pub(super) gap: u64,
}

impl Spec {
    pub(super) fn lifetime(&self) -> Lifetime {
        Lifetime {
            age: Duration::ZERO,
            fresh: Duration::from_millis(self.fresh),
            stale_while_revalidate: Duration::from_millis(self.stale),
            stale_if_error: Duration::from_millis(self.on_error),
            stale_if_unreachable: Duration::from_millis(self.unreachable),
            keep: Duration::from_secs(60),
        }
    }

    /// The longest that one request takes, to the end of the body.
    pub(super) fn longest(&self) -> u64 {
        self.latency.end + self.gap * (self.chunks as u64 + 1)
    }
}

/// How the site fares just now; shares are of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) failing: bool,
    pub(super) uncacheable: bool,
    pub(super) errors: u64,
    pub(super) broken: u64,
    pub(super) short: u64,
    pub(super) hangs: u64,
}

/// How long a request hangs, if it does: past `fetch_timeout`.
const HANG: Duration = Duration::from_secs(33);
/// The field that responses vary on.
pub(super) const KIND: HeaderName = HeaderName::from_static("x-kind");

/// The site.
pub(super) struct Site {
    pub(super) specs: Vec<Spec>,
    pub(super) history: Arc<History>,
    weather: Mutex<Weather>,
    rng: Mutex<fastrand::Rng>,
    /// When the content of each URL changes.
    changes: Vec<Vec<At>>,
}

impl Site {
    pub(super) fn new(
        specs: Vec<Spec>,
        history: Arc<History>,
        mut rng: fastrand::Rng,
    ) -> Arc<Self> {
        let changes = specs.iter().map(|_| {
            let mut at = 0;
            let next = |_| {
                at += rng.u64(100_000..3_000_000);
                at
            };
            (0..400).map(next).collect()
        });
        Arc::new(Self {
            changes: changes.collect(),
            specs,
            history,
            weather: Mutex::new(Weather::default()),
            rng: Mutex::new(rng),
        })
    }

    pub(super) fn weather(&self) -> Weather {
        *self.weather.lock()
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.weather.lock());
    }

    fn version(&self, key: usize, at: At) -> u64 {
        self.changes[key].partition_point(|change| *change <= at) as u64
    }

    /// What the site has under that version.
    pub(super) fn body(&self, key: usize, kind: u8, version: u64) -> String {
        let kind = if self.specs[key].varies { kind } else { 0 };
        let text = format!("key {key} kind {kind} version {version}. ");
        text.repeat(2 + usize::try_from(version % 7).expect("a small number"))
    }

    pub(super) fn draw(&self, below: u64) -> u64 {
        self.rng.lock().u64(..below)
    }

    /// A request arrives.
    pub(super) fn begin(
        self: &Arc<Self>,
        node: usize,
        key: usize,
        kind: u8,
        purpose: Purpose,
    ) -> Span {
        let fetch = self.history.note(|notes, start| {
            notes.fetches.push(Fetch {
                node,
                key,
                kind,
                purpose,
                version: self.version(key, start),
                start,
                head: None,
                end: None,
                reply: Reply::None,
                whole: false,
            });
            notes.fetches.len() - 1
        });
        Span {
            site: Arc::clone(self),
            fetch,
        }
    }

    /// Works on it; says what comes of it.
    pub(super) async fn work(&self, span: &Span, key: usize) -> Reply {
        let weather = self.weather();
        let hangs = self.draw(1_000) < weather.hangs;
        let fails = weather.failing || self.draw(1_000) < weather.errors;
        let latency = self.rng.lock().u64(self.specs[key].latency.clone());
        if hangs
            && self
                .history
                .note(|notes, _| notes.fetches[span.fetch].purpose)
                == Purpose::Refresh
        {
            tokio::time::sleep(HANG).await;
        }
        tokio::time::sleep(Duration::from_millis(latency)).await;
        let reply = match (fails, weather.uncacheable) {
            (true, _) => Reply::Failed,
            (_, true) => Reply::Refused,
            _ => Reply::Storable,
        };
        span.head(reply);
        reply
    }

    /// One client's own request. The fetch, and how it went.
    pub(super) async fn pass(
        self: &Arc<Self>,
        node: usize,
        key: usize,
        kind: u8,
    ) -> (usize, Reply) {
        let span = self.begin(node, key, kind, Purpose::Pass);
        let reply = self.work(&span, key).await;
        (span.fetch, reply)
    }
}

/// One request at the site; ends when it is let go of.
pub(super) struct Span {
    pub(super) site: Arc<Site>,
    pub(super) fetch: usize,
}

impl Span {
    pub(super) fn change(&self, change: impl FnOnce(&mut Fetch, At)) {
        let history = &self.site.history;
        history.note(|notes, now| change(&mut notes.fetches[self.fetch], now));
    }

    pub(super) fn head(&self, reply: Reply) {
        self.change(|fetch, now| (fetch.head, fetch.reply) = (Some(now), reply));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.change(|fetch, now| fetch.end = Some(now));
    }
}
