//! What holds for some requests only, as data.

mod check;
mod setters;

pub(crate) use check::as_matched;

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, Method};

use crate::semantics::policy::{Ignore, SetCookie};

/// Settings for some requests: those that are for one of the `paths` on one of the `hosts` with
/// one of the `methods`.
///
/// **The first rule that matches holds, alone; what it leaves out is as in the general settings.**
/// A list that it gives takes the place of the general one.
///
/// ```
/// # fn main() -> Result<(), bellwether::Error> {
/// use bellwether::{Cache, Query, Rule};
/// use std::time::Duration;
///
/// let cache = Cache::builder()
///     .rule(Rule::path("/assets/**").ttl(Duration::from_secs(86_400)).query(Query::None))
///     .rule(Rule::path("/account/**").cache(false))
///     .build()?;
/// # let _ = cache;
/// # Ok(())
/// # }
/// ```
///
/// # What rules rest on
/// - Whoever is answered by one entry must be owed the same answer. What the origin looks at
///   (parameters, fields, cookies) has to be in the key or kept from it; a rule that takes
///   parameters or cookies away therefore takes them away from the request too.
/// - A HEAD is answered out of a GET's entry, so it counts as a GET, here and in `methods`.
/// - Requests that pass the cache by go to the origin as they came.
/// - All nodes of a fleet need the same rules, since they share entries. What was stored under
///   other rules is used as it was stored: purge it when a rule has to take hold at once.
/// - A path that different servers read differently (`/a/..%2fb`, `//a`, `/a;b`) passes by, with
///   the detail `ambiguous-path`, where it depends on the reading which rule holds. Else an
///   attacker could choose the rule for a page.
///
/// [`docs::configuration`](crate::docs::configuration) has worked examples, and says which
/// directive of nginx and which idiom of Varnish becomes what.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// Globs for the path without its query: `*` stays within a segment, `**` stands for any
    /// number of segments (`/api/**` holds for `/api/`, not for `/api`), `{a,b}`, `[ab]` and `?` are
    /// as usual. Case counts; percent-encoding does not (`%61` is `a`), unless it hides a
    /// separator.
    ///
    /// Default: all.
    pub paths: Vec<String>,
    /// Globs for the host, as the service sees it. `*` stands for anything, dots included. Case
    /// does not count, nor does the port unless the glob has one.
    ///
    /// Default: all.
    pub hosts: Vec<String>,
    /// The methods. HEAD counts as GET.
    ///
    /// Default: all.
    pub methods: Vec<Method>,
    /// False: requests pass by; nothing is looked up or stored. Unsafe requests go on to
    /// invalidate: see [`invalidate`](field@Self::invalidate).
    ///
    /// Default: true.
    pub cache: Option<bool>,
    /// False: an unsafe request (a POST to `/search`, say) invalidates nothing, neither its own
    /// URL nor what `Location` and `Content-Location` name.
    ///
    /// *Safety*: RFC 9111 §4.4 demands the invalidation. Without it a page may be old that the
    /// client itself has just changed.
    ///
    /// Default: true.
    pub invalidate: Option<bool>,
    /// The lifetime of successes and redirections (200, 203, 204, 300, 301, 308...), whatever the
    /// origin says. `no-store`, `private`, `no-cache`, `Set-Cookie` and `Authorization` count all
    /// the same. The response's own fields are not changed: browsers go by those.
    ///
    /// *Safety*: what the origin meant to be dynamic is the same for all for that long. Only for
    /// pages that do not differ by user: one that the origin makes by a cookie, without `Vary` or
    /// `private`, is one user's page shown to others.
    ///
    /// Default: what the origin says.
    pub ttl: Option<Duration>,
    /// As [`CacheBuilder::default_ttl`](crate::CacheBuilder::default_ttl).
    ///
    /// *Safety*: as with `ttl`, for responses about which the origin says nothing.
    pub default_ttl: Option<Duration>,
    /// As [`CacheBuilder::grace`](crate::CacheBuilder::grace).
    pub grace: Option<Duration>,
    /// As [`CacheBuilder::stale_if_error`](crate::CacheBuilder::stale_if_error).
    pub stale_if_error: Option<Duration>,
    /// As [`CacheBuilder::stale_if_unreachable`](crate::CacheBuilder::stale_if_unreachable).
    pub stale_if_unreachable: Option<Duration>,
    /// As [`CacheBuilder::keep`](crate::CacheBuilder::keep).
    pub keep: Option<Duration>,
    /// As [`CacheBuilder::status_ttl`](crate::CacheBuilder::status_ttl): lifetimes by status where
    /// the origin says nothing, the first that holds counts.
    ///
    /// *Safety*: an error that one client met is everyone's for that long.
    ///
    /// Default: empty, as in the general settings.
    pub status_ttl: Vec<(RangeInclusive<u16>, Duration)>,
    /// What the origin says in vain.
    ///
    /// *Safety*: [`Ignore`] says it for each. To ignore `private` or `no-store` gives what was
    /// made for one user to all; only for pages of which you know better than their origin.
    ///
    /// Default: nothing.
    pub ignore: Vec<Ignore>,
    /// As [`CacheBuilder::set_cookie`](crate::CacheBuilder::set_cookie).
    ///
    /// *Safety*: a cookie that is shared hands one user's session to the others.
    pub set_cookie: Option<SetCookie>,
    /// As [`CacheBuilder::honor_request_directives`](crate::CacheBuilder::honor_request_directives).
    pub honor_request_directives: Option<bool>,
    /// Which parameters of the query count.
    ///
    /// *Safety*: those that do not are kept from the origin too, in every request that is looked
    /// up. What it reads must count, or it answers as if they had not been sent.
    ///
    /// Default: [`Query::All`].
    pub query: Query,
    /// Sorts parameters by name, so that one entry serves all orders. Repeated ones keep their
    /// order among themselves. The origin gets them sorted too.
    ///
    /// *Safety*: not where the order between different names means something to the origin (some
    /// form handlers, signed URLs).
    ///
    /// Default: false.
    pub sort_query: bool,
    /// Request fields that choose a variant although no `Vary` of the origin names them:
    /// `accept-language`, `x-device`.
    ///
    /// The first request for a URL is sent before it is known to vary; those that wait for it with
    /// other values look again, and each variant is fetched once. A purge of the URL takes all
    /// variants.
    ///
    /// *Safety*: makes sharing narrower, never wider. Each value that clients can think of is an
    /// entry: a field that everybody may fill at will fills the cache. Caches behind this one (a
    /// browser, a CDN) do not learn of it: an origin that sends `Vary` tells them too.
    ///
    /// Default: none.
    pub key_headers: Vec<HeaderName>,
    /// Cookies by name that choose a variant, like `key_headers`: the alternative to `Vary:
    /// Cookie`, by which each user has a variant of their own. Without wildcards; case does not
    /// count, and if there are several of a name, all count.
    ///
    /// *Safety*: other cookies still reach the origin. Take them away with
    /// [`strip_cookies`](field@Self::strip_cookies) unless you know that it does not look at them.
    ///
    /// Default: none.
    pub key_cookies: Vec<String>,
    /// Cookies (globs, without regard to case) with which a request passes by, and its response is
    /// not stored: those of users who are logged in. Others are served from the cache.
    ///
    /// *Safety*: a login cookie that is missing here lets its owner's page be stored for all,
    /// unless the origin says `private`. Whoever sends such a cookie gets through to the origin,
    /// made up or not.
    ///
    /// Default: none.
    pub bypass_cookies: Vec<String>,
    /// Request fields with which a request passes by, likewise.
    ///
    /// Default: none.
    pub bypass_headers: Vec<HeaderName>,
    /// Cookies that are taken out of requests which are looked up, before the key is made and the
    /// origin asked.
    ///
    /// *Safety*: the origin answers as to somebody without them, and on pages that are cached
    /// everybody is logged out. Keep what the page depends on, and put that into
    /// [`key_cookies`](field@Self::key_cookies), or let it pass with
    /// [`bypass_cookies`](field@Self::bypass_cookies).
    ///
    /// Default: [`Cookies::None`].
    pub strip_cookies: Cookies,
}

/// Which parameters of a query count. Names are globs (`utm_*`), compared byte for byte: `%61` is
/// not `a`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// All.
    #[default]
    All,
    /// All but these.
    Ignore(Vec<String>),
    /// These only.
    Only(Vec<String>),
    /// None: the query is cut off.
    None,
}

/// Which cookies are taken out of requests. Names are globs, without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cookies {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// All but these.
    Except(Vec<String>),
    /// These only.
    Only(Vec<String>),
}
