//! Where the servers are and who we are to them, read from a URL.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisResult,
};

use self::read::Reader;
use super::tls::Tls;
use crate::error::Error;

/// A server that vanished without a word counts as gone after this long, in milliseconds of
/// unacknowledged data.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

/// What a URL says. Neither of its text forms shows a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) place: Place,
    /// The number of the database.
    pub(super) db: u32,
    /// Whether the way there is encrypted.
    pub(super) tls: bool,
    pub(super) login: Login,
}

/// What is to be found where.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// One server.
    Server(Host),
    /// One server on this machine.
    Socket(String),
    /// Sentinels, who know which server is the master of this name, and who we are to them.
    Sentinels {
        hosts: Vec<Host>,
        master: String,
        login: Login,
    },
    /// Some nodes of a cluster, who know the others.
    Cluster(Vec<Host>),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// A user and a password, if there are any.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    username: Option<String>,
    password: Option<String>,
}

impl Login {
    /// Who that is to the server. Without a name, it is the user that everyone is.
    pub(super) fn user(&self) -> &str {
        self.username.as_deref().unwrap_or("default")
    }
}

const SCHEMES: [&str; 8] = [
    "redis",
    "rediss",
    "redis+unix",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

impl Target {
    /// Reads a URL of one of these forms, in which user and password may be percent-encoded and an
    /// IPv6 address stands in brackets:
    ///
    /// - `redis://[[user]:password@]host[:6379][/db]`
    /// - `redis+unix://[[user]:password@]/path[?db=0]`, also `unix://`
    /// - `redis+sentinel://[[user]:password@]host[:26379],host.../master[/db]`, with
    ///   `?sentinel_user=` and `?sentinel_password=` for the sentinels themselves
    /// - `redis+cluster://[[user]:password@]host[:6379],host...[/]`
    /// - with `rediss` for `redis`, all but the second over TLS
    ///
    /// # Errors
    /// `Config`, naming the part that is wrong. The text repeats neither a password nor any part
    /// that may hold one because something was left out.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::config(
                "redis url: it has to look like redis://host:port/db",
            ));
        };
        // First of all: a scheme is repeated in what is said of the rest, and whatever stands before
        // some `://` may be a password.
        if !SCHEMES.contains(&scheme) {
            return Err(Error::config(
                "redis url: unknown scheme; there are redis://, rediss://, redis+unix://, \
                 redis+sentinel:// and redis+cluster://",
            ));
        }
        let tls = scheme.starts_with("rediss");
        if tls && !cfg!(feature = "tls") {
            return Err(Error::config(
                "redis url: rediss:// needs bellwether's feature \"tls\", which is not built in",
            ));
        }
        let reader = Reader::new(scheme, rest)?;
        let (place, db) = match scheme {
            "redis" | "rediss" => reader.server()?,
            "redis+unix" | "unix" => reader.socket()?,
            "redis+sentinel" | "rediss+sentinel" => reader.sentinels()?,
            _ => reader.cluster()?,
        };
        Ok(Self {
            place,
            db,
            tls,
            login: reader.login()?,
        })
    }

    /// A client for one server.
    pub(super) fn client(
        &self,
        host: &Host,
        login: &Login,
        db: u32,
        tls: &Tls,
    ) -> RedisResult<Client> {
        let (name, port) = (host.name.clone(), host.port);
        let address = if self.tls {
            ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(name, port)
        };
        open(address, login, db, tls)
    }

    /// A client for the server at this socket.
    pub(super) fn client_at(&self, path: &str) -> RedisResult<Client> {
        let address = ConnectionAddr::Unix(path.into());
        open(address, &self.login, self.db, &Tls::default())
    }
}

/// The client, with what its defaults leave out.
fn open(address: ConnectionAddr, login: &Login, db: u32, tls: &Tls) -> RedisResult<Client> {
    let mut redis = RedisConnectionInfo::default()
        .set_db(i64::from(db))
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("bellwether", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &login.username {
        redis = redis.set_username(username);
    }
    if let Some(password) = &login.password {
        redis = redis.set_password(password);
    }
    let info = address.into_connection_info()?;
    tls.open(info.set_redis_settings(redis).set_tcp_settings(tcp()))
}

fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redis = if self.tls { "rediss" } else { "redis" };
        let db = self.db;
        match &self.place {
            Place::Server(host) => write!(f, "{redis}://{host}/{db}"),
            Place::Socket(path) => {
                f.write_str("redis+unix://")?;
                for part in path.split_inclusive(['%', '?', '#', '@']) {
                    // Bytes that would mean something else are written as their numbers.
                    match part.char_indices().next_back() {
                        Some((at, sign @ ('%' | '?' | '#' | '@'))) => {
                            write!(f, "{}%{:02x}", &part[..at], u32::from(sign))?;
                        }
                        _ => f.write_str(part)?,
                    }
                }
                write!(f, "?db={db}")
            }
            Place::Sentinels { hosts, master, .. } => {
                write!(f, "{redis}+sentinel://{}/{master}/{db}", Listed(hosts))
            }
            Place::Cluster(hosts) => write!(f, "{redis}+cluster://{}/", Listed(hosts)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

struct Listed<'a>(&'a [Host]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, host) in self.0.iter().enumerate() {
            write!(f, "{}{host}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') {
            write!(f, "[{name}]:{port}")
        } else {
            write!(f, "{name}:{port}")
        }
    }
}
