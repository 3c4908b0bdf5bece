//! The `PURGE` method: takes a page away, on every node, for those who may.
//!
//! `PURGE /news` with the site's `Host` purges that page with all its variants; with
//! `Soft-Purge: 1` it is only stale from then on. `PURGE *` purges everything there is, of all sites.
//! Nobody may unless `--purge-token` or
//! `--purge-from` says who; the request never reaches the origin.

use std::net::IpAddr;

use bellwether::Cache;
use http::header::{AUTHORIZATION, HOST, HeaderMap};
use http::{Request, StatusCode, Uri};
use ipnet::IpNet;

/// Who may purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Whoever sends this as `Authorization: Bearer TOKEN`.
    pub(crate) token: Option<String>,
    /// Whoever connects from one of these. What proxies before us say of the client does not
    /// count: anybody could say it.
    pub(crate) peers: Vec<IpNet>,
}

/// Purges for those who may.
#[derive(Debug)]
pub(crate) struct Purger {
    cache: Cache,
    allowed: Allowed,
}

/// The status and the words of an answer.
pub(crate) type Said = (StatusCode, String);

impl Purger {
    pub(crate) fn new(cache: Cache, allowed: Allowed) -> Self {
        Self { cache, allowed }
    }

    /// Takes a purge on, or says why not. `request` has been settled: a path, and one `Host`.
    pub(crate) fn take_on<B>(
        &self,
        request: &Request<B>,
        client: IpAddr,
    ) -> Result<impl Future<Output = Said> + Send + 'static, (StatusCode, &'static str)> {
        self.allowed.check(request.headers(), client)?;
        let what = What::of(request)?;
        let cache = self.cache.clone();
        // In a task of its own: a purge that was begun is not left half-way by a client that
        // leaves.
        let purge = tokio::spawn(async move { what.purge(&cache).await });
        Ok(async move {
            purge.await.unwrap_or_else(|_| {
                let what = "the purge did not end".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, what)
            })
        })
    }
}

impl Allowed {
    fn check(&self, headers: &HeaderMap, client: IpAddr) -> Result<(), (StatusCode, &'static str)> {
        if self.token.is_none() && self.peers.is_empty() {
            let what = "PURGE is closed; --purge-token or --purge-from opens it";
            return Err((StatusCode::METHOD_NOT_ALLOWED, what));
        }
        let client = client.to_canonical();
        if self.peers.iter().any(|peers| peers.contains(&client)) || self.knows(headers) {
            return Ok(());
        }
        Err((StatusCode::FORBIDDEN, "you may not purge"))
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let given = given.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let (Some(given), Some(token)) = (given, &self.token) else {
            return false;
        };
        // Compared as digests, whose comparison takes the same time whatever is guessed right.
        blake3::hash(given) == blake3::hash(token.as_bytes())
    }
}

/// What is to be purged.
#[derive(Debug)]
pub(crate) enum What {
    Page(Uri),
    /// It is to be stale from now on.
    Softly(Uri),
    Everything,
}

impl What {
    fn of<B>(request: &Request<B>) -> Result<Self, (StatusCode, &'static str)> {
        let soft = wants_soft(request.headers())?;
        if is_everything(request) {
            let refused = "only a page can be purged softly";
            return if soft {
                Err((StatusCode::BAD_REQUEST, refused))
            } else {
                Ok(Self::Everything)
            };
        }
        let page = page(request).ok_or((StatusCode::BAD_REQUEST, "this names no page"))?;
        Ok(if soft {
            Self::Softly(page)
        } else {
            Self::Page(page)
        })
    }

    /// Does it, and says how it went.
    pub(crate) async fn purge(self, cache: &Cache) -> Said {
        let (purged, done) = match &self {
            Self::Page(uri) => (cache.purge(uri).await, format!("purged {uri}")),
            Self::Softly(uri) => {
                let done = format!("stale from now on: {uri}");
                (cache.soft_purge(uri).await, done)
            }
            Self::Everything => (cache.purge_all().await, "purged everything".into()),
        };
        match purged {
            Ok(()) => (StatusCode::OK, done),
            Err(error) => {
                tracing::warn!(%error, "a purge failed");
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

/// `PURGE *`.
pub(crate) fn is_everything<B>(request: &Request<B>) -> bool {
    request.method().as_str() == "PURGE" && request.uri().path() == "*"
}

fn page<B>(request: &Request<B>) -> Option<Uri> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let path = request.uri().path_and_query()?.as_str();
    let uri = Uri::builder().scheme("http").authority(host);
    uri.path_and_query(path).build().ok()
}

fn wants_soft(headers: &HeaderMap) -> Result<bool, (StatusCode, &'static str)> {
    match headers.get("soft-purge").map(http::HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(false),
        Some(b"1") => Ok(true),
        Some(_) => Err((StatusCode::BAD_REQUEST, "Soft-Purge is 1 or 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn allowed(token: bool, peers: &str) -> Allowed {
        Allowed {
            token: token.then(|| TOKEN.to_owned()),
            peers: peers
                .split_whitespace()
                .map(|net| net.parse().unwrap())
                .collect(),
        }
    }

    fn status(allowed: &Allowed, authorization: &str, client: &str) -> u16 {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        let checked = allowed.check(&headers, client.parse().unwrap());
        checked.err().map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn nobody_may_unless_somebody_was_named() {
        let right = format!("Bearer {TOKEN}");
        for (allowed, authorization, client, expected) in [
            (allowed(false, ""), &right[..], "127.0.0.1", 405),
            (allowed(true, ""), "", "127.0.0.1", 403),
            (allowed(true, ""), &right, "9.9.9.9", 200),
            (allowed(true, ""), "bearer 0123456789abcdef", "9.9.9.9", 200),
            (allowed(true, ""), "Bearer 0123456789abcdeg", "9.9.9.9", 403),
            (allowed(true, ""), "Bearer 0123456789abcde", "9.9.9.9", 403),
            (allowed(true, ""), "Bearer ", "9.9.9.9", 403),
            (allowed(true, ""), TOKEN, "9.9.9.9", 403),
            (allowed(false, "10.0.0.0/8 ::1/128"), "", "10.1.2.3", 200),
            (
                allowed(false, "10.0.0.0/8 ::1/128"),
                "",
                "::ffff:10.1.2.3",
                200,
            ),
            (allowed(false, "10.0.0.0/8 ::1/128"), "", "::1", 200),
            (
                allowed(false, "10.0.0.0/8 ::1/128"),
                &right,
                "11.1.2.3",
                403,
            ),
            (allowed(true, "10.0.0.0/8"), &right, "11.1.2.3", 200),
        ] {
            let got = status(&allowed, authorization, client);
            assert_eq!(got, expected, "{allowed:?} {authorization} {client}");
        }
    }
}
