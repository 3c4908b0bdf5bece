//! Compiles rules, which is also their check.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use crate::config::globs::{Globs, Kind};
use crate::config::requests::{Parameters, Requests, Stripped};
use crate::config::rules::{Matcher, without_port};
use crate::config::settings::{YEAR, check_statuses, within};
use crate::config::{Cookies, Query, Rule, Scope};
use crate::error::Error;
use crate::semantics::cookies::PSEUDO;
use crate::semantics::policy::Policy;
use crate::semantics::vary;

impl Rule {
    /// Compiles this rule, which is called `called` in errors, over the `general` settings.
    pub(crate) fn compile(
        &self,
        called: &str,
        general: &Scope,
    ) -> Result<(Matcher, Arc<Scope>), Error> {
        let globs = |field: &str, kind, globs: &[String]| {
            if globs.is_empty() {
                return Ok(None);
            }
            Globs::new(&format!("{called}.{field}"), kind, globs).map(Some)
        };
        let (with_port, without): (Vec<_>, Vec<_>) =
            self.hosts.iter().cloned().partition(|host| has_port(host));
        let matcher = Matcher {
            paths: globs("paths", Kind::Path, &self.paths)?,
            hosts: globs("hosts", Kind::Host, &without)?,
            hosts_with_port: globs("hosts", Kind::Host, &with_port)?,
            methods: self.methods.iter().map(as_matched).cloned().collect(),
        };
        let scope = Scope {
            policy: self.policy(called, &general.policy)?,
            honor_request_directives: self
                .honor_request_directives
                .unwrap_or(general.honor_request_directives),
            requests: Requests {
                passes: (self.cache == Some(false)).then_some("rule"),
                invalidate_nothing: self.invalidate == Some(false),
                bypass_cookies: globs("bypass_cookies", Kind::Cookie, &self.bypass_cookies)?,
                bypass_headers: self.bypass_headers.clone(),
                parameters: self.parameters(called)?,
                sort: self.sort_query,
                stripped: self.stripped(called)?,
            },
        };
        Ok((matcher, Arc::new(scope)))
    }

    fn policy(&self, called: &str, general: &Policy) -> Result<Policy, Error> {
        for (field, duration) in [
            ("ttl", self.ttl),
            ("default_ttl", self.default_ttl),
            ("grace", self.grace),
            ("stale_if_error", self.stale_if_error),
            ("stale_if_unreachable", self.stale_if_unreachable),
            ("keep", self.keep),
        ] {
            let value = duration.unwrap_or_default();
            within(&format!("{called}.{field}"), value, Duration::ZERO..=YEAR)?;
        }
        check_statuses(&format!("{called}.status_ttl"), &self.status_ttl)?;
        Ok(Policy {
            targets: general.targets.clone(),
            ttl: self.ttl.or(general.ttl),
            status_ttl: if self.status_ttl.is_empty() {
                general.status_ttl.clone()
            } else {
                self.status_ttl.clone()
            },
            default_ttl: self.default_ttl.or(general.default_ttl),
            grace: self.grace.unwrap_or(general.grace),
            stale_if_error: self.stale_if_error.or(general.stale_if_error),
            stale_if_unreachable: self
                .stale_if_unreachable
                .unwrap_or(general.stale_if_unreachable),
            keep: self.keep.unwrap_or(general.keep),
            set_cookie: self.set_cookie.unwrap_or(general.set_cookie),
            ignore: self.ignore.clone(),
            key_fields: self.key_fields(called)?,
            heuristic_cap: general.heuristic_cap,
        })
    }

    fn key_fields(&self, called: &str) -> Result<Vec<HeaderName>, Error> {
        let mut fields = Vec::new();
        for name in &self.key_headers {
            if name.as_str() == "*" || vary::cookie(name).is_some() {
                return Err(Error::config(format!(
                    "{called}.key_headers is {:?}, must be the name of a field",
                    name.as_str()
                )));
            }
            fields.push(name.clone());
        }
        for cookie in &self.key_cookies {
            let plain = !cookie.is_empty() && !cookie.contains('*');
            let field = HeaderName::try_from(format!("{PSEUDO}{cookie}")).ok();
            fields.push(field.filter(|_| plain).ok_or_else(|| {
                Error::config(format!(
                    "{called}.key_cookies is {cookie:?}, must be the name of a cookie, \
                     without wildcards"
                ))
            })?);
        }
        Ok(vary::union(&fields, &[]))
    }

    fn parameters(&self, called: &str) -> Result<Parameters, Error> {
        let globs = |names| Globs::new(&format!("{called}.query"), Kind::Parameter, names);
        Ok(match &self.query {
            Query::All => Parameters::All,
            Query::Ignore(names) => Parameters::Ignore(globs(names)?),
            Query::Only(names) => Parameters::Only(globs(names)?),
            Query::None => Parameters::None,
        })
    }

    fn stripped(&self, called: &str) -> Result<Stripped, Error> {
        let globs = |names| Globs::new(&format!("{called}.strip_cookies"), Kind::Cookie, names);
        Ok(match &self.strip_cookies {
            Cookies::None => Stripped::None,
            Cookies::All => Stripped::All,
            Cookies::Except(names) => Stripped::Except(globs(names)?),
            Cookies::Only(names) => Stripped::Only(globs(names)?),
        })
    }
}

/// A HEAD is answered out of a GET's entry: by another rule it could be another page.
pub(crate) fn as_matched(method: &Method) -> &Method {
    if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    }
}

/// True if the host has a port: a colon behind the brackets of an address.
fn has_port(host: &str) -> bool {
    without_port(host) != host
}

#[cfg(test)]
mod tests;
