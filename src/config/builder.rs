//! Builds a cache.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::clock::{Clock, SystemClock};
use crate::config::{Cache, Rule, Settings};
use crate::error::Error;
use crate::semantics::policy::SetCookie;
use crate::shared::SharedTier;

/// Builds a [`Cache`]. Every setting has a default; [`build`](Self::build) checks them.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CacheBuilder {
    settings: Settings,
    tier: Option<Arc<dyn SharedTier>>,
}

impl CacheBuilder {
    /// Takes all settings at once, for example out of a file.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Joins a fleet: entries, leases and events are shared through `tier`.
    ///
    /// Default: none. The cache is complete without, in one process.
    pub fn shared(mut self, tier: impl SharedTier) -> Self {
        self.tier = Some(Arc::new(tier));
        self
    }

    /// Memory for local entries in bytes, whatever their sizes; heads and bookkeeping count. An
    /// entry of more than a quarter of it is not kept. Too small: entries are fetched again (from
    /// the shared tier, or the origin). Too large: memory.
    ///
    /// Default: 256 MiB.
    pub fn local_capacity(mut self, bytes: u64) -> Self {
        self.settings.local_capacity = bytes;
        self
    }

    /// The largest body in bytes that is stored. Larger ones stream through, each request on its
    /// own.
    ///
    /// Default: 8 MiB.
    pub fn max_body_size(mut self, bytes: u64) -> Self {
        self.settings.max_body_size = bytes;
        self
    }

    /// Memory in bytes for all bodies together that are being fetched to be stored, beside
    /// [`local_capacity`](Self::local_capacity); in whole KiB, and never less than
    /// [`max_body_size`](Self::max_body_size). In a rush, bodies wait for their turn. One whose turn
    /// would not come soon is not stored: its readers get it at the pace of the slowest of them,
    /// and for a second its key's requests go to the origin alone.
    ///
    /// Too small, and a rush of misses takes longer, or is stored only in part; too large, and the
    /// memory of the process grows by as much in such a rush.
    ///
    /// Default: 64 MiB.
    pub fn fill_capacity(mut self, bytes: u64) -> Self {
        self.settings.fill_capacity = bytes;
        self
    }

    /// The largest body in bytes that goes to the shared tier. Larger ones stay in the process that
    /// fetched them; the lease still works for them.
    ///
    /// Default: 1 MiB.
    pub fn shared_max_body_size(mut self, bytes: u64) -> Self {
        self.settings.shared_max_body_size = bytes;
        self
    }

    /// The freshness lifetime of responses about which the origin says nothing (neither
    /// `max-age`, `s-maxage` nor `Expires`), where RFC 9111 §4.2.2 permits to guess. Replaces the
    /// guess by `Last-Modified`.
    ///
    /// Default: none: such responses are not stored, the guess apart.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.settings.default_ttl = Some(ttl);
        self
    }

    /// How long past freshness a response may be served while it is refreshed, and when the origin
    /// fails. Your consent to stale answers; the origin's own `stale-while-revalidate` counts where
    /// it is longer, and `must-revalidate`, `proxy-revalidate`, `s-maxage` and `no-cache` forbid
    /// both (RFC 9111 §4.2.4).
    ///
    /// Default: 0 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How long past freshness a response may be served when the origin fails (RFC 5861 §4), where
    /// the response does not say so itself and does not forbid it.
    ///
    /// Default: what the response says.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.settings.stale_if_error = Some(window);
        self
    }

    /// How long a response that can no longer be served is kept for its validators: the origin may
    /// then answer 304 without a body.
    ///
    /// Default: 60 s.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.settings.keep = keep;
        self
    }

    /// Refreshes what may not be served stale a little before it ends, so that nobody waits: at
    /// random, on average `beta` times the duration of its fetch early, but never by more than
    /// that duration. 0 switches it off.
    ///
    /// Default: 1.0.
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.settings.early_refresh = beta;
        self
    }

    /// How long the origin may take until the head of its response, and between two pieces of its
    /// body. Then the request is given up: stale, or 504. It is also how long a body may still
    /// take that nobody waits for any more, because all who asked for it have left or were served
    /// stale: a slower one is not fetched to its end.
    ///
    /// Default: 30 s.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.settings.fetch_timeout = timeout;
        self
    }

    /// How long requests wait for another node's refresh. Then one of them goes to the origin for
    /// all of this node, without storing.
    ///
    /// Default: 5 s.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.settings.lock_wait = wait;
        self
    }

    /// Length of a refresh's lease. Renewed at a third of it, for at most 60 s. If its holder dies,
    /// nobody refreshes until it ends. Too short: a busy or paused holder loses it, which costs
    /// one more request to the origin, never a wrong answer.
    ///
    /// Default: 3 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How long this process remembers that a response could not be stored: meanwhile requests for
    /// it go straight to the origin, each on its own. It ends early when a storable one is seen.
    ///
    /// Default: 120 s (and [10 s](Self::shared_uncacheable_ttl) in the fleet).
    pub fn uncacheable_ttl(mut self, ttl: Duration) -> Self {
        self.settings.uncacheable_ttl = ttl;
        self
    }

    /// How long the fleet remembers that a response could not be stored.
    ///
    /// Default: 10 s.
    pub fn shared_uncacheable_ttl(mut self, ttl: Duration) -> Self {
        self.settings.shared_uncacheable_ttl = ttl;
        self
    }

    /// How long a failed refresh is not tried again while there is something stale to serve;
    /// doubled with each failure in a row up to 30 s, jittered, shared by the fleet. Requests with
    /// nothing to fall back on are never refused for it: they try one at a time.
    ///
    /// Default: 1 s.
    pub fn error_backoff(mut self, base: Duration) -> Self {
        self.settings.error_backoff = base;
        self
    }

    /// Most refreshes that this process has under way at the origin at once; more of them wait,
    /// within `fetch_timeout`. Requests past the cache are not counted.
    ///
    /// Default: no limit.
    pub fn max_concurrent_fetches(mut self, fetches: usize) -> Self {
        self.settings.max_concurrent_fetches = Some(fetches);
        self
    }

    /// Most time for one call to the shared tier. All calls of one request together take at most
    /// one and a half times as long; then it goes on without.
    ///
    /// Default: 100 ms.
    pub fn redis_timeout(mut self, timeout: Duration) -> Self {
        self.settings.redis_timeout = timeout;
        self
    }

    /// What becomes of responses with `Set-Cookie`.
    ///
    /// Default: [`SetCookie::Refuse`]: they are not stored.
    pub fn set_cookie(mut self, set_cookie: SetCookie) -> Self {
        self.settings.set_cookie = set_cookie;
        self
    }

    /// The lifetime of responses with these statuses about which the origin says nothing, for
    /// example `404..=404` (negative caching). Of several that hold, the first one set counts; each
    /// beats [`default_ttl`](Self::default_ttl).
    ///
    /// This reaches statuses that RFC 9111 §3 stores only on the origin's word (302, 403, 500...):
    /// an error that one client met is then everyone's for that long. A failing status (500, 502,
    /// 503, 504) never takes the place of something that may be served stale.
    ///
    /// Default: none.
    pub fn status_ttl(mut self, statuses: RangeInclusive<u16>, ttl: Duration) -> Self {
        self.settings.status_ttl.push((statuses, ttl));
        self
    }

    /// How long past freshness a response may be served when the origin cannot be reached at all:
    /// no connection, none kept up, or no answer in time. RFC 9111 §4.2.4 leaves that to the cache
    /// unless the response forbids it; a response with `stale-if-error` has its own say.
    ///
    /// Default: 60 s. 0 shows every failure.
    pub fn stale_if_unreachable(mut self, window: Duration) -> Self {
        self.settings.stale_if_unreachable = window;
        self
    }

    /// The targeted fields that this cache goes by, most applicable first (RFC 9213 §2.2). The
    /// first valid one of them in a response counts in place of `Cache-Control` and `Expires`.
    ///
    /// Default: `CDN-Cache-Control`.
    pub fn targets(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.targets = fields.into_iter().collect();
        self
    }

    /// Obeys all directives of requests (RFC 9111 §5.2.1, and `Pragma: no-cache`), not only
    /// `no-store` and `only-if-cached`. Everybody can then send every request of theirs to the
    /// origin (`no-cache`, `max-age=0`: each reload in a browser does): the origin is protected
    /// only from polite clients.
    ///
    /// Default: false.
    pub fn honor_request_directives(mut self, honor: bool) -> Self {
        self.settings.honor_request_directives = honor;
        self
    }

    /// Adds a rule: settings for some requests. The first that matches holds.
    ///
    /// Default: none.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.settings.rules.push(rule);
        self
    }

    /// Adds `Cache-Status` (RFC 9211) to responses.
    ///
    /// Default: true.
    pub fn cache_status(mut self, on: bool) -> Self {
        self.settings.cache_status = on;
        self
    }

    /// What this cache calls itself in `Cache-Status`.
    ///
    /// Default: `bellwether`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.name);
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): a setting is out of its range, or a rule
    /// is wrong.
    pub fn build(self) -> Result<Cache, Error> {
        self.build_with_clock(Arc::new(SystemClock))
    }

    pub(crate) fn build_with_clock(self, clock: Arc<dyn Clock>) -> Result<Cache, Error> {
        self.settings.check()?;
        let rules = self.settings.rules()?;
        Ok(Cache::new(&self.settings, rules, self.tier, clock))
    }
}
