//! The operator's port: health, counters, purge. Closed unless `--admin` is given.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bellwether::Cache;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::host::Site;
use crate::purge::What;

const MALFORMED: &str =
    "expected /purge?uri=http://HOST/PATH, with ? and & of the page escaped, or /purge-all";

/// Answers operators.
pub(crate) struct Admin {
    /// None with `--passthrough`.
    cache: Option<Cache>,
    site: Site,
}

impl Admin {
    /// `site` is the rule of the proxy's own address, so that a purge may name a page as its
    /// clients do.
    pub(crate) fn new(cache: Option<Cache>, site: Site) -> Self {
        Self { cache, site }
    }

    /// Serves for as long as the process lives.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let admin = Arc::new(self);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let admin = Arc::clone(&admin);
            let service = service_fn(move |request: Request<Incoming>| {
                let admin = Arc::clone(&admin);
                async move { Ok::<_, Infallible>(admin.answer(&request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        let (allowed, known) = match request.uri().path() {
            "/health" | "/stats" => (Method::GET, true),
            "/purge" | "/soft-purge" | "/purge-all" => (Method::POST, true),
            _ => (Method::GET, false),
        };
        if !known {
            let what = "there are GET /health, GET /stats, POST /purge?uri=URL, \
                        POST /soft-purge?uri=URL and POST /purge-all";
            return reply(StatusCode::NOT_FOUND, what);
        }
        if *request.method() != allowed {
            let what = format!("use {allowed}");
            let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, &what);
            if let Ok(allow) = HeaderValue::from_str(allowed.as_str()) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            return response;
        }
        let query = request.uri().query().unwrap_or_default();
        match (request.uri().path(), &self.cache) {
            ("/health", _) => reply(StatusCode::OK, "ok"),
            ("/stats", Some(cache)) => stats(cache),
            (path, Some(cache)) => {
                let (status, what) = match self.what(path, query) {
                    Some(what) => what.purge(cache).await,
                    None => (StatusCode::BAD_REQUEST, MALFORMED.into()),
                };
                reply(status, &what)
            }
            (_, None) => reply(StatusCode::NOT_FOUND, "--passthrough: there is no cache"),
        }
    }

    fn what(&self, path: &str, query: &str) -> Option<What> {
        Some(match path {
            // Not with a page: who names one does not mean everything.
            "/purge-all" => query.is_empty().then_some(What::Everything)?,
            "/soft-purge" => What::Softly(self.page(query)?),
            _ => What::Page(self.page(query)?),
        })
    }

    /// The page that `uri=...` names, under the name by which the cache knows its site.
    fn page(&self, query: &str) -> Option<Uri> {
        let uri = unescape(query.strip_prefix("uri=")?)?;
        let mut uri = uri.parse::<Uri>().ok()?.into_parts();
        let authority = uri.authority.as_ref()?;
        if self.site.names_node(authority.as_str().as_bytes()) {
            uri.authority = Some(self.site.origin().to_str().ok()?.parse().ok()?);
        }
        uri.path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
        Uri::from_parts(uri).ok()
    }
}

fn stats(cache: &Cache) -> Response<String> {
    let stats = cache.stats();
    let counters = [
        ("hits", stats.hits),
        ("shared_hits", stats.shared_hits),
        ("stale", stats.stale),
        ("stale_on_error", stats.stale_on_error),
        ("led", stats.led),
        ("followed", stats.followed),
        ("remote_followed", stats.remote_followed),
        ("bypassed", stats.bypassed),
        ("failed", stats.failed),
        ("refreshes", stats.refreshes),
        ("origin_failures", stats.origin_failures),
        ("bodies_broken", stats.bodies_broken),
        ("bodies_too_large", stats.bodies_too_large),
        ("bodies_without_room", stats.bodies_without_room),
        ("bodies_deserted", stats.bodies_deserted),
        ("abandoned", stats.abandoned),
        ("shared_unavailable", stats.shared_unavailable),
        ("corrupt_entries", stats.corrupt_entries),
        ("leases_lost", stats.leases_lost),
        ("commits_refused", stats.commits_refused),
        ("gaps", stats.gaps),
        ("local_entries", stats.local_entries),
        ("local_bytes", stats.local_bytes),
        ("filling_bytes", stats.filling_bytes),
    ];
    let members = counters.map(|(name, count)| format!("\"{name}\":{count}"));
    let mut response = reply(StatusCode::OK, &format!("{{{}}}", members.join(",")));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', Some(digits)) = (*first, after.get(..2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn reply(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(format!("{text}\n"));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_be_written_escaped_or_plain() {
        assert_eq!(
            unescape("http%3A%2F%2Fa/b%3Fc").as_deref(),
            Some("http://a/b?c")
        );
        assert_eq!(unescape("http://a/b").as_deref(), Some("http://a/b"));
        assert_eq!(unescape("%zz"), None);
        assert_eq!(unescape("%ff"), None);
    }
}
