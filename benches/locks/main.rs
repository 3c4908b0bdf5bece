//! The locks beside `rslock`, in one run on a Redis of its own.
//!
//! - `make bench-locks`: the table and a picture go to `benches/results`.
//! - `make bench-locks ARGS=--quick`: under 10 s, to see that it works; nothing is written.
//!
//! Alone: acquire and release without anybody else, in interleaved rounds; the figure is the ratio
//! within each round, and its median. Contended: 64 tasks that all want one lock, over and over.

mod alone;
mod contended;
mod peers;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "each user of it has its own part"
)]
#[path = "../../tests/support/redis_server.rs"]
mod redis_server;
mod report;

use std::time::Duration;

use crate::redis_server::RedisServer;
use crate::report::Report;

/// How much is measured.
struct Plan {
    rounds: usize,
    /// Acquisitions of one peer in a round.
    each: usize,
    /// How long 64 contenders are watched, per row.
    span: Duration,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = if quick {
        Plan {
            rounds: 3,
            each: 100,
            span: Duration::from_millis(300),
        }
    } else {
        Plan {
            rounds: 21,
            each: 1_000,
            span: Duration::from_secs(4),
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let report = runtime.block_on(measure(&plan));
    report.print();
    if !quick {
        report.keep();
    }
}

async fn measure(plan: &Plan) -> Report {
    let servers: Vec<_> = (0..3).map(|_| RedisServer::start()).collect();
    let mut report = Report::new(plan.rounds, plan.each, plan.span);
    for count in [1, 3] {
        let urls: Vec<_> = servers[..count].iter().map(RedisServer::url).collect();
        report.alone(count, &alone::run(&urls, plan.rounds, plan.each).await);
    }
    for hold in [Duration::ZERO, Duration::from_millis(1)] {
        for peer in peers::contended(&servers[0].url()).await {
            let name = peer.name;
            eprintln!("64 contenders, held for {hold:?}: {name}");
            let seen = contended::run(&servers[0], peer, hold, plan.span).await;
            report.contended(name, hold, &seen);
        }
    }
    report
}
