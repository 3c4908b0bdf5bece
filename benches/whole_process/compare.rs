//! Hits of several sizes, from each server in turn, round by round.

use std::io::{IsTerminal, Write};

use crate::instructions;
use crate::peers;
use crate::report::{Report, Row};
use crate::server::{Cost, Server};

/// A page, a picture, and a download.
const SIZES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];

pub(crate) fn run(rounds: usize, secs: u64) {
    let mut report = Report::new(rounds, secs);
    for size in SIZES {
        let origin = Server::bare(size);
        let peers = [
            peers::ours("bare hyper", "hyper", Server::bare(size)),
            peers::ours("bellwether", "bellwether", Server::proxy(&origin.address)),
            peers::ours("moka, no rules", "moka", Server::floor(size)),
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
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); present.len()];
        for server in &present {
            server.cpu_per_request(1);
        }
        for round in 0..rounds {
            for turn in 0..present.len() {
                progress(size, round, rounds, turn, present.len());
                // Each comes first in some round.
                let which = (round + turn) % present.len();
                costs[which].push(present[which].cpu_per_request(secs));
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

fn progress(size: usize, round: usize, rounds: usize, turn: usize, turns: usize) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let done = (round * turns + turn) * 40 / (rounds * turns);
        let bar = "#".repeat(done) + &".".repeat(40 - done);
        let _ =
            write!(stderr, "\r{:>5} KiB [{bar}]\x1b[K", size >> 10).and_then(|()| stderr.flush());
    }
}
