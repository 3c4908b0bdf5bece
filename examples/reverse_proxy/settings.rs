//! What the proxy is told to do, checked before anything is started.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

use crate::Failure;
use crate::args::{Given, Text};
use crate::units;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// All settings of one proxy.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Option<Target>,
    pub(crate) listen: SocketAddr,
    pub(crate) redis: Option<String>,
    pub(crate) grace: Duration,
    pub(crate) local_capacity: u64,
    pub(crate) max_body_size: u64,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) node: Option<String>,
}

/// Where the origin is.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// The authority once more, as a `Host` field: cloned for each request, so made once.
    pub(crate) host: HeaderValue,
}

impl Settings {
    /// Reads the texts, or says which of them is wrong, where it stands and what is allowed.
    pub(crate) fn read(given: &Given) -> Result<Self, Failure> {
        let local_capacity = read(given, "local_capacity", |text| units::size(text, MIB..=TIB))?
            .unwrap_or(256 * MIB);
        // No entry may be larger than the whole cache. A default yields to that silently; a
        // number that somebody wrote down does not.
        let largest = local_capacity.min(4 << 30);
        Ok(Self {
            origin: read(given, "origin", Target::parse)?,
            listen: read(given, "listen", units::address)?
                .unwrap_or_else(|| ([127, 0, 0, 1], 8080).into()),
            redis: read(given, "redis", redis_url)?,
            grace: read(given, "grace", |text| {
                units::time(text, Duration::ZERO..=YEAR)
            })?
            .unwrap_or(Duration::ZERO),
            local_capacity,
            max_body_size: read(given, "max_body_size", |text| {
                units::size(text, KIB..=largest)
            })?
            .unwrap_or(largest.min(8 * MIB)),
            admin: read(given, "admin", units::address)?,
            node: read(given, "node", units::name)?,
        })
    }
}

impl Target {
    /// Reads `http://host[:port]`, with nothing after it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let allowed = || "expected http://HOST[:PORT] or https://HOST[:PORT], no path".to_owned();
        let uri: Uri = text.trim().parse().map_err(|_| allowed())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let (Some(scheme), Some(authority), true) = (uri.scheme(), uri.authority(), bare) else {
            return Err(allowed());
        };
        let known = [Scheme::HTTP, Scheme::HTTPS].contains(scheme);
        // A port of 0, or one that is no number, would only fail at the first request.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok_and(|p| p > 0),
            _ => true,
        };
        if !known || !port || authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(allowed());
        }
        HeaderValue::from_str(authority.as_str()).map_err(|_| allowed())?;
        // Checked above. Leaked once, so that the clone which each request takes counts no
        // references in a line of memory that all cores would share.
        let host = HeaderValue::from_static(authority.to_string().leak());
        Ok(Self {
            scheme: scheme.clone(),
            authority: authority.clone(),
            host,
        })
    }
}

fn redis_url(text: &str) -> Result<String, String> {
    let schemes = [
        "redis://",
        "rediss://",
        "redis+sentinel://",
        "redis+cluster://",
    ];
    if schemes.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.to_owned());
    }
    Err("expected a URL like redis://127.0.0.1:6379".to_owned())
}

fn read<T>(
    given: &Given,
    setting: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    let Some(Text { value, place }) = given.find(setting) else {
        return Ok(None);
    };
    let wrong = |allowed| {
        // The one setting that may hold a password is not repeated.
        let value = if setting == "redis" {
            "the value"
        } else {
            &format!("{value:?}")
        };
        Failure::usage(format!("{place}: {value} is not allowed, {allowed}"))
    };
    parse(value).map(Some).map_err(wrong)
}
