//! What happens to a site and its caches, and when.

use std::time::Duration;

/// What stands between the clients and the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// The proxy with `--passthrough`.
    None,
    /// A cache that anybody would write: look, else fetch and keep. No coalescing.
    Plain,
    /// This crate without Redis, stale served where permitted.
    Process,
    /// With Redis, and nothing stale permitted.
    Lease,
    /// With Redis, stale served where permitted.
    Stale,
    /// `proxy_cache_lock`, `use_stale updating`, background update.
    Nginx,
    /// Grace.
    Varnish,
    /// A lock for each key, stale served while it is refreshed.
    Pingora,
    /// The fastest of the caches that are Tower layers too.
    TowerHttpCache,
}

impl Mode {
    pub(crate) const ALL: [Self; 9] = [
        Self::None,
        Self::Plain,
        Self::Process,
        Self::Lease,
        Self::Stale,
        Self::Nginx,
        Self::Varnish,
        Self::Pingora,
        Self::TowerHttpCache,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no cache",
            Self::Plain => "cache without coalescing",
            Self::Process => "bellwether, one process each",
            Self::Lease => "bellwether, lease",
            Self::Stale => "bellwether, lease + stale",
            Self::Nginx => "nginx",
            Self::Varnish => "Varnish",
            Self::Pingora => "pingora",
            Self::TowerHttpCache => "tower-http-cache",
        }
    }

    pub(crate) fn has_redis(self) -> bool {
        matches!(self, Self::Lease | Self::Stale)
    }

    /// Stale may be served while it is refreshed, and when the origin fails.
    pub(crate) fn permits_stale(self) -> bool {
        self != Self::Lease
    }
}

/// Which pages are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pages {
    /// So many, each as often.
    Evenly(usize),
    /// So many, the second half as often as the first, the third a third as often.
    Zipf(usize),
}

impl Pages {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Evenly(count) | Self::Zipf(count) => count,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    OriginFails,
    OriginBack,
    /// The node whose request the origin is answering.
    HolderKilled,
    RedisFrozen,
    RedisThaws,
    RedisKilled,
    RedisBack,
    PurgeAll,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OriginFails => "origin fails",
            Self::OriginBack => "origin back",
            Self::HolderKilled => "holder killed",
            Self::RedisFrozen => "Redis frozen",
            Self::RedisThaws => "thaws",
            Self::RedisKilled => "Redis killed",
            Self::RedisBack => "back",
            Self::PurgeAll => "everything purged",
        }
    }
}

/// One run's circumstances.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) nodes: usize,
    pub(crate) pages: Pages,
    /// Requests in a second, of all clients, whatever becomes of them.
    pub(crate) rate: u64,
    pub(crate) length: Duration,
    /// Freshness in seconds; `None`: `no-store`.
    pub(crate) fresh: Option<u64>,
    /// Freshness of what is fetched before the clients come.
    pub(crate) fresh_at_first: Option<u64>,
    /// All pages are fetched by all nodes before the clients come.
    pub(crate) warm: bool,
    /// How long the origin thinks.
    pub(crate) latency: Duration,
    /// Requests in a second that it can take; more wait for their turn.
    pub(crate) capacity: Option<u64>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    pub(crate) modes: Vec<Mode>,
}

const SECOND: Duration = Duration::from_secs(1);

fn hot_key(nodes: usize, secs: u32) -> Scenario {
    Scenario {
        name: "one hot key",
        about: "one page, fresh for 2 s, asked for 1,000 times a second",
        nodes,
        pages: Pages::Evenly(1),
        rate: 1_000,
        length: secs * SECOND,
        fresh: Some(2),
        fresh_at_first: None,
        warm: true,
        latency: SECOND / 5,
        capacity: None,
        faults: vec![],
        modes: Mode::ALL.to_vec(),
    }
}

/// All but that which cannot be told another lifetime by its origin.
fn by_its_origin() -> Vec<Mode> {
    let all = Mode::ALL.into_iter();
    all.filter(|mode| *mode != Mode::TowerHttpCache).collect()
}

fn thousand(secs: u32) -> Scenario {
    Scenario {
        modes: by_its_origin(),
        name: "1,000 keys at once",
        about: "1,000 pages expire within a second, before an origin that takes 100 requests a second",
        pages: Pages::Evenly(1_000),
        rate: 1_500,
        fresh: Some(600),
        fresh_at_first: Some(3),
        latency: SECOND / 20,
        capacity: Some(100),
        ..hot_key(4, secs)
    }
}

/// All of them, in the order of the report. `nodes`: how many there may be at most.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all: Vec<_> = [1, 2, 4, 8].map(|nodes| hot_key(nodes, 9)).into();
    let ours = vec![Mode::Process, Mode::Lease, Mode::Stale];
    let shared = vec![Mode::Lease, Mode::Stale];
    all.push(thousand(14));
    all.push(Scenario {
        name: "Zipf",
        about: "100,000 pages, asked for by Zipf's law, fresh for 5 s",
        pages: Pages::Zipf(100_000),
        rate: 1_000,
        fresh: Some(5),
        warm: false,
        latency: SECOND / 20,
        ..hot_key(4, 14)
    });
    all.push(Scenario {
        name: "cold start",
        about: "the whole fleet starts empty; 20 pages, an origin that takes 0.5 s and 100 requests a second",
        pages: Pages::Evenly(20),
        rate: 1_000,
        fresh: Some(60),
        warm: false,
        latency: SECOND / 2,
        capacity: Some(100),
        ..hot_key(4, 8)
    });
    all.push(Scenario {
        name: "origin fails",
        about: "20 pages, fresh for 1 s; the origin answers 503 for 10 s",
        pages: Pages::Evenly(20),
        rate: 500,
        fresh: Some(1),
        latency: SECOND / 20,
        faults: vec![
            (3 * SECOND, Fault::OriginFails),
            (13 * SECOND, Fault::OriginBack),
        ],
        ..hot_key(4, 17)
    });
    all.push(Scenario {
        name: "holder killed",
        about: "one page, an origin that takes 1 s; the node that refreshes is killed (SIGKILL)",
        latency: SECOND,
        rate: 500,
        faults: vec![(4 * SECOND, Fault::HolderKilled)],
        modes: ours,
        ..hot_key(4, 12)
    });
    all.push(Scenario {
        name: "Redis frozen, killed, back",
        about: "50 pages, fresh for 1 s; Redis is stopped (SIGSTOP) for 4 s, then killed for 4 s",
        pages: Pages::Evenly(50),
        rate: 1_000,
        fresh: Some(1),
        latency: SECOND / 20,
        faults: vec![
            (3 * SECOND, Fault::RedisFrozen),
            (7 * SECOND, Fault::RedisThaws),
            (10 * SECOND, Fault::RedisKilled),
            (14 * SECOND, Fault::RedisBack),
        ],
        modes: shared.clone(),
        ..hot_key(4, 17)
    });
    all.push(Scenario {
        name: "everything purged",
        about: "200 pages, fresh for 60 s, an origin that takes 100 requests a second; all is purged at once",
        pages: Pages::Evenly(200),
        rate: 1_000,
        fresh: Some(60),
        latency: SECOND / 20,
        capacity: Some(100),
        faults: vec![(2 * SECOND, Fault::PurgeAll)],
        modes: shared,
        ..hot_key(4, 8)
    });
    all.push(Scenario {
        name: "uncacheable",
        about: "one page with no-store, an origin that takes 0.2 s",
        rate: 300,
        fresh: None,
        warm: false,
        ..hot_key(4, 6)
    });
    all
}

/// Enough to see that it works, in less than a minute.
pub(crate) fn quick() -> Vec<Scenario> {
    vec![
        Scenario {
            modes: vec![Mode::Plain, Mode::Process, Mode::Lease, Mode::Stale],
            ..hot_key(2, 5)
        },
        Scenario {
            modes: vec![Mode::Plain, Mode::Stale],
            nodes: 2,
            ..thousand(7)
        },
    ]
}
