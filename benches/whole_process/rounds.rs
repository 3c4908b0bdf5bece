//! Servers under full load in turn. A shared machine is faster in one second than in the next, so the
//! turns of a round are short and many: what happens meanwhile happens to all.

use std::time::Duration;

use crate::load::{Clients, End};
use crate::server::{Server, Spent};

/// Connections to each server.
pub(crate) const CONNECTIONS: usize = 64;
const TURN: Duration = Duration::from_millis(250);

/// What a request costs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) micros: f64,
    /// Of which in user space, as far as the kernel's clock ticks show.
    pub(crate) user: f64,
    /// Requests a second.
    pub(crate) rate: f64,
}

/// A server and its clients.
pub(crate) struct Loaded<'a> {
    server: &'a Server,
    clients: Clients,
}

impl<'a> Loaded<'a> {
    /// Warm: connections' code paths, and the entry itself.
    pub(crate) fn new(server: &'a Server) -> Self {
        let mut clients = Clients::connect(&server.address, CONNECTIONS);
        clients.run(End::After(TURN));
        Self { server, clients }
    }
}

/// What a request costs each of them, under load for `secs` in all, a turn at a time. `progress` is
/// told of each turn.
pub(crate) fn round(
    servers: &mut [Loaded<'_>],
    secs: u64,
    progress: impl Fn(u32, u32),
) -> Vec<Cost> {
    let mut sums = vec![Sum::default(); servers.len()];
    let turns = Duration::from_secs(secs).div_duration_f64(TURN).ceil() as u32;
    for turn in 0..turns {
        progress(turn, turns);
        for place in 0..servers.len() {
            // Each comes first in some turn.
            let which = (place + turn as usize) % servers.len();
            sums[which].add(&mut servers[which]);
        }
    }
    sums.iter().map(|sum| sum.cost(TURN * turns)).collect()
}

#[derive(Clone, Default)]
struct Sum {
    spent: Spent,
    requests: u64,
}

impl Sum {
    fn add(&mut self, loaded: &mut Loaded<'_>) {
        let before = loaded.server.spent();
        self.requests += loaded.clients.run(End::After(TURN));
        let after = loaded.server.spent();
        self.spent.nanos += after.nanos - before.nanos;
        self.spent.user += after.user - before.user;
        self.spent.system += after.system - before.system;
    }

    fn cost(&self, time: Duration) -> Cost {
        let Spent {
            nanos,
            user,
            system,
        } = self.spent;
        let micros = nanos as f64 / 1_000.0 / self.requests as f64;
        Cost {
            micros,
            user: micros * user as f64 / (user + system).max(1) as f64,
            rate: self.requests as f64 / time.as_secs_f64(),
        }
    }
}
