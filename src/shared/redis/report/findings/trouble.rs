//! Why there is no talking to a server, and what helps.

use super::super::facts::{Facts, Place, Trouble};
use super::Finding;

/// About a server that entries are on.
pub(super) fn of_server(facts: &Facts, place: &Place, trouble: &Trouble) -> Finding {
    judge(facts, place, trouble, &facts.user, "user and password")
}

/// About a sentinel.
pub(super) fn of_sentinel(facts: &Facts, place: &Place, trouble: &Trouble) -> Finding {
    let parameters = "sentinel_user and sentinel_password";
    judge(facts, place, trouble, &facts.watcher, parameters)
}

fn judge(facts: &Facts, place: &Place, trouble: &Trouble, user: &str, parts: &str) -> Finding {
    let limit = facts.limit.as_secs();
    let ping = place.redis_cli(facts.tls, "ping");
    let finding = match trouble {
        Trouble::Refused => Finding::problem(
            "nothing listens there (connection refused)",
            "start the server, or correct the place in the URL; from this machine, this has to \
             reach it:",
        )
        .run(ping),
        Trouble::Unknown(why) => {
            let cure =
                "correct the host in the URL, or the name service; this has to show an address:";
            Finding::problem(
                format!("the name of the host is not known here ({why})"),
                cure,
            )
            .run(format!("getent hosts {}", place.host()))
        }
        Trouble::NoLogin => Finding::problem(
            "it wants a password, and the URL has none",
            format!("put {parts} into the URL, percent-encoded, as here:"),
        )
        .run(if parts.starts_with("sentinel") {
            "?sentinel_user=USER&sentinel_password=PASSWORD"
        } else {
            "redis://USER:PASSWORD@HOST:PORT"
        }),
        Trouble::WrongLogin(_) => Finding::problem(
            format!("it does not accept the user {user} with this password (WRONGPASS)"),
            format!(
                "correct {parts} in the URL (percent-encoded), or give the user this password, in \
                 redis-cli as a user who may:"
            ),
        )
        .run(format!("ACL SETUSER {user} on >PASSWORD")),
        Trouble::TooOld => Finding::problem(
            "it does not know HELLO 3: it is older than Redis 6.0, or a proxy that hides RESP3; \
             events and access rules are missing there",
            "Redis 6.0 or later, or Valkey, without such a proxy in between",
        ),
        Trouble::Tls(why) => Finding::problem(
            format!("no encrypted connection comes about ({why})"),
            tls_cure(why),
        ),
        Trouble::Closed if facts.tls => Finding::problem(
            "it closed the connection at once: perhaps it speaks no TLS at this port",
            "the port that tls-port sets, or redis in place of rediss in the URL",
        ),
        Trouble::Closed => Finding::problem(
            "it closed the connection at once: perhaps it speaks only TLS at this port",
            "rediss in place of redis in the URL (feature \"tls\"), or another port; this shows \
             who is there:",
        )
        .run(ping),
        Trouble::Late if facts.tls => Finding::problem(
            format!(
                "no answer within {limit} s: no TLS at this port, or frozen, overloaded, or cut off \
                 by a firewall"
            ),
            "the port that tls-port sets; from here, this has to answer:",
        )
        .run(ping),
        Trouble::Late => Finding::problem(
            format!("no answer within {limit} s: frozen, overloaded, or cut off by a firewall"),
            "look after that machine and the network; from here, this has to answer:",
        )
        .run(ping),
        Trouble::Other(why) => Finding::problem(
            format!("it cannot be talked to: {why}"),
            "its log may say more; from here, this has to answer:",
        )
        .run(ping),
    };
    finding.at(place)
}

/// By the words of rustls, and of the server's alert.
fn tls_cure(why: &str) -> &'static str {
    if why.contains("UnknownIssuer") {
        "the certificate of who vouches for it: RedisTierBuilder::ca_certificate, the proxy's \
         --redis-ca FILE"
    } else if why.contains("NotValidForName") || why.contains("not valid for name") {
        "a certificate that holds for the host as the URL names it, or the name that it holds for \
         in the URL"
    } else if why.contains("CertificateRequired") || why.contains("received fatal alert") {
        "it asks for a certificate: RedisTierBuilder::client_certificate, the proxy's --redis-cert \
         FILE and --redis-key FILE"
    } else if why.contains("corrupt message") {
        "what answers there is not TLS: the port that tls-port sets, or redis in place of rediss in \
         the URL"
    } else {
        "a certificate of the server that is valid now, for the host as the URL names it"
    }
}
