//! Hits of several sizes, from each server in turn, round by round.

use std::io::{IsTerminal, Write};

use crate::instructions;
use crate::peers;
use crate::report::{Report, Row};
use crate::rounds::{self, Cost, Loaded};
use crate::server::Server;

/// A page, a picture, and a download.
const SIZES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];

pub(crate) fn run(rounds: usize, secs: u64) {
    let mut report = Report::new(rounds, secs);
    for size in SIZES {
        let origin = Server::bare(size);
        let peers = [
            peers::ours("bare hyper", "hyper", Server::bare(size)),
            peers::ours("bellwether", "bellwether", Server::proxy(&origin.address)),
            peers::ours("moka, no rules", "moka", Server::floor(&origin.address)),
            peers::tower_http_cache(&origin.address),
            peers::nginx(&origin.address, false),
            peers::nginx(&origin.address, true),
            peers::pingora(&origin.address),
            peers::varnish(&origin.address),
        ];
        let present: Vec<_> = peers
            .iter()
            .filter_map(|peer| peer.server.as_ref())
            .collect();
        let mut loaded: Vec<_> = present.into_iter().map(Loaded::new).collect();
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); loaded.len()];
        for number in 0..rounds {
            let progress =
                |turn, turns| progress(size, number as u32 * turns + turn, rounds as u32 * turns);
            let of_round = rounds::round(&mut loaded, secs, progress);
            for (costs, cost) in costs.iter_mut().zip(of_round) {
                costs.push(cost);
            }
        }
        let mut costs = costs.into_iter();
        let rounds: Vec<Vec<Cost>> = peers
            .iter()
            .map(|peer| peer.server.as_ref().and_then(|_| costs.next()))
            .map(Option::unwrap_or_default)
            .collect();
        for (peer, costs) in peers.iter().zip(&rounds) {
            report.push(Row::of(size, peer, costs, &rounds[0], &rounds[1]));
        }
    }
    let origin = Server::bare(SIZES[0]);
    report.show(&instructions::table(&origin.address, SIZES[0], true));
}

fn progress(size: usize, turn: u32, turns: u32) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let done = (turn * 40 / turns) as usize;
        let bar = "#".repeat(done) + &".".repeat(40 - done);
        let _ =
            write!(stderr, "\r{:>5} KiB [{bar}]\x1b[K", size >> 10).and_then(|()| stderr.flush());
    }
}
