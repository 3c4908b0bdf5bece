//! What a client demands of a stored response (RFC 9111 §5.2.1), where that is honoured.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

use crate::semantics::directives::RequestDirectives;
use crate::semantics::list::members;

/// What a client demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand(RequestDirectives);

/// What a stored response is like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its current age (§4.2.3).
    pub(crate) age: Duration,
    /// Freshness left.
    pub(crate) fresh_for: Duration,
    /// Time since it was fresh.
    pub(crate) stale_for: Duration,
}

impl Demand {
    /// What these fields demand; `None` if nothing. Never allocates.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(CACHE_CONTROL) {
            // §5.4: for clients that know no other.
            let no_cache = headers.contains_key(PRAGMA)
                && members(headers, &PRAGMA).any(|word| word.eq_ignore_ascii_case(b"no-cache"));
            return no_cache.then(|| {
                Self(RequestDirectives {
                    no_cache,
                    ..RequestDirectives::default()
                })
            });
        }
        let said = RequestDirectives::parse(headers);
        (said != RequestDirectives::default()).then_some(Self(said))
    }

    /// True if the client would rather have 504 than wait for the origin (§5.2.1.7).
    pub(crate) fn only_if_cached(&self) -> bool {
        self.0.only_if_cached
    }

    /// True if a response that the cache may serve as it is will do for this client too.
    pub(crate) fn accepts(&self, condition: &Condition) -> bool {
        let said = &self.0;
        if said.no_cache {
            return false;
        }
        if !condition.stale_for.is_zero() {
            // §5.2.1.1, §5.2.1.3: both mean a fresh one, unless staleness is asked for as well.
            let particular = said.max_age.is_some() || said.min_fresh.is_some();
            let tolerated = said
                .max_stale
                .map_or(!particular, |most| condition.stale_for <= most);
            return tolerated && said.max_age.is_none_or(|most| condition.age <= most);
        }
        said.max_age.is_none_or(|most| condition.age <= most)
            && said
                .min_fresh
                .is_none_or(|least| condition.fresh_for >= least)
    }

    /// True if the client wants even a response that the cache would not serve stale by itself
    /// (§5.2.1.2). Whether the response forbids that is another question.
    pub(crate) fn tolerates(&self, condition: &Condition) -> bool {
        self.0.max_stale.is_some() && self.accepts(condition)
    }

    /// The same, if the origin fails (RFC 5861 §4).
    pub(crate) fn tolerates_on_error(&self, condition: &Condition) -> bool {
        self.tolerates(condition)
            || self
                .0
                .stale_if_error
                .is_some_and(|most| condition.stale_for <= most)
    }
}

#[cfg(test)]
mod tests;
