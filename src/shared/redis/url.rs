//! Where the server is and who we are to it, read from a URL.

use std::fmt;

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    io::tcp::TcpSettings,
};

use crate::error::Error;

/// A server that vanished without a word counts as gone after this long, in milliseconds of
/// unacknowledged data.
const USER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

/// What a URL says. Neither of its text forms shows the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    port: u16,
    /// The number of the database.
    pub(super) db: u32,
    username: Option<String>,
    password: Option<String>,
}

impl Target {
    /// Reads `redis://[[user]:password@]host[:port][/db]`; port 6379 and database 0 by default.
    /// User and password may be percent-encoded, an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// `Config`, naming the part that is wrong. The text repeats neither the password nor any
    /// part that may hold one because something was left out.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::config(
                "redis url: it has to look like redis://host:port/db",
            ));
        };
        match scheme {
            "redis" => {}
            "rediss" | "redis+sentinel" | "redis+cluster" | "unix" | "redis+unix" => {
                return Err(Error::config(format!(
                    "redis url: {scheme}:// is not supported yet, only redis:// is"
                )));
            }
            _ => {
                return Err(Error::config(
                    "redis url: unknown scheme, only redis:// is supported",
                ));
            }
        }
        // The last `@`: an unencoded one in a password is a common slip, and harmless.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let known = if user.is_some() {
            "redis://***@…"
        } else {
            "redis://…"
        };
        let wrong = |what: &str| Error::config(format!("redis url {known}: {what}"));
        if rest.contains(['?', '#']) {
            return Err(wrong("parameters after ? or # are not known"));
        }
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let db = match path.trim_end_matches('/') {
            "" => 0,
            text => number(text)
                .ok_or_else(|| wrong("the database after / has to be a number, as in /0"))?,
        };
        let (host, port) = split_port(place)
            .ok_or_else(|| wrong("an IPv6 address has to stand in brackets, as in [::1]:6379"))?;
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let port = match port {
            None => 6379,
            Some(text) => number(text)
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| wrong("the port has to be a number from 1 to 65535"))?,
        };
        let (username, password) = match user {
            None => (None, None),
            Some(user) => {
                let (name, word) = user.split_once(':').unwrap_or((user, ""));
                let decode = |text: &str| {
                    decoded(text)
                        .ok_or_else(|| wrong("user and password have to be percent-encoded UTF-8"))
                };
                (decode(name)?, decode(word)?)
            }
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            db,
            username,
            password,
        })
    }

    /// The same in the client's terms, with what its defaults leave out.
    pub(super) fn info(&self) -> redis::RedisResult<ConnectionInfo> {
        let mut redis = RedisConnectionInfo::default()
            .set_db(i64::from(self.db))
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("bellwether", env!("CARGO_PKG_VERSION"));
        if let Some(username) = &self.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.set_password(password);
        }
        let info = ConnectionAddr::Tcp(self.host.clone(), self.port).into_connection_info()?;
        Ok(info.set_redis_settings(redis).set_tcp_settings(tcp()))
    }
}

fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

/// Host and port, the brackets of an IPv6 address taken off; `None` if they are missing.
fn split_port(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(inside) = place.strip_prefix('[') {
        let (host, after) = inside.split_once(']')?;
        return match after {
            "" => Some((host, None)),
            after => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    match place.split_once(':') {
        None => Some((place, None)),
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The percent-decoded text; `Some(None)` for the empty one, `None` if it is malformed.
#[expect(clippy::option_option, reason = "absent and malformed are two things")]
fn decoded(text: &str) -> Option<Option<String>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    Some((!text.is_empty()).then_some(text))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, db, .. } = self;
        if host.contains(':') {
            write!(f, "redis://[{host}]:{port}/{db}")
        } else {
            write!(f, "redis://{host}:{port}/{db}")
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16, db: u32, user: Option<&str>, word: Option<&str>) -> Target {
        Target {
            host: host.into(),
            port,
            db,
            username: user.map(Into::into),
            password: word.map(Into::into),
        }
    }

    #[test]
    fn what_a_url_says_is_understood() {
        for (url, expected) in [
            ("redis://a", target("a", 6379, 0, None, None)),
            ("redis://a/", target("a", 6379, 0, None, None)),
            ("redis://a:1/15", target("a", 1, 15, None, None)),
            ("redis://[::1]:7/2", target("::1", 7, 2, None, None)),
            ("redis://[::1]", target("::1", 6379, 0, None, None)),
            ("redis://:pw@a", target("a", 6379, 0, None, Some("pw"))),
            ("redis://u@a", target("a", 6379, 0, Some("u"), None)),
            (
                "redis://u:p%40%3a@/b@a:9",
                target("a", 9, 0, Some("u"), Some("p@:@/b")),
            ),
        ] {
            assert_eq!(Target::parse(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        for (url, named) in [
            ("", "look like"),
            ("u:s3cret@a:1", "look like"),
            ("http://u:s3cret@a", "scheme"),
            ("rediss://u:s3cret@a", "rediss:// is not supported yet"),
            ("redis+sentinel://a", "not supported yet"),
            ("redis+cluster://a", "not supported yet"),
            ("redis://u:s3cret@a:0", "port"),
            ("redis://u:s3cret@a:70000", "port"),
            ("redis://u:s3cret@a:x", "port"),
            ("redis://u:s3cret", "port"),
            ("redis://u:s3cret@a/x", "database"),
            ("redis://u:s3cret@a/-1", "database"),
            ("redis://u:s3cret@a?password=s3cret", "parameters"),
            ("redis://u:s3cret@a/0#insecure", "parameters"),
            ("redis://u:s3cret@", "host"),
            ("redis://u:s3cret@::1", "brackets"),
            ("redis://u:s3cret@[::1", "brackets"),
            ("redis://u:s3cret%4@a", "percent-encoded"),
            ("redis://u:s3cret%ff@a", "percent-encoded"),
        ] {
            let error = Target::parse(url).expect_err(url);
            let text = format!("{error} {error:?}");
            assert!(error.is_config() && text.contains(named), "{url}: {text}");
            assert!(!text.contains("s3cret"), "{url}: {text}");
        }
    }

    #[test]
    fn no_text_form_shows_the_password() {
        let target = Target::parse("redis://u:s3cret@[::1]:7/2").unwrap();
        assert_eq!(target.to_string(), "redis://[::1]:7/2");
        assert!(!format!("{target:?}").contains("s3cret"));
    }
}
