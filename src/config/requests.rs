//! What becomes of requests before they are looked up.

use http::header::{COOKIE, HeaderMap, HeaderName};

use crate::config::globs::Globs;
use crate::semantics::{cookies, query};

/// What a rule does to requests. The default: nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    /// Why all of them pass by, if they do.
    pub(crate) passes: Option<&'static str>,
    /// Unsafe ones invalidate nothing.
    pub(crate) invalidate_nothing: bool,
    pub(crate) bypass_cookies: Option<Globs>,
    pub(crate) bypass_headers: Vec<HeaderName>,
    pub(crate) parameters: Parameters,
    pub(crate) sort: bool,
    pub(crate) stripped: Stripped,
}

/// Which parameters of the query count.
#[derive(Debug, Clone, Default)]
pub(crate) enum Parameters {
    #[default]
    All,
    Ignore(Globs),
    Only(Globs),
    None,
}

/// Which cookies are taken away.
#[derive(Debug, Clone, Default)]
pub(crate) enum Stripped {
    #[default]
    None,
    All,
    Except(Globs),
    Only(Globs),
}

impl Requests {
    /// True if it does nothing to requests that are looked up. Mostly not, and each hit asks.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.passes.is_none()
            && self.bypass_headers.is_empty()
            && self.bypass_cookies.is_none()
            && matches!(self.parameters, Parameters::All)
            && !self.sort
            && matches!(self.stripped, Stripped::None)
    }

    /// Why a request with these fields passes by, if it does.
    pub(crate) fn bypass(&self, headers: &HeaderMap) -> Option<&'static str> {
        if self.passes.is_some() {
            return self.passes;
        }
        let named = |name| headers.contains_key(name);
        if self.bypass_headers.iter().any(named) {
            return Some("bypass-header");
        }
        let cookies = self.bypass_cookies.as_ref()?;
        cookies::any(headers, |name| cookies.matches(name)).then_some("bypass-cookie")
    }

    /// The path and query as they count; `None` if that is as they are.
    pub(crate) fn target(&self, path_and_query: &str) -> Option<String> {
        let sort = self.sort;
        match &self.parameters {
            Parameters::All if !sort => None,
            Parameters::All => query::rewrite(path_and_query, |_| true, sort),
            Parameters::Ignore(names) => {
                query::rewrite(path_and_query, |name| !names.matches(name.as_bytes()), sort)
            }
            Parameters::Only(names) => {
                query::rewrite(path_and_query, |name| names.matches(name.as_bytes()), sort)
            }
            Parameters::None => query::rewrite(path_and_query, |_| false, sort),
        }
    }

    /// Takes cookies away.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        match &self.stripped {
            Stripped::None => {}
            Stripped::All => drop(headers.remove(COOKIE)),
            Stripped::Except(names) => cookies::retain(headers, |name| names.matches(name)),
            Stripped::Only(names) => cookies::retain(headers, |name| !names.matches(name)),
        }
    }
}
