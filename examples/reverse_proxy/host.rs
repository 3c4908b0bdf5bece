//! Which site a request is for.
//!
//! # The rule
//! - A `Host` that is only this node's own socket address (the address at which the connection was
//!   accepted, or `localhost` with its port) names the *node* and not a site. The request is given
//!   the origin's authority as its `Host` before the cache sees it, so that the nodes of a fleet,
//!   each on its own address, share their entries.
//! - Any other `Host` names a site. It is kept, and it is part of the cache key: what the origin
//!   sees and the key does not is how caches are poisoned. The key is without case, so the origin
//!   is sent the name in lower case; the origin's own name, as the operator wrote it.
//! - An HTTP/1.0 request without one is for the origin's own authority.
//!
//! HTTP/2 and absolute-form requests carry the site in their target. They are brought to the form
//! of the others, a path and a `Host`, so that one entry serves all three.

use std::net::SocketAddr;

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, Version};

/// The names of this node on one connection, and what stands in for them.
#[derive(Debug)]
pub(crate) struct Site {
    own: Vec<String>,
    origin: HeaderValue,
}

/// Why a request cannot be served: the client gets a 400 with this text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclear(pub(crate) &'static str);

impl Site {
    /// The rule for a connection accepted at `local`, in front of the origin called `origin`.
    pub(crate) fn new(local: SocketAddr, origin: HeaderValue) -> Self {
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let mut own = vec![local.to_string(), format!("localhost:{}", local.port())];
        if local.port() == 80 {
            let bare: Vec<_> = own
                .iter()
                .map(|name| name[..name.len() - 3].to_owned())
                .collect();
            own.extend(bare);
        }
        Self { own, origin }
    }

    /// Gives the request its canonical form: a target in origin form, and one `Host`.
    pub(crate) fn settle<B>(&self, request: &mut Request<B>) -> Result<(), Unclear> {
        if request.uri().authority().is_some() {
            split_target(request)?;
        }
        let version = request.version();
        let headers = request.headers_mut();
        // Most often no field is there twice, which is seen without a walk through this one's values.
        if headers.len() > headers.keys_len() && headers.get_all(HOST).iter().nth(1).is_some() {
            return Err(Unclear("more than one Host field"));
        }
        let Some(host) = headers.get_mut(HOST) else {
            if version > Version::HTTP_10 {
                return Err(Unclear("no Host field"));
            }
            headers.insert(HOST, self.origin.clone());
            return Ok(());
        };
        if let Some(settled) = self.settled(host.as_bytes())? {
            *host = settled;
        }
        Ok(())
    }

    /// What stands in for this `Host`, if anything does.
    fn settled(&self, host: &[u8]) -> Result<Option<HeaderValue>, Unclear> {
        if self.names_node(host) || self.names_origin(host) {
            Ok(Some(self.origin.clone()))
        } else if !is_host(host) {
            Err(Unclear("the Host field is not a host and port"))
        } else if host.iter().any(u8::is_ascii_uppercase) {
            let lower = HeaderValue::try_from(host.to_ascii_lowercase());
            let lower = lower.map_err(|_| Unclear("the Host field is not a host and port"))?;
            Ok(Some(lower))
        } else {
            Ok(None)
        }
    }

    fn names_origin(&self, host: &[u8]) -> bool {
        same(host, self.origin.as_bytes())
    }

    /// The `Host` that stands in for the node's own names.
    pub(crate) fn origin(&self) -> &HeaderValue {
        &self.origin
    }

    /// True if this names the node and not a site.
    pub(crate) fn names_node(&self, host: &[u8]) -> bool {
        self.own.iter().any(|own| same(host, own.as_bytes()))
    }
}

/// Without case, which few write: first as it stands.
fn same(host: &[u8], name: &[u8]) -> bool {
    host == name || host.eq_ignore_ascii_case(name)
}

/// Moves the authority of the target into `Host`, where it outranks what stands there
/// (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn split_target<B>(request: &mut Request<B>) -> Result<(), Unclear> {
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|_| Unclear("the target is no URL"))?;
    let path = uri.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    request.headers_mut().insert(HOST, host);
    Ok(())
}

/// RFC 3986 §3.2.2, as far as it keeps two readers from reading two hosts: no white space, no
/// separators, no user information.
fn is_host(host: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]!$&'()*+;=%".contains(byte);
    !host.is_empty() && host.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(request: http::request::Builder) -> Result<(String, String), Unclear> {
        let site = Site::new(
            ([127, 0, 0, 1], 8080).into(),
            HeaderValue::from_static("origin:3000"),
        );
        let mut request = request.body(()).unwrap();
        site.settle(&mut request)?;
        let host = request.headers()[HOST].to_str().unwrap().to_owned();
        Ok((request.uri().to_string(), host))
    }

    fn ok(target: &str, host: &str) -> Result<(String, String), Unclear> {
        Ok((target.to_owned(), host.to_owned()))
    }

    #[test]
    fn the_nodes_own_address_stands_for_the_origin() {
        for own in ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080"] {
            let request = Request::get("/a?b").header(HOST, own);
            assert_eq!(settled(request), ok("/a?b", "origin:3000"));
        }
    }

    #[test]
    fn any_other_host_names_a_site_and_is_kept() {
        for kept in [
            "example.com",
            "127.0.0.1:8081",
            "127.0.0.1",
            "localhost",
            "[::1]:8080",
        ] {
            let request = Request::get("/").header(HOST, kept);
            assert_eq!(settled(request), ok("/", kept));
        }
    }

    /// The cache key is without case: an origin that is not would have one answer stored for all.
    #[test]
    fn a_kept_host_reaches_the_origin_in_lower_case() {
        let request = Request::get("/Path").header(HOST, "Shop.EXAMPLE:81");
        assert_eq!(settled(request), ok("/Path", "shop.example:81"));
        let absolute = Request::get("http://Shop.example/").header(HOST, "x");
        assert_eq!(settled(absolute), ok("/", "shop.example"));
        let two = Request::get("http://SHOP.example/").version(Version::HTTP_2);
        assert_eq!(settled(two), ok("/", "shop.example"));
    }

    #[test]
    fn the_origins_own_name_is_compared_without_case() {
        let request = Request::get("/").header(HOST, "ORIGIN:3000");
        assert_eq!(settled(request), ok("/", "origin:3000"));
        // As the operator wrote it, so that the two stay the same field.
        let site = Site::new(
            ([127, 0, 0, 1], 8080).into(),
            HeaderValue::from_static("Origin:3000"),
        );
        let mut request = Request::get("/")
            .header(HOST, "origin:3000")
            .body(())
            .unwrap();
        site.settle(&mut request).unwrap();
        assert_eq!(request.headers()[HOST], site.origin());
    }

    #[test]
    fn the_targets_authority_outranks_the_field() {
        let absolute = Request::get("http://example.com/a?b").header(HOST, "other.example");
        assert_eq!(settled(absolute), ok("/a?b", "example.com"));
        let own = Request::get("http://127.0.0.1:8080").version(Version::HTTP_2);
        assert_eq!(settled(own), ok("/", "origin:3000"));
    }

    #[test]
    fn a_missing_host_is_the_origins_only_in_http_1_0() {
        let old = Request::get("/").version(Version::HTTP_10);
        assert_eq!(settled(old), ok("/", "origin:3000"));
        assert_eq!(settled(Request::get("/")), Err(Unclear("no Host field")));
    }

    #[test]
    fn a_host_that_two_readers_may_read_differently_is_refused() {
        for bad in ["", "a b", "a,b", "a/b", "user@host", "a?b", "a#b"] {
            assert!(
                settled(Request::get("/").header(HOST, bad)).is_err(),
                "{bad}"
            );
        }
        let two = Request::get("/").header(HOST, "a").header(HOST, "a");
        assert!(settled(two).is_err());
    }

    #[test]
    fn on_port_80_the_bare_name_is_the_nodes_too() {
        let site = Site::new(([10, 0, 0, 1], 80).into(), HeaderValue::from_static("o"));
        assert!(site.names_node(b"10.0.0.1") && site.names_node(b"localhost:80"));
        assert!(!site.names_node(b"10.0.0.10"));
    }
}
