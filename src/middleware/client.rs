//! A client's request, as far as it is needed after the request itself has gone to the origin.

use std::sync::Arc;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

use crate::config::{Scope, Shared};
use crate::engine::origin::Select;
use crate::key::Key;
use crate::semantics::seen::Seen;
use crate::semantics::vary;

/// What a client asked for.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) headers: HeaderMap,
    pub(crate) head: bool,
    pub(crate) seen: Seen,
    pub(crate) primary: Key,
    /// The settings that hold for it.
    pub(crate) scope: Arc<Scope>,
}

impl Client {
    pub(crate) fn of<B>(request: &Request<B>, primary: Key, scope: &Arc<Scope>) -> Self {
        Self {
            headers: request.headers().clone(),
            head: *request.method() == Method::HEAD,
            seen: Seen::of(request.headers()),
            primary,
            scope: Arc::clone(scope),
        }
    }
}

impl Client {
    pub(crate) fn fields(&self) -> (&HeaderMap, Seen) {
        (&self.headers, self.seen)
    }
}

impl Select for Client {
    fn variant(&self, generation: u64, fields: &[HeaderName]) -> Key {
        self.primary
            .variant(generation, vary::selecting(fields, &self.headers))
    }
}

/// Host, and path with query, of what a request asks for. `None` if it contradicts itself: two
/// hosts, of which the inner service might heed another than we.
pub(crate) fn target<B>(request: &Request<B>) -> Option<(&[u8], &str)> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    let headers = request.headers();
    // Most often no field is there twice, which is seen without a walk through this one's values.
    if headers.len() > headers.keys_len() && headers.get_all(HOST).iter().nth(1).is_some() {
        return None;
    }
    let field = first(headers, &HOST).map(HeaderValue::as_bytes);
    if field.is_some_and(|host| !host.is_ascii()) {
        return None;
    }
    let authority = request.uri().authority();
    let authority = authority.map(|authority| authority.as_str().as_bytes());
    match (authority, field) {
        (Some(authority), Some(field)) if !authority.eq_ignore_ascii_case(field) => None,
        (Some(host), _) | (None, Some(host)) => Some((host, path)),
        (None, None) => Some((b"", path)),
    }
}

/// The first value of a field which mostly stands at the top: to go there costs less than the hash
/// of its name.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.iter();
    lines.find_map(|(other, value)| (other == name).then_some(value))
}

impl Shared {
    /// The settings that hold for a request.
    pub(crate) fn scope_of<B>(&self, request: &Request<B>) -> &Arc<Scope> {
        if self.rules.is_empty() {
            return &self.scope;
        }
        let target = target(request).map(|(host, path)| (str::from_utf8(host), path));
        match target {
            Some((Ok(host), path)) => self.rules.scope(request.method(), host, path),
            // It passes by, whatever the settings.
            _ => &self.scope,
        }
    }
}

/// Takes away what does not count by these settings: the key must show all that the origin sees,
/// or one client chooses what the others get.
pub(crate) fn rewrite<B>(request: &mut Request<B>, scope: &Scope) {
    scope.requests.strip(request.headers_mut());
    let path = request.uri().path_and_query().map(PathAndQuery::as_str);
    let Some(rewritten) = path.and_then(|path| scope.requests.target(path)) else {
        return;
    };
    // Parts of a query make a query. Were it otherwise, the request would stay as it is, and so
    // would the key, which is made of it next.
    let Ok(path) = PathAndQuery::try_from(rewritten) else {
        return;
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Each host that a request names, with the path: a change that contradicts itself was made to one
/// of them.
pub(crate) fn targets<B>(request: &Request<B>) -> Vec<(String, String)> {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let named = request.headers().get_all(HOST).iter();
    let mut hosts: Vec<_> = named.filter_map(|host| host.to_str().ok()).collect();
    hosts.extend(uri.authority().map(|authority| authority.as_str()));
    if hosts.is_empty() {
        hosts.push("");
    }
    hosts.sort_unstable();
    hosts.dedup();
    let target = |host: &str| (host.to_owned(), path.to_owned());
    hosts.into_iter().map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn the_host_comes_from_the_uri_or_the_field_and_must_not_contradict_itself() {
        type Case = (
            &'static str,
            &'static [&'static str],
            Option<(&'static str, &'static str)>,
        );
        let table: [Case; 8] = [
            ("/a?b", &["x"], Some(("x", "/a?b"))),
            ("http://x/a", &[], Some(("x", "/a"))),
            ("http://x", &["X"], Some(("x", "/"))),
            ("http://x/", &["y"], None),
            ("/a", &["x", "y"], None),
            ("/a", &["x", "x"], None),
            ("/a", &[], Some(("", "/a"))),
            ("/a", &["caf\u{e9}"], None),
        ];
        for (uri, hosts, expected) in table {
            let expected = expected.map(|(host, path)| (host.as_bytes(), path));
            assert_eq!(target(&request(uri, hosts)), expected, "{uri} {hosts:?}");
        }
    }
}
