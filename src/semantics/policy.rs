//! What the user of this crate decides about responses, over what the origin says.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use crate::semantics::directives::ResponseDirectives;
use crate::semantics::targeted::CDN_CACHE_CONTROL;
use crate::semantics::vary::{self, Vary};

/// The settings that bear on whether a response is stored, and for how long it is used.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The targeted fields that are meant for this cache, most applicable first (RFC 9213 §2.2).
    pub(crate) targets: Vec<HeaderName>,
    /// The lifetime of successes and redirections, whatever the origin says about it.
    pub(crate) ttl: Option<Duration>,
    /// The lifetime of what the origin says nothing about, by status. Beats `default_ttl`.
    pub(crate) status_ttl: Vec<(RangeInclusive<u16>, Duration)>,
    /// The lifetime of what the origin says nothing about. Beats the heuristic.
    pub(crate) default_ttl: Option<Duration>,
    /// Staleness that the user permits where the origin does not forbid it.
    pub(crate) grace: Duration,
    /// The same for when the origin fails.
    pub(crate) stale_if_error: Option<Duration>,
    /// The same for when the origin cannot be reached at all: RFC 9111 §4.2.4 leaves that to the
    /// cache.
    pub(crate) stale_if_unreachable: Duration,
    /// How long to keep what has a validator past its use.
    pub(crate) keep: Duration,
    /// What becomes of responses with `Set-Cookie`.
    pub(crate) set_cookie: SetCookie,
    /// What the origin says in vain.
    pub(crate) ignore: Vec<Ignore>,
    /// Request fields that choose a variant although no `Vary` lists them.
    pub(crate) key_fields: Vec<HeaderName>,
    /// The longest lifetime that is guessed.
    pub(crate) heuristic_cap: Duration,
}

/// What becomes of a response with `Set-Cookie` that could be stored otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetCookie {
    /// It is not stored. The safe choice: a cookie that is shared by mistake hands one user's
    /// session to another.
    #[default]
    Refuse,
    /// It is stored without its cookies, and nobody gets them. Who relied on them (a session, a
    /// token against forgery) finds them missing.
    Strip,
    /// It is stored with its cookies, and everyone gets the same ones. Only where a cookie is
    /// nobody's own.
    Share,
}

/// What the origin says in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ignore {
    /// `no-store`. The origin's reason may be that the response is secret.
    NoStore,
    /// `no-cache`: what is stored is then used without asking the origin.
    NoCache,
    /// `private`: a response that is for one user is then given to all. Only where you know that
    /// the origin says so by habit.
    Private,
    /// `max-age`, `s-maxage` and `Expires`: the lifetime then comes from your settings.
    Lifetime,
    /// `must-revalidate` and `proxy-revalidate`: what is stale may then be served by your settings.
    MustRevalidate,
    /// `Vary`: one variant is then given to all, whatever they asked for. Choose by
    /// [`key_headers`](crate::Rule::key_headers) what matters of it.
    Vary,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            targets: vec![CDN_CACHE_CONTROL],
            ttl: None,
            status_ttl: Vec::new(),
            default_ttl: None,
            grace: Duration::ZERO,
            stale_if_error: None,
            stale_if_unreachable: Duration::ZERO,
            keep: Duration::ZERO,
            set_cookie: SetCookie::Refuse,
            ignore: Vec::new(),
            key_fields: Vec::new(),
            heuristic_cap: Duration::ZERO,
        }
    }
}

impl Policy {
    /// The origin's directives, as far as they are heeded.
    pub(crate) fn directives(&self, headers: &HeaderMap) -> ResponseDirectives {
        let mut found = ResponseDirectives::of(headers, &self.targets);
        for ignored in &self.ignore {
            match ignored {
                // It goes with `no-store` (RFC 9111 §5.2.2.3).
                Ignore::NoStore => (found.no_store, found.must_understand) = (false, false),
                Ignore::NoCache => {
                    found.no_cache = false;
                    found.no_cache_fields.clear();
                }
                Ignore::Private => {
                    found.private = false;
                    found.private_fields.clear();
                }
                Ignore::Lifetime => {
                    (found.max_age, found.s_maxage) = (None, None);
                    found.without_expires = true;
                }
                Ignore::MustRevalidate => {
                    (found.must_revalidate, found.proxy_revalidate) = (false, false);
                }
                Ignore::Vary => {}
            }
        }
        found
    }

    /// What a response varies on: by its own word, and by the settings.
    pub(crate) fn vary(&self, headers: &HeaderMap) -> Vary {
        let said = if self.ignore.contains(&Ignore::Vary) {
            Vary::None
        } else {
            vary::parse(headers)
        };
        match said {
            Vary::Any => Vary::Any,
            said if self.key_fields.is_empty() => said,
            Vary::None => Vary::Fields(vary::union(&self.key_fields, &[])),
            Vary::Fields(fields) => Vary::Fields(vary::union(&self.key_fields, &fields)),
        }
    }

    /// The lifetime of responses with this status, where the origin says nothing.
    pub(crate) fn status_ttl(&self, status: StatusCode) -> Option<Duration> {
        let status = status.as_u16();
        let found = self.status_ttl.iter().find(|(of, _)| of.contains(&status));
        found.map(|(_, ttl)| *ttl)
    }
}

#[cfg(test)]
mod tests;
