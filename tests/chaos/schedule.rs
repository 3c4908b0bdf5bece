//! Which blows fall when: drawn from one seed, all kinds of them in turn.

use std::time::Duration;

use crate::fault_proxy::{Fault, Way};

pub(crate) const PLACES: usize = 5;
/// A cycle of the schedule: blows fall in its first part, in the rest the fleet recovers. Three fit
/// into a round.
pub(crate) const CYCLE: Duration = Duration::from_millis(8_800);
const STORM: u64 = 3_600;
/// In the rest: when a node misses something. Amid the other blows, Redis would mostly have lost it,
/// or not have been told.
const MISSES: std::ops::Range<u64> = 5_200..5_600;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// Between one node and Redis.
    Network {
        place: usize,
        fault: Fault,
        lasts: Duration,
    },
    /// The connections of all nodes but one are dropped, and soon after they are back dropped again:
    /// what was begun in the first time ends in the second, and meanwhile the one went on.
    Flap { spared: usize },
    /// Between all nodes and Redis.
    Everywhere { fault: Fault, lasts: Duration },
    /// Redis stands still.
    Freeze { lasts: Duration },
    /// Redis is killed, and starts again empty.
    Restart { down: Duration },
    /// Redis loses all keys.
    Flush,
    /// Many keys are purged, among them what one node is just fetching and which it does not hear of;
    /// and then Redis loses all of them.
    PurgeAndFlush { place: usize },
    /// Redis closes all connections.
    Kick,
    /// Redis forgets the scripts.
    Unscript,
    /// Redis has no room for what there is.
    Pressure {
        policy: &'static str,
        lasts: Duration,
    },
    /// Redis loses some keys, as an eviction would take them: entries, leases or both.
    Evict,
    /// A node ends and another one takes its place.
    Reboot { place: usize },
    /// The connections of a node are dropped for a moment. Another one purges just then what that
    /// one holds, and fetches it again: there is nothing more to hear of it later.
    Miss { place: usize, what: Missed },
}

/// What is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    Keys,
    Everything,
}

impl Blow {
    /// The word for it in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Network { fault, .. } | Self::Everywhere { fault, .. } => match fault {
                Fault::Delay(_) => "delay",
                Fault::Drop => "drop",
                Fault::HalfOpen(Way::Up) => "half-open up",
                Fault::HalfOpen(Way::Down) => "half-open down",
                Fault::CutReply => "cut in mid-reply",
                Fault::Throttle(_) => "throttle",
                Fault::BlackHole => "black hole",
            },
            Self::Flap { .. } => "flap",
            Self::Freeze { .. } => "redis frozen",
            Self::Restart { .. } => "redis restarted empty",
            Self::Flush => "flushed",
            Self::PurgeAndFlush { .. } => "purged and flushed",
            Self::Kick => "clients killed",
            Self::Unscript => "scripts flushed",
            Self::Pressure { .. } => "out of memory",
            Self::Evict => "keys evicted",
            Self::Reboot { .. } => "node restarted",
            Self::Miss { what, .. } => match what {
                Missed::Keys => "purges missed",
                Missed::Everything => "purge of everything missed",
            },
        }
    }

    /// True if Redis may lose any key by it.
    pub(crate) const fn loses_keys(self) -> bool {
        matches!(
            self,
            Self::Restart { .. }
                | Self::Flush
                | Self::PurgeAndFlush { .. }
                | Self::Pressure { .. }
                | Self::Evict
        )
    }

    /// True if it is about this node's way to Redis, and so nothing else may be meanwhile. A node
    /// that starts again has its own.
    pub(crate) fn strikes_the_way_of(self, number: usize) -> bool {
        match self {
            Self::Network { place, .. } => place == number,
            Self::Miss { place, .. } | Self::PurgeAndFlush { place } => {
                [place, teller(place)].contains(&number)
            }
            Self::Everywhere { .. } | Self::Flap { .. } => true,
            _ => false,
        }
    }
}

/// Who purges what the node at this place is to miss.
pub(crate) const fn teller(place: usize) -> usize {
    (place + 1) % PLACES
}

/// Every kind of blow that the schedule draws, for the table: each has to have fallen.
pub(crate) const KINDS: [&str; 19] = [
    "delay",
    "drop",
    "half-open up",
    "half-open down",
    "cut in mid-reply",
    "throttle",
    "black hole",
    "flap",
    "redis frozen",
    "redis restarted empty",
    "flushed",
    "purged and flushed",
    "clients killed",
    "scripts flushed",
    "out of memory",
    "keys evicted",
    "node restarted",
    "purges missed",
    "purge of everything missed",
];

/// All that falls in `time`, by when.
pub(crate) fn draw(seed: u64, time: Duration) -> Vec<(Duration, Blow)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut blows = Vec::new();
    let (mut network, mut server) = (Bag::new(9), Bag::new(8));
    let (mut begins, mut cycle) = (Duration::from_millis(300), 0);
    while begins + CYCLE <= time + Duration::from_secs(1) {
        let when = |rng: &mut fastrand::Rng| begins + Duration::from_millis(rng.u64(..STORM));
        for _ in 0..5 {
            let kind = network.draw(&mut rng);
            blows.push((when(&mut rng), on_the_network(kind, &mut rng)));
        }
        for _ in 0..3 {
            let kind = server.draw(&mut rng);
            blows.push((when(&mut rng), at_the_server(kind, &mut rng)));
        }
        let place = rng.usize(..PLACES);
        blows.push((when(&mut rng), Blow::Reboot { place }));
        let place = rng.usize(..PLACES);
        let what = [Missed::Keys, Missed::Keys, Missed::Everything][cycle % 3];
        let when = begins + Duration::from_millis(rng.u64(MISSES));
        blows.push((when, Blow::Miss { place, what }));
        begins += CYCLE;
        cycle += 1;
    }
    blows.sort_by_key(|(at, _)| *at);
    blows
}

fn on_the_network(kind: usize, rng: &mut fastrand::Rng) -> Blow {
    let place = rng.usize(..PLACES);
    let fault = match kind {
        0 => Fault::Delay(Duration::from_millis(rng.u64(20..140))),
        1 => Fault::Drop,
        2 => Fault::HalfOpen(Way::Up),
        3 => Fault::HalfOpen(Way::Down),
        4 => Fault::CutReply,
        5 => Fault::Throttle(rng.u64(10_000..60_000)),
        6 | 7 => Fault::BlackHole,
        _ => return Blow::Flap { spared: place },
    };
    let lasts = Duration::from_millis(rng.u64(250..1_600));
    if kind == 7 {
        return Blow::Everywhere { fault, lasts };
    }
    Blow::Network {
        place,
        fault,
        lasts,
    }
}

fn at_the_server(kind: usize, rng: &mut fastrand::Rng) -> Blow {
    const POLICIES: [&str; 5] = [
        "allkeys-lru",
        "noeviction",
        "allkeys-lfu",
        "volatile-ttl",
        "allkeys-random",
    ];
    let ms = |rng: &mut fastrand::Rng, range| Duration::from_millis(rng.u64(range));
    match kind {
        0 => Blow::Freeze {
            lasts: ms(rng, 300..3_000),
        },
        1 => Blow::Restart {
            down: ms(rng, 0..800),
        },
        2 => Blow::Flush,
        3 => Blow::PurgeAndFlush {
            place: rng.usize(..PLACES),
        },
        4 => Blow::Kick,
        5 => Blow::Unscript,
        6 => Blow::Pressure {
            policy: POLICIES[rng.usize(..POLICIES.len())],
            lasts: ms(rng, 500..1_500),
        },
        _ => Blow::Evict,
    }
}

/// Draws each of the kinds once before any of them again.
struct Bag {
    kinds: usize,
    left: Vec<usize>,
}

impl Bag {
    const fn new(kinds: usize) -> Self {
        Self {
            kinds,
            left: Vec::new(),
        }
    }

    fn draw(&mut self, rng: &mut fastrand::Rng) -> usize {
        if self.left.is_empty() {
            self.left = (0..self.kinds).collect();
            rng.shuffle(&mut self.left);
        }
        self.left.pop().expect("just filled")
    }
}

#[test]
fn a_seed_is_a_schedule_and_the_next_one_is_another() {
    let minute = Duration::from_secs(60);
    assert_eq!(draw(7, minute), draw(7, minute));
    assert_ne!(draw(7, minute), draw(8, minute));
}

#[test]
fn in_each_round_every_kind_falls() {
    for seed in 0..50 {
        let blows = draw(seed, crate::ROUND);
        for kind in KINDS {
            let falls = blows.iter().any(|(_, blow)| blow.as_str() == kind);
            assert!(falls, "{kind} does not, by seed {seed}");
        }
    }
}
