//! What went wrong, and what it says about the server.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::url::Host;
use crate::error::Error;

/// What a single server says that is none.
pub(super) const NOT_HERE: &str = "it is one node of a cluster: the URL has to be redis+cluster://";

/// Why an operation has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is gone: no other call on it can end well.
    Dead(RedisError),
    /// The server answers, but does not do its work (loading, a replica, no permission).
    Refused(RedisError),
    /// Where the server is could not be found out.
    Nowhere(String),
    /// The node of a cluster is well, but the entry is with another one, or on its way there.
    Elsewhere(Elsewhere),
    /// What is stored under the name is not ours or not whole. The server is well.
    Foreign(String),
    /// No answer in time.
    Late,
    /// The operation was not sent: the breaker is open.
    Held,
}

/// What a node of a cluster says about an entry that it does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// The whole slot is with another node now.
    Moved { slot: u16, to: Host },
    /// This entry is, while the others of its slot follow.
    Asked { to: Host },
    /// Of its two keys only one has arrived: nobody can serve it for a moment.
    Between,
}

impl Elsewhere {
    pub(super) fn read(error: &RedisError) -> Option<Self> {
        let ErrorKind::Server(kind) = error.kind() else {
            return None;
        };
        let there = || {
            let (place, slot) = error.redirect_node()?;
            let (name, port) = place.rsplit_once(':')?;
            let (name, port) = (name.to_owned(), port.parse().ok()?);
            Some((Host { name, port }, slot))
        };
        match kind {
            ServerErrorKind::Moved => there().map(|(to, slot)| Self::Moved { slot, to }),
            ServerErrorKind::Ask => there().map(|(to, _)| Self::Asked { to }),
            ServerErrorKind::TryAgain => Some(Self::Between),
            _ => None,
        }
    }
}

impl Failure {
    /// Says what is wrong about a reply or about stored data.
    pub(super) fn foreign(what: impl Into<String>) -> Self {
        Self::Foreign(what.into())
    }

    /// In words, for a log line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Dead(error) if error.is_connection_refusal() => "connection refused".into(),
            Self::Dead(error) | Self::Refused(error) => error.to_string(),
            Self::Foreign(what) | Self::Nowhere(what) => what.clone(),
            Self::Elsewhere(_) => NOT_HERE.into(),
            Self::Late => "no answer in time".into(),
            Self::Held => "out of reach".into(),
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Late;
        }
        if error.is_unrecoverable_error() {
            return Self::Dead(error);
        }
        if let Some(elsewhere) = Elsewhere::read(&error) {
            return Self::Elsewhere(elsewhere);
        }
        let text = error.to_string();
        // Before Redis 7 an error of a command in a script is wrapped, so its code is in the text.
        if text.contains("WRONGTYPE") {
            return Self::Foreign("the key holds another type of value".into());
        }
        let plain = matches!(error.kind(), ErrorKind::Server(kind) if kind == ServerErrorKind::ResponseError);
        if plain && text.contains("user_script") && !is_of_the_server(&text) {
            // The script stumbled over a field that is not what it writes itself.
            return Self::Foreign(text);
        }
        Self::Refused(error)
    }
}

/// True if a command in a script failed because the server does not do its work, before Redis 7:
/// `ERR Error running script (…): @user_script:14: @user_script: 14: -READONLY You can't write…`.
fn is_of_the_server(text: &str) -> bool {
    let wrapped = text.split_once("user_script: ");
    let code = wrapped.and_then(|(_, rest)| rest.split_once(": -"));
    // What is stored is to blame for plain errors: a field that is no number.
    code.is_some_and(|(_, error)| !error.starts_with("ERR"))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Dead(error) => {
                Self::unavailable("the connection to redis is lost").with_source(error)
            }
            Failure::Refused(error) => {
                Self::unavailable("redis refused the call").with_source(error)
            }
            Failure::Foreign(what) => Self::corrupt(format!("unexpected data in redis: {what}")),
            Failure::Nowhere(what) => Self::unavailable(what),
            Failure::Elsewhere(_) => Self::unavailable("the entry moves to another node of redis"),
            Failure::Late => Self::unavailable("redis did not answer in time"),
            Failure::Held => Self::unavailable("redis is out of reach"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: &str) -> Failure {
        let value = redis::parse_redis_value(format!("-{error}\r\n").as_bytes());
        Failure::from(value.unwrap().extract_error().expect_err("it is one"))
    }

    #[test]
    fn the_error_of_a_command_in_a_script_is_told_from_one_of_what_is_stored() {
        // As Redis 6.0 says it, and as 7.0 does.
        let wrapped = |line: &str| {
            said(&format!(
                "ERR Error running script (call to f_38ab): @user_script:14: @user_script: 14: {line}"
            ))
        };
        let since = |line: &str| said(&format!("{line} script: 38ab, on @user_script:14."));
        for line in [
            "READONLY You can't write against a read only replica.",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "NOREPLICAS Not enough good replicas to write.",
            "MISCONF Redis is configured to save RDB snapshots",
        ] {
            let (before, since) = (wrapped(&format!("-{line}")), since(line));
            assert!(matches!(before, Failure::Refused(_)), "{before:?}");
            assert!(matches!(since, Failure::Refused(_)), "{since:?}");
        }
        for line in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR value is not an integer or out of range",
        ] {
            let (before, since) = (wrapped(&format!("-{line}")), since(line));
            assert!(matches!(before, Failure::Foreign(_)), "{before:?}");
            assert!(matches!(since, Failure::Foreign(_)), "{since:?}");
        }
        let stumbled = "attempt to compare nil with number";
        let before = said(&format!(
            "ERR Error running script (call to f_38ab): @user_script:7: user_script:7: {stumbled} "
        ));
        let since = said(&format!(
            "ERR user_script:7: {stumbled} script: 38ab, on @user_script:7."
        ));
        for failure in [before, since] {
            assert!(matches!(failure, Failure::Foreign(_)), "{failure:?}");
        }
    }
}
