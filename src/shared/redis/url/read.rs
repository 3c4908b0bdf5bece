//! Takes a URL apart.

use super::{Host, Login, Place};
use crate::error::Error;

/// Most hosts in one URL: more are a slip, and each may cost an attempt to connect.
const HOSTS: usize = 32;

/// The parts of a URL after its scheme, as they are written.
pub(super) struct Reader<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    /// Hosts and ports.
    hosts: &'a str,
    /// With its first slash, if there is one.
    path: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scheme: &'a str, rest: &'a str) -> Result<Self, Error> {
        // The last `@`: an unencoded one in a password is a common slip, and harmless.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut reader = Self {
            scheme,
            user,
            hosts,
            path,
            parameters: Vec::new(),
        };
        if rest.contains('#') || parameters.contains('#') {
            return Err(reader.wrong("what comes after # is not known"));
        }
        for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if reader.parameters.iter().any(|(before, _)| *before == name) {
                return Err(reader.wrong("one of the parameters after ? is there twice"));
            }
            reader.parameters.push((name, value));
        }
        Ok(reader)
    }

    pub(super) fn server(&self) -> Result<(Place, u32), Error> {
        self.only(&[])?;
        let host = self.host(self.hosts, 6379)?;
        if self.hosts.contains(',') {
            return Err(self.wrong(
                "there is more than one host; redis+sentinel:// and redis+cluster:// take several",
            ));
        }
        Ok((Place::Server(host), self.database(self.path)?))
    }

    pub(super) fn socket(&self) -> Result<(Place, u32), Error> {
        self.only(&["db"])?;
        if !self.hosts.is_empty() || self.path.len() < 2 {
            return Err(self.wrong("the path of a socket is missing, as in redis+unix:///path"));
        }
        let path = decoded(self.path).flatten();
        let path = path.filter(|path| !path.contains('\0'));
        let path = path.ok_or_else(|| self.wrong("the path has to be percent-encoded UTF-8"))?;
        let db = match self.parameter("db") {
            None => 0,
            Some(text) => number(text)
                .ok_or_else(|| self.wrong("the database after ?db= has to be a number"))?,
        };
        Ok((Place::Socket(path), db))
    }

    pub(super) fn sentinels(&self) -> Result<(Place, u32), Error> {
        self.only(&["sentinel_user", "sentinel_password"])?;
        let hosts = self.hosts(26379)?;
        let mut path = self.path.splitn(3, '/').skip(1);
        let master = path.next().unwrap_or_default();
        // What Sentinel takes for a name.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if master.is_empty() || !master.bytes().all(fits) {
            return Err(self.wrong(
                "the master's name has to come after the hosts, as in /mymaster, of a-z A-Z 0-9 . \
                 _ -",
            ));
        }
        let db = path.next().map_or(Ok(0), |text| self.database(text))?;
        let said = |name| self.parameter(name).unwrap_or_default();
        let login = Login {
            username: self.plain(said("sentinel_user"))?,
            password: self.plain(said("sentinel_password"))?,
        };
        let master = master.to_owned();
        let place = Place::Sentinels {
            hosts,
            master,
            login,
        };
        Ok((place, db))
    }

    pub(super) fn cluster(&self) -> Result<(Place, u32), Error> {
        self.only(&[])?;
        let hosts = self.hosts(6379)?;
        if self.database(self.path)? != 0 {
            return Err(self.wrong("a cluster has no database but 0"));
        }
        Ok((Place::Cluster(hosts), 0))
    }

    pub(super) fn login(&self) -> Result<Login, Error> {
        let user = self.user.unwrap_or_default();
        let (name, word) = user.split_once(':').unwrap_or((user, ""));
        Ok(Login {
            username: self.plain(name)?,
            password: self.plain(word)?,
        })
    }

    /// Only the scheme, which is one of those that there are, and whether there is a user are
    /// repeated: with an `@` or a slash forgotten, any other part may hold the password.
    fn wrong(&self, what: &str) -> Error {
        let user = if self.user.is_some() { "***@" } else { "" };
        Error::config(format!("redis url {}://{user}…: {what}", self.scheme))
    }

    fn only(&self, known: &[&str]) -> Result<(), Error> {
        if (self.parameters.iter()).all(|(name, _)| known.contains(name)) {
            return Ok(());
        }
        let there_are = if known.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        Err(self.wrong(&format!(
            "one of the parameters after ? is not known ({there_are})"
        )))
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut found = self.parameters.iter().filter(|(given, _)| *given == name);
        found.next().map(|(_, value)| *value)
    }

    fn plain(&self, text: &str) -> Result<Option<String>, Error> {
        decoded(text)
            .ok_or_else(|| self.wrong("user and password have to be percent-encoded UTF-8"))
    }

    fn database(&self, path: &str) -> Result<u32, Error> {
        match path.strip_prefix('/').unwrap_or(path).trim_end_matches('/') {
            "" => Ok(0),
            text => number(text)
                .ok_or_else(|| self.wrong("the database after / has to be a number, as in /0")),
        }
    }

    fn hosts(&self, port: u16) -> Result<Vec<Host>, Error> {
        let hosts = self.hosts.split(',').map(|place| self.host(place, port));
        let hosts: Vec<_> = hosts.collect::<Result<_, _>>()?;
        if hosts.len() > HOSTS {
            return Err(self.wrong("32 hosts are the most"));
        }
        Ok(hosts)
    }

    fn host(&self, place: &str, default: u16) -> Result<Host, Error> {
        let (name, port) = split_port(place).ok_or_else(|| {
            self.wrong("an IPv6 address has to stand in brackets, as in [::1]:6379")
        })?;
        if name.is_empty() {
            return Err(self.wrong("the host is missing"));
        }
        let port = match port {
            None => default,
            Some(text) => number(text)
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| self.wrong("the port has to be a number from 1 to 65535"))?,
        };
        let name = name.to_owned();
        Ok(Host { name, port })
    }
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
