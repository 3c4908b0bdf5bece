//! Makes rules.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, Method};

use crate::config::{Cookies, Query, Rule};
use crate::semantics::policy::{Ignore, SetCookie};

/// Each setter is for the field of its name, which says what it does.
impl Rule {
    /// A rule for these paths: a glob, like `/api/**`. More of them by [`or_path`](Self::or_path).
    #[must_use]
    pub fn path(glob: &str) -> Self {
        Self::default().or_path(glob)
    }

    /// A rule for this host: a glob, like `*.example.com`.
    #[must_use]
    pub fn host(glob: &str) -> Self {
        Self::default().on_host(glob)
    }

    /// Adds to [`paths`](field@Self::paths).
    #[must_use]
    pub fn or_path(mut self, glob: &str) -> Self {
        self.paths.push(glob.to_owned());
        self
    }

    /// Adds to [`hosts`](field@Self::hosts).
    #[must_use]
    pub fn on_host(mut self, glob: &str) -> Self {
        self.hosts.push(glob.to_owned());
        self
    }

    /// Adds to [`methods`](field@Self::methods).
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Sets [`cache`](field@Self::cache).
    #[must_use]
    pub fn cache(mut self, on: bool) -> Self {
        self.cache = Some(on);
        self
    }

    /// Sets [`invalidate`](field@Self::invalidate).
    #[must_use]
    pub fn invalidate(mut self, on: bool) -> Self {
        self.invalidate = Some(on);
        self
    }

    /// Sets [`ttl`](field@Self::ttl).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets [`default_ttl`](field@Self::default_ttl).
    #[must_use]
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// Sets [`grace`](field@Self::grace).
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Sets [`stale_if_error`](field@Self::stale_if_error).
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = Some(window);
        self
    }

    /// Sets [`stale_if_unreachable`](field@Self::stale_if_unreachable).
    #[must_use]
    pub fn stale_if_unreachable(mut self, window: Duration) -> Self {
        self.stale_if_unreachable = Some(window);
        self
    }

    /// Sets [`keep`](field@Self::keep).
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Adds to [`status_ttl`](field@Self::status_ttl).
    #[must_use]
    pub fn status_ttl(mut self, statuses: RangeInclusive<u16>, ttl: Duration) -> Self {
        self.status_ttl.push((statuses, ttl));
        self
    }

    /// Adds to [`ignore`](field@Self::ignore).
    #[must_use]
    pub fn ignore(mut self, ignore: Ignore) -> Self {
        self.ignore.push(ignore);
        self
    }

    /// Sets [`set_cookie`](field@Self::set_cookie).
    #[must_use]
    pub fn set_cookie(mut self, set_cookie: SetCookie) -> Self {
        self.set_cookie = Some(set_cookie);
        self
    }

    /// Sets [`honor_request_directives`](field@Self::honor_request_directives).
    #[must_use]
    pub fn honor_request_directives(mut self, honor: bool) -> Self {
        self.honor_request_directives = Some(honor);
        self
    }

    /// Sets [`query`](field@Self::query).
    #[must_use]
    pub fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    /// Sets [`sort_query`](field@Self::sort_query).
    #[must_use]
    pub fn sort_query(mut self, sort: bool) -> Self {
        self.sort_query = sort;
        self
    }

    /// Adds to [`key_headers`](field@Self::key_headers).
    #[must_use]
    pub fn key_header(mut self, name: HeaderName) -> Self {
        self.key_headers.push(name);
        self
    }

    /// Adds to [`key_cookies`](field@Self::key_cookies).
    #[must_use]
    pub fn key_cookie(mut self, name: &str) -> Self {
        self.key_cookies.push(name.to_owned());
        self
    }

    /// Adds to [`bypass_cookies`](field@Self::bypass_cookies).
    #[must_use]
    pub fn bypass_cookie(mut self, glob: &str) -> Self {
        self.bypass_cookies.push(glob.to_owned());
        self
    }

    /// Adds to [`bypass_headers`](field@Self::bypass_headers).
    #[must_use]
    pub fn bypass_header(mut self, name: HeaderName) -> Self {
        self.bypass_headers.push(name);
        self
    }

    /// Sets [`strip_cookies`](field@Self::strip_cookies).
    #[must_use]
    pub fn strip_cookies(mut self, cookies: Cookies) -> Self {
        self.strip_cookies = cookies;
        self
    }
}
