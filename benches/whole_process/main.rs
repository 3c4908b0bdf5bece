//! CPU per request of the proxy on a hit, beside a bare hyper server that answers a constant.
//!
//! - `cargo bench --bench whole_process [-- --rounds 9 --secs 3 --size 1024]`: those two.
//! - `cargo bench --bench whole_process -- --peers [--rounds 5 --secs 2]`: with nginx and Varnish,
//!   as far as they are installed, at 1 KiB, 64 KiB and 1 MiB; the table and a picture go to
//!   `benches/results`.
//!
//! Both run as processes pinned to one core, the load generator on another, in interleaved rounds.
//! CPU is what the kernel accounts to the process (user and system). The figure is the ratio
//! within each round, and its median: absolute times of a shared machine mean little.

mod bare;
mod compare;
mod load;
mod peers;
mod report;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use crate::server::Server;

struct Plan {
    rounds: usize,
    secs: u64,
    size: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(role) = arguments
        .first()
        .filter(|first| first.as_str() == "--serve")
    {
        return bare::serve(role, arguments.get(1).map_or("1024", String::as_str));
    }
    if arguments.iter().any(|argument| argument == "--peers") {
        let rounds = option(&arguments, "--rounds", 5);
        return compare::run(rounds, option(&arguments, "--secs", 2) as u64);
    }
    let plan = Plan {
        rounds: option(&arguments, "--rounds", 9),
        secs: option(&arguments, "--secs", 3) as u64,
        size: option(&arguments, "--size", 1_024),
    };
    measure(&plan);
}

fn option(arguments: &[String], name: &str, default: usize) -> usize {
    let at = arguments.iter().position(|argument| argument == name);
    let value = at.and_then(|at| arguments.get(at + 1));
    value.map_or(default, |value| value.parse().expect("a whole number"))
}

fn measure(plan: &Plan) {
    load::pin(server::LOAD);
    let bare = Server::bare(plan.size);
    let origin = Server::bare(plan.size);
    let proxy = Server::proxy(&origin.address);
    println!(
        "hit of {} bytes, 1 key, 64 keep-alive connections, servers on core 0, load on core 1",
        plan.size
    );
    println!(
        "{:>5}  {:>10}  {:>10}  {:>6}  {:>10}  {:>10}",
        "round", "bare us", "proxy us", "ratio", "bare r/s", "proxy r/s"
    );
    // Warm: connections' code paths, and the entry itself.
    load::run(&bare.address, 64, Duration::from_millis(500));
    load::run(&proxy.address, 64, Duration::from_millis(500));
    let mut ratios = Vec::new();
    for round in 1..=plan.rounds {
        // Each first in every other round.
        let (first, second) = if round % 2 == 0 {
            (&proxy, &bare)
        } else {
            (&bare, &proxy)
        };
        let one = first.cpu_per_request(plan.secs);
        let two = second.cpu_per_request(plan.secs);
        let (of_bare, of_proxy) = if round % 2 == 0 {
            (two, one)
        } else {
            (one, two)
        };
        let ratio = of_proxy.micros / of_bare.micros;
        println!(
            "{round:>5}  {:>10.2}  {:>10.2}  {ratio:>6.3}  {:>10.0}  {:>10.0}",
            of_bare.micros, of_proxy.micros, of_bare.rate, of_proxy.rate
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "median ratio {median:.3} (limit 1.25), from {:.3} to {:.3}",
        ratios[0],
        ratios[ratios.len() - 1]
    );
    assert!(
        median <= 1.25,
        "a hit costs more than 1.25 of a bare hyper server"
    );
}
