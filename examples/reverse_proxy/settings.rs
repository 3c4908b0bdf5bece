//! What the proxy is told to do, checked before anything is started.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bellwether::{CacheBuilder, Rule, SetCookie};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};

use crate::Failure;
use crate::args::{Given, Text};
use crate::purge::Allowed;
use crate::{rules, units};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// All settings of one proxy.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Option<Target>,
    pub(crate) listen: SocketAddr,
    pub(crate) redis: Option<Redis>,
    pub(crate) local_capacity: u64,
    pub(crate) max_body_size: u64,
    pub(crate) fill_capacity: u64,
    pub(crate) shared_max_body_size: u64,
    pub(crate) caching: Caching,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) node: Option<String>,
    pub(crate) passthrough: bool,
    pub(crate) purge: Allowed,
}

/// What is stored, for how long, and how it is used; what is not given is the library's default.
#[derive(Debug)]
pub(crate) struct Caching {
    default_ttl: Option<Duration>,
    status_ttl: Vec<(RangeInclusive<u16>, Duration)>,
    grace: Option<Duration>,
    stale_if_error: Option<Duration>,
    stale_if_unreachable: Option<Duration>,
    keep: Option<Duration>,
    set_cookie: Option<SetCookie>,
    targets: Option<Vec<HeaderName>>,
    honor_request_directives: Option<bool>,
    fetch_timeout: Option<Duration>,
    rules: Vec<Rule>,
}

/// Where the shared tier is, and the certificates for the way there.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "certificates need TLS")
)]
pub(crate) struct Redis {
    pub(crate) url: String,
    pub(crate) ca: Option<Vec<u8>>,
    /// A certificate and its key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
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
            redis: Redis::read(given)?,
            local_capacity,
            max_body_size: read(given, "max_body_size", |text| {
                units::size(text, KIB..=largest)
            })?
            .unwrap_or(largest.min(8 * MIB)),
            fill_capacity: read(given, "fill_capacity", |text| units::size(text, MIB..=TIB))?
                .unwrap_or(64 * MIB),
            shared_max_body_size: read(given, "shared_max_body_size", |text| {
                units::size(text, KIB..=512 * MIB)
            })?
            .unwrap_or(MIB),
            caching: Caching::read(given)?,
            admin: read(given, "admin", units::address)?,
            node: read(given, "node", units::name)?,
            purge: Allowed {
                token: read(given, "purge_token", units::token)?,
                peers: read(given, "purge_from", units::networks)?.unwrap_or_default(),
            },
            passthrough: read(given, "passthrough", units::truth)?.unwrap_or(false),
        })
    }
}

impl Caching {
    fn read(given: &Given) -> Result<Self, Failure> {
        let time = |setting| {
            read(given, setting, |text| {
                units::time(text, Duration::ZERO..=YEAR)
            })
        };
        Ok(Self {
            default_ttl: time("default_ttl")?,
            status_ttl: read(given, "status_ttl", units::statuses)?.unwrap_or_default(),
            grace: time("grace")?,
            stale_if_error: time("stale_if_error")?,
            stale_if_unreachable: time("stale_if_unreachable")?,
            keep: time("keep")?,
            set_cookie: read(given, "set_cookie", units::set_cookie)?,
            targets: read(given, "targets", units::fields)?,
            honor_request_directives: read(given, "honor_request_directives", units::truth)?,
            fetch_timeout: read(given, "fetch_timeout", |text| {
                units::time(text, Duration::from_millis(1)..=Duration::from_secs(3_600))
            })?,
            rules: rules::read(&given.file, &given.rules)?,
        })
    }

    /// Hands it all to the library.
    pub(crate) fn apply(&self, builder: CacheBuilder) -> CacheBuilder {
        fn set<T: Clone>(
            builder: CacheBuilder,
            given: &Option<T>,
            set: fn(CacheBuilder, T) -> CacheBuilder,
        ) -> CacheBuilder {
            match given {
                Some(value) => set(builder, value.clone()),
                None => builder,
            }
        }
        let builder = set(builder, &self.default_ttl, CacheBuilder::default_ttl);
        let builder = set(builder, &self.grace, CacheBuilder::grace);
        let builder = set(builder, &self.stale_if_error, CacheBuilder::stale_if_error);
        let builder = set(
            builder,
            &self.stale_if_unreachable,
            CacheBuilder::stale_if_unreachable,
        );
        let builder = set(builder, &self.keep, CacheBuilder::keep);
        let builder = set(builder, &self.set_cookie, CacheBuilder::set_cookie);
        let builder = set(builder, &self.targets, CacheBuilder::targets);
        let honor = CacheBuilder::honor_request_directives;
        let builder = set(builder, &self.honor_request_directives, honor);
        let builder = set(builder, &self.fetch_timeout, CacheBuilder::fetch_timeout);
        let statuses = self.status_ttl.iter().cloned();
        let builder = statuses.fold(builder, |builder, (statuses, ttl)| {
            builder.status_ttl(statuses, ttl)
        });
        self.rules.iter().cloned().fold(builder, CacheBuilder::rule)
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

impl Redis {
    fn read(given: &Given) -> Result<Option<Self>, Failure> {
        let files = ["redis_ca", "redis_cert", "redis_key"];
        let place = |setting| given.find(setting).map(|text| text.place.clone());
        let Some(url) = read(given, "redis", redis_url)? else {
            // A node that was meant to be one of a fleet must not start alone.
            return match files.into_iter().find_map(place) {
                Some(place) => Err(Failure::usage(format!("{place}: --redis is missing"))),
                None => Ok(None),
            };
        };
        if !cfg!(feature = "tls")
            && let Some(place) = files.into_iter().find_map(place)
        {
            let line = format!("{place}: built without it, add the feature \"tls\"");
            return Err(Failure::usage(line));
        }
        let file = |setting| {
            read(given, setting, |path| {
                std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))
            })
        };
        let [ca, certificate, key] = files;
        let identity = match (file(certificate)?, file(key)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let line = "--redis-cert and --redis-key: either is missing the other";
                return Err(Failure::usage(line));
            }
        };
        let ca = file(ca)?;
        Ok(Some(Self { url, ca, identity }))
    }
}

/// The scheme alone: what follows, the library judges.
fn redis_url(text: &str) -> Result<String, String> {
    let schemes = [
        "redis://",
        "rediss://",
        "redis+unix://",
        "unix://",
        "redis+sentinel://",
        "rediss+sentinel://",
        "redis+cluster://",
        "rediss+cluster://",
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
        // What may hold a secret is not repeated.
        let value = if ["redis", "purge_token"].contains(&setting) {
            "the value"
        } else {
            &format!("{value:?}")
        };
        Failure::usage(format!("{place}: {value} is not allowed, {allowed}"))
    };
    parse(value).map(Some).map_err(wrong)
}
