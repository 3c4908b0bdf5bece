//! CPU per request of the proxy on a hit, beside a bare hyper server that answers a constant.
//!
//! - `cargo bench --bench whole_process [-- --rounds 9 --secs 3 --size 1024]`: those two, and
//!   between them the floor, a look into moka without any rule.
//! - `cargo bench --bench whole_process -- --peers [--rounds 9 --secs 2]`: with nginx and Varnish,
//!   as far as they are installed, and the Rust peers of `benches/peers`, at 1 KiB, 64 KiB and
//!   1 MiB; the table and a picture go to `benches/results`.
//!
//! Both run as processes pinned to one core, the load generator on another, in interleaved
//! [rounds].
//! CPU is what the kernel accounts to the process (user and system). The figure is the ratio
//! within each round, and its median: absolute times of a shared machine mean little.

mod bare;
mod compare;
mod floor;
mod instructions;
mod load;
mod peers;
mod report;
mod rounds;
mod server;
#[path = "../support/mod.rs"]
mod support;

use crate::rounds::{Cost, Loaded};
use crate::server::Server;

struct Plan {
    rounds: usize,
    secs: u64,
    size: usize,
}

/// As the proxy has it: it is not allocators that are compared.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, what, of] = &arguments[..]
        && flag == "--serve"
    {
        return match what.as_str() {
            "floor" => floor::serve(of),
            _ => bare::serve(of),
        };
    }
    if arguments.iter().any(|argument| argument == "--peers") {
        let rounds = option(&arguments, "--rounds", 9);
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

/// A hit costs at most so much of what a bare hyper server's constant answer does.
const LIMIT: f64 = 1.20;

fn measure(plan: &Plan) {
    load::pin(server::LOAD);
    let bare = Server::bare(plan.size);
    let origin = Server::bare(plan.size);
    let floor = Server::floor(&origin.address);
    let proxy = Server::proxy(&origin.address);
    println!(
        "hit of {} bytes, 1 key, 64 keep-alive connections, servers on core 0, load on core 1; CPU in \
         us for a request, and beside bare hyper; user: of which in user space",
        plan.size
    );
    println!(
        "{:>5}  {:>7} {:>5}  {:>7} {:>6} {:>5}  {:>7} {:>6} {:>5}  {:>10}",
        "round", "bare", "user", "floor", "ratio", "user", "proxy", "ratio", "user", "proxy r/s"
    );
    let mut servers = [&bare, &floor, &proxy].map(Loaded::new);
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        let costs = rounds::round(&mut servers, plan.secs, |_, _| ());
        let costs = <[Cost; 3]>::try_from(costs).unwrap_or_default();
        let [bare, floor, proxy] = costs;
        let ratio = |cost: Cost| cost.micros / bare.micros;
        println!(
            "{round:>5}  {:>7.2} {:>5.2}  {:>7.2} {:>6.3} {:>5.2}  {:>7.2} {:>6.3} {:>5.2}  {:>10.0}",
            bare.micros,
            bare.user,
            floor.micros,
            ratio(floor),
            floor.user,
            proxy.micros,
            ratio(proxy),
            proxy.user,
            proxy.rate
        );
        rounds.push(costs);
    }
    let median = |of: &dyn Fn(&[Cost; 3]) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        (
            values[values.len() / 2],
            values[0],
            values[values.len() - 1],
        )
    };
    let (floor, least, most) = median(&|costs| costs[1].micros / costs[0].micros);
    println!("floor beside bare hyper: median {floor:.3}, from {least:.3} to {most:.3}");
    let (proxy, least, most) = median(&|costs| costs[2].micros / costs[0].micros);
    println!(
        "proxy beside bare hyper: median {proxy:.3} (limit {LIMIT}), from {least:.3} to {most:.3}"
    );
    let users = [0, 1, 2].map(|which| median(&|costs| costs[which].user).0);
    let [bare, floor, ours] = users;
    println!("in user space, us: bare {bare:.2}, floor {floor:.2}, proxy {ours:.2}");
    println!("{}", instructions::table(&origin.address, plan.size, false));
    assert!(
        proxy <= LIMIT,
        "a hit costs more than {LIMIT} of a bare hyper server"
    );
}
