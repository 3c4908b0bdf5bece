//! May it be stored, for how long is it fresh, and how old is it (RFC 9111 §3, §4.2; RFC 5861)?

use super::said::Said;
use super::text::{delta_seconds, has, is_token, lines, members};
use super::{Fields, SECOND, calendar};

/// A request as far as it matters, and its response. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) get: bool,
    pub(super) authorized: bool,
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) requested: i128,
    pub(super) received: i128,
}

/// What the user of the cache wants, in seconds.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    pub(super) default_ttl: Option<i128>,
    pub(super) grace: i128,
    pub(super) if_error: Option<i128>,
    pub(super) if_unreachable: i128,
    pub(super) keep: i128,
    pub(super) cookies: bool,
    pub(super) longest_guess: i128,
}

/// What a stored response is good for, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stored {
    /// On receipt.
    pub(super) age: i128,
    /// The freshness lifetime. All that follow begin where it ends.
    pub(super) fresh: i128,
    pub(super) revalidating: i128,
    pub(super) if_error: i128,
    pub(super) if_unreachable: i128,
    /// After all of these.
    pub(super) keep: i128,
}

/// Stored, or all the reasons for which it is not.
pub(super) fn judge(exchange: &Exchange, wishes: &Wishes) -> Result<Stored, Vec<&'static str>> {
    let said = Said::of(&exchange.fields);
    let mut reasons = vec![];
    let mut refuse = |when: bool, why| {
        if when {
            reasons.push(why);
        }
    };
    let Exchange { status, fields, .. } = exchange;
    // §3, in its order: "the request method is understood by the cache" (only GET is).
    refuse(!exchange.get, "method");
    // "the response status code is final"; a 304 is no response of its own.
    refuse(!(200..=599).contains(status) || *status == 304, "status");
    // "if the response status code is 206 or 304, or the must-understand cache directive is
    // present: the cache understands the response status code" (206 is not understood here).
    refuse(*status == 206, "partial");
    let must_understand = said.flag("must-understand");
    refuse(must_understand && !specified(*status), "status");
    // "the no-store cache directive is not present in the response"; §5.2.2.3: ignored beside
    // must-understand.
    refuse(said.flag("no-store") && !must_understand, "no-store");
    // "if the cache is shared: the private response directive is either not present or allows a
    // shared cache to store a modified response".
    refuse(said.unqualified("private"), "private");
    // "if the cache is shared: the Authorization header field is not present in the request or a
    // response directive is present that explicitly allows shared caching (§3.5)".
    let shared = ["must-revalidate", "public", "s-maxage"];
    let allowed = shared.iter().any(|name| said.flag(name));
    refuse(exchange.authorized && !allowed, "authorization");
    // Not of the RFC.
    let cookies = has(fields, "set-cookie") && !said.withholds("set-cookie");
    refuse(cookies && !wishes.cookies, "set-cookie");
    // §4.1: what varies by anything never matches.
    let any = |member: &String| member == "*" || !is_token(member);
    refuse(members(fields, "vary").iter().any(any), "vary-any");
    // "the response contains at least one of the following: a public response directive; ... an
    // Expires header field; a max-age response directive; if the cache is shared, an s-maxage
    // response directive; ... a status code that is defined as heuristically cacheable".
    let one = said.flag("public")
        || said.flag("max-age")
        || said.flag("s-maxage")
        || has(fields, "expires")
        || guessable(*status);
    let fresh = lifetime(exchange, wishes, &said);
    refuse(!one || fresh.is_none(), "no-freshness");

    let fresh = fresh.unwrap_or(0);
    let forbidden = said.flag("must-revalidate")
        || said.flag("proxy-revalidate")
        || said.flag("s-maxage")
        || said.unqualified("no-cache");
    let permitted = |seconds: i128| if forbidden { 0 } else { seconds * SECOND };
    let revalidating = said.seconds("stale-while-revalidate").unwrap_or(0);
    let on_error = said.seconds("stale-if-error");
    let validator = ["etag", "last-modified"];
    let validator = validator
        .iter()
        .any(|name| has(fields, name) && !said.withholds(name));
    let stored = Stored {
        age: initial_age(exchange),
        fresh,
        revalidating: permitted(revalidating.max(wishes.grace)),
        if_error: permitted(on_error.or(wishes.if_error).unwrap_or(0)),
        if_unreachable: permitted(on_error.unwrap_or(wishes.if_unreachable)),
        keep: if validator { wishes.keep * SECOND } else { 0 },
    };
    // Nothing that is of no use from the start.
    refuse(stored.at(0) == "dead", "no-freshness");
    if reasons.is_empty() {
        Ok(stored)
    } else {
        Err(reasons)
    }
}

/// §4.2.1, "the first match of".
fn lifetime(exchange: &Exchange, wishes: &Wishes, said: &Said) -> Option<i128> {
    let Exchange { fields, .. } = exchange;
    // §5.2.2.4: never used without validation.
    if said.unqualified("no-cache") {
        return Some(0);
    }
    for name in ["s-maxage", "max-age"] {
        if said.flag(name) {
            // "encouraged to consider responses that have invalid freshness information to be
            // stale".
            return Some(said.seconds(name).unwrap_or(0) * SECOND);
        }
    }
    let made = made(exchange);
    if let Some(expires) = lines(fields, "expires").first() {
        // §5.3: an invalid date is a time in the past.
        let left = calendar::read(expires).map_or(0, |until| until * SECOND - made);
        return Some(left.clamp(0, 2_i128.pow(31) * SECOND));
    }
    if let Some(default) = wishes.default_ttl {
        return Some(default * SECOND);
    }
    // §4.2.2: "a typical setting of this fraction might be 10%".
    let changed = lines(fields, "last-modified");
    let changed = calendar::read(changed.first()?)? * SECOND;
    Some(((made - changed).max(0) / 10).min(wishes.longest_guess * SECOND))
}

/// The Date, or the time of receipt (RFC 9110 §6.6.1) in the seconds that dates have.
fn made(exchange: &Exchange) -> i128 {
    let dates = lines(&exchange.fields, "date");
    let date = dates.first().and_then(|date| calendar::read(date));
    date.map_or(exchange.received / SECOND * SECOND, |date| date * SECOND)
}

/// §4.2.3, as it is printed.
fn initial_age(exchange: &Exchange) -> i128 {
    let response_time = exchange.received / SECOND * SECOND;
    let date_value = made(exchange);
    let apparent_age = 0.max(response_time - date_value);

    let age = lines(&exchange.fields, "age");
    // §5.1: "the first member", and what is no number "SHOULD be ignored".
    let age = age.first().and_then(|line| line.split(',').next());
    let age_value = age.and_then(|age| delta_seconds(age.trim_matches([' ', '\t'])));
    // A clock that was set back measures nothing.
    let response_delay = 0.max(exchange.received - exchange.requested);
    let corrected_age_value = age_value.unwrap_or(0) * SECOND + response_delay;

    apparent_age.max(corrected_age_value)
}

impl Stored {
    /// What it is good for so many microseconds after its receipt.
    pub(super) fn at(&self, passed: i128) -> &'static str {
        let current_age = self.age + passed;
        // §4.2: "response_is_fresh = (freshness_lifetime > current_age)".
        if self.fresh > current_age {
            return "fresh";
        }
        let stale_for = current_age - self.fresh;
        if stale_for < self.revalidating {
            "stale"
        } else if stale_for < self.if_error {
            "on-error"
        } else if stale_for < self.if_unreachable {
            "if-unreachable"
        } else if passed < self.servable() + self.keep {
            "kept"
        } else {
            "dead"
        }
    }

    /// Time from receipt until it may no longer be served at all.
    pub(super) fn servable(&self) -> i128 {
        let stale = self
            .revalidating
            .max(self.if_error)
            .max(self.if_unreachable);
        0.max(self.fresh + stale - self.age)
    }
}

/// RFC 9110 §15.1.
fn guessable(status: u16) -> bool {
    [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501].contains(&status)
}

/// The codes that RFC 9110 §15 has a section for, but for those that need more of a cache.
fn specified(status: u16) -> bool {
    let unused = [306, 418];
    let known = [
        200..=205,
        300..=303,
        305..=308,
        400..=418,
        421..=422,
        426..=426,
        500..=505,
    ];
    known.iter().any(|codes| codes.contains(&status)) && !unused.contains(&status)
}
