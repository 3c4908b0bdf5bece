//! What went wrong, and what it says about the server.

use redis::{ErrorKind, RedisError};

use crate::error::Error;

/// Why an operation has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is gone: no other call on it can end well.
    Dead(RedisError),
    /// The server answers, but does not do its work (loading, a replica, no permission).
    Refused(RedisError),
    /// What is stored under the name is not ours or not whole. The server is well.
    Foreign(String),
    /// No answer in time.
    Late,
    /// The operation was not sent: the breaker is open.
    Held,
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
            Self::Foreign(what) => what.clone(),
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
        let text = error.to_string();
        // Before Redis 7 an error of a command in a script is wrapped, so its code is in the text.
        if text.contains("WRONGTYPE") {
            return Self::Foreign("the key holds another type of value".into());
        }
        let plain = matches!(error.kind(), ErrorKind::Server(kind) if kind == redis::ServerErrorKind::ResponseError);
        if plain && text.contains("user_script") {
            // The script stumbled over a field that is not what it writes itself.
            return Self::Foreign(text);
        }
        Self::Refused(error)
    }
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
            Failure::Late => Self::unavailable("redis did not answer in time"),
            Failure::Held => Self::unavailable("redis is out of reach"),
        }
    }
}
