//! What a look at the servers brought to light. Pure data: [`findings`](super::findings) judges it,
//! [`display`](super::display) writes it down.

use std::borrow::Cow;
use std::time::Duration;

use super::super::url::Host;
use super::info::{Hello, Info};

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Facts {
    /// The URL, without user and password.
    pub(super) url: String,
    pub(super) tls: bool,
    pub(super) user: String,
    /// Who we are to the sentinels.
    pub(super) watcher: String,
    pub(super) namespace: String,
    /// Most time that a call may take.
    pub(super) timeout: Duration,
    /// Most time that the look itself may take.
    pub(super) limit: Duration,
    pub(super) whole: Whole,
    /// Where entries are: one server, or the masters of a cluster.
    pub(super) servers: Vec<Server>,
}

/// What the servers make up together.
#[derive(Debug)]
pub(super) enum Whole {
    Single,
    Watched {
        master: String,
        sentinels: Vec<Sentinel>,
    },
    Cluster(Cluster),
}

/// One sentinel that the URL names.
#[derive(Debug)]
pub(super) struct Sentinel {
    pub(super) place: Place,
    pub(super) state: Result<Watching, Trouble>,
}

/// What a sentinel says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watching {
    /// Where the master is. `None`: it knows none of this name, or may not say.
    pub(super) master: Option<Host>,
    pub(super) epoch: u64,
    /// Sentinels that watch over this master, itself included.
    pub(super) watchers: Option<u64>,
    pub(super) quorum: Option<u64>,
    pub(super) replicas: Option<u64>,
    pub(super) down_after: Option<Duration>,
    /// Words of an access rule that are missing.
    pub(super) lacks: Vec<String>,
}

/// A cluster, as one of its nodes sees it.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Hosts of the URL that said nothing, and why.
    pub(super) silent: Vec<(Place, Trouble)>,
    /// Slots that have a master.
    pub(super) covered: usize,
    /// The masters and how many replicas each has.
    pub(super) masters: Vec<(Host, usize)>,
}

/// Where a server is, as it is shown and as `redis-cli` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Host(Host),
    Socket(String),
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) state: Result<Box<Seen>, Trouble>,
}

/// What was seen of a server that let us in. What could not be seen is left out.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hello: Hello,
    /// `None` if it may not be asked.
    pub(super) info: Option<Info>,
    pub(super) round_trip: Option<Duration>,
    pub(super) clock: Option<Clock>,
    /// Words of an access rule that are missing.
    pub(super) lacks: Vec<String>,
    /// The server's words for not doing what calls will ask of it.
    pub(super) refusal: Option<Refusal>,
    /// `cluster-require-full-coverage`, if it may be asked.
    pub(super) full_coverage: Option<bool>,
    /// `cluster-node-timeout`, if it may be asked.
    pub(super) node_timeout: Option<Duration>,
    /// Why the look ended before its end.
    pub(super) broke_off: Option<Trouble>,
}

/// An error of the server: its code (`READONLY`, `OOM`...) and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) text: String,
}

/// The server's clock against this node's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// By how many microseconds it is ahead.
    pub(super) ahead: i64,
    /// How far off that may be, at most: the answer was on its way for so long.
    pub(super) within: i64,
}

/// Why there is no talking to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody listens there.
    Refused,
    /// The name leads nowhere.
    Unknown(String),
    /// It wants a password, and the URL has none.
    NoLogin,
    /// User or password are wrong.
    WrongLogin(String),
    /// It knows no `HELLO 3`.
    TooOld,
    /// No encrypted connection came about.
    Tls(String),
    /// It closed the connection.
    Closed,
    /// No answer in time.
    Late,
    Other(String),
}

impl Facts {
    /// The servers that let us in.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&Place, &Seen)> + Clone {
        let servers = self.servers.iter();
        servers.filter_map(|server| Some((&server.place, &**server.state.as_ref().ok()?)))
    }
}

impl Seen {
    pub(super) fn is_replica(&self) -> bool {
        ["replica", "slave"].contains(&self.hello.role.as_str())
    }
}

impl Place {
    /// The name of the host, or the path. A name may come from a server, and will be pasted into
    /// shells: what is in no name is left out.
    pub(super) fn host(&self) -> Cow<'_, str> {
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-:%".contains(sign);
        match self {
            Self::Host(host) if host.name.chars().all(plain) => Cow::Borrowed(&host.name),
            Self::Host(host) => host.name.chars().filter(|sign| plain(*sign)).collect(),
            Self::Socket(path) => Cow::Borrowed(path),
        }
    }

    /// A command for a shell.
    pub(super) fn redis_cli(&self, tls: bool, command: &str) -> String {
        let tls = if tls { " --tls" } else { "" };
        match self {
            Self::Host(Host { port, .. }) => {
                let name = self.host();
                format!("redis-cli -h {name} -p {port}{tls} {command}")
            }
            Self::Socket(path) => format!("redis-cli -s '{path}' {command}"),
        }
    }
}
