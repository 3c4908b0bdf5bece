//! 64 who all want one lock.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::peers::Peer;
use crate::redis_server::{RedisServer, run as redis};

const CONTENDERS: usize = 64;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) per_second: f64,
    /// What clients sent for each lock, and what the server ran for it, in scripts too.
    pub(crate) sent: f64,
    pub(crate) run: f64,
    pub(crate) longest: Duration,
    /// Locks of the contender who got the fewest, and of the one who got the most.
    pub(crate) shares: (u64, u64),
}

pub(crate) async fn run(server: &RedisServer, peer: Peer, hold: Duration, span: Duration) -> Seen {
    // What an acquire that the end cut short has left behind is not the next one's to wait for.
    let _: String = redis(server, &["FLUSHALL"]).await;
    // The first one connects.
    for way in &peer.ways {
        way.take().await.release().await;
    }
    let before = commands(server).await;
    let begun = Instant::now();
    let end = begun + span;
    let mut tasks = JoinSet::new();
    for number in 0..CONTENDERS {
        let way = peer.ways[number % peer.ways.len()].clone();
        tasks.spawn(async move {
            let (mut count, mut longest) = (0, Duration::ZERO);
            loop {
                let asked = Instant::now();
                // A wait that the end cut short was a wait as well.
                let taken = timeout_at(end, way.take()).await;
                longest = longest.max(asked.elapsed());
                let Ok(taken) = taken else {
                    return (count, longest);
                };
                if !hold.is_zero() {
                    sleep(hold).await;
                }
                taken.release().await;
                count += 1;
            }
        });
    }
    let all = tasks.join_all().await;
    let took = begun.elapsed();
    let after = commands(server).await;
    let locks: u64 = all.iter().map(|(count, _)| count).sum();
    let delta = |name: &str| after[name].saturating_sub(before.get(name).copied().unwrap_or(0));
    let of_all = after.keys().filter(|name| *name != "info");
    let run: u64 = of_all.map(|name| delta(name)).sum();
    let sends = peer.sends.iter().filter(|name| after.contains_key(**name));
    let sent: u64 = sends.map(|name| delta(name)).sum();
    let counts = || all.iter().map(|(count, _)| *count);
    Seen {
        per_second: float(locks) / took.as_secs_f64(),
        sent: float(sent) / float(locks),
        run: float(run) / float(locks),
        longest: all
            .iter()
            .map(|(_, longest)| *longest)
            .max()
            .unwrap_or_default(),
        shares: (counts().min().unwrap_or(0), counts().max().unwrap_or(0)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn float(count: u64) -> f64 {
    count as f64
}

/// How often each command was run since the server was started.
async fn commands(server: &RedisServer) -> HashMap<String, u64> {
    let text: String = redis(server, &["INFO", "commandstats"]).await;
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        Some((name.to_owned(), calls))
    });
    lines.collect()
}
