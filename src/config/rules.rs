//! Which settings hold for a request.

use std::sync::Arc;

use http::Method;

use crate::config::Scope;
use crate::config::globs::Globs;
use crate::config::requests::Requests;
use crate::config::rule::as_matched;
use crate::key::Key;
use crate::semantics::path;

/// All rules, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<(Matcher, Arc<Scope>)>,
    /// What holds where no rule matches.
    general: Arc<Scope>,
    /// What holds where different readers of a path come to different rules.
    ambiguous: Arc<Scope>,
}

/// Whom a rule is for.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) paths: Option<Globs>,
    pub(crate) hosts: Option<Globs>,
    pub(crate) hosts_with_port: Option<Globs>,
    pub(crate) methods: Vec<Method>,
}

impl Rules {
    pub(crate) fn new(general: Arc<Scope>, rules: Vec<(Matcher, Arc<Scope>)>) -> Self {
        let ambiguous = Arc::new(Scope {
            requests: Requests {
                passes: Some("ambiguous-path"),
                ..Requests::default()
            },
            ..Scope::clone(&general)
        });
        Self {
            rules,
            general,
            ambiguous,
        }
    }

    /// True if the general settings hold for all requests.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn general(&self) -> &Arc<Scope> {
        &self.general
    }

    /// The settings for a request: those of the first rule that matches.
    ///
    /// Of two requests that share a key (host without case, path, GET or HEAD) it is the same.
    pub(crate) fn scope(&self, method: &Method, host: &str, path_and_query: &str) -> &Arc<Scope> {
        if self.is_empty() {
            return &self.general;
        }
        let path = match path_and_query.split('?').next() {
            Some(path) if !path.is_empty() => path,
            _ => "/",
        };
        let method = as_matched(method);
        let plain = path::plain(path);
        let plain = plain.as_deref().unwrap_or(path.as_bytes());
        let first = self.first(method, host, plain);
        if let Some(obliging) = path::obliging(path)
            && obliging[..] != *plain
            && self.first(method, host, &obliging) != first
        {
            return &self.ambiguous;
        }
        first.map_or(&self.general, |index| &self.rules[index].1)
    }

    fn first(&self, method: &Method, host: &str, path: &[u8]) -> Option<usize> {
        self.rules
            .iter()
            .position(|(matcher, _)| matcher.matches(method, host, path))
    }

    /// The key under which a GET of this URL is looked up.
    pub(crate) fn key(&self, host: &str, path_and_query: &str) -> Key {
        let scope = self.scope(&Method::GET, host, path_and_query);
        let rewritten = scope.requests.target(path_and_query);
        Key::primary(host, rewritten.as_deref().unwrap_or(path_and_query))
    }
}

impl Matcher {
    fn matches(&self, method: &Method, host: &str, path: &[u8]) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.is_for_host(host)
            && self.paths.as_ref().is_none_or(|paths| paths.matches(path))
    }

    fn is_for_host(&self, host: &str) -> bool {
        let matches = |globs: &Option<Globs>, host: &str| {
            let globs = globs.as_ref();
            globs.is_some_and(|globs| globs.matches(host.as_bytes()))
        };
        (self.hosts.is_none() && self.hosts_with_port.is_none())
            || matches(&self.hosts, without_port(host))
            || matches(&self.hosts_with_port, host)
    }
}

/// The host without its port. The colons of an address stand between brackets.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
