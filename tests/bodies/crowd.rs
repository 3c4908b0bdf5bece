//! Ten thousand misses at once, each for a path of its own.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::client::{Client, Version, get};
use crate::gate::{Gate, reaches};
use crate::memory::{KIB, MIB, held, mib, peak};
use crate::origin::{Origin, pattern};
use crate::stage::{proxy, turn};
use crate::support::report::row;

const CONNECTIONS: usize = 100;
const STREAMS: usize = 100;
const ALL: usize = CONNECTIONS * STREAMS;

/// What the proxy holds while all wait, and the most that it ever held, with bodies of this length.
async fn run(length: usize, flags: &[&str]) -> (u64, u64) {
    let gate = Gate::new();
    let at_the_origin = gate.clone();
    let body: Arc<[u8]> = pattern("/", length).into();
    let sent = Arc::clone(&body);
    let origin = Origin::start(move |mut asked| {
        let (gate, body) = (at_the_origin.clone(), Arc::clone(&sent));
        async move {
            gate.pass().await;
            let length = format!("content-length: {}", body.len());
            // The path comes back, so that no two bodies are mixed up.
            let path = format!("x-path: {}", asked.path);
            asked
                .ok(&[&length, &path, "cache-control: max-age=60"])
                .await?;
            asked.send(&body).await
        }
    });
    let mut total = origin.total();
    let proxy = proxy(&origin, flags).await;
    let mut asking = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = Client::new(proxy.address(), Version::Two).await;
        for stream in 0..STREAMS {
            let (client, body) = (client.clone(), Arc::clone(&body));
            let path = format!("/{connection}/{stream}");
            asking.spawn(async move { whole(&client, &path, &body).await });
        }
    }
    reaches("all to be at the origin", &mut total, ALL).await;
    let waiting = held(&proxy);
    gate.open();
    let results = tokio::time::timeout(Duration::from_secs(60), asking.join_all()).await;
    let results = results.expect("all are served in time");
    let failed: Vec<_> = results
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        failed.first()
    );
    assert_eq!(*total.borrow(), ALL);
    (waiting, peak(&proxy))
}

async fn whole(client: &Client, path: &str, body: &[u8]) -> Result<(), String> {
    let mut reading = client.open(get(path)).await?;
    if reading.status != 200 || reading.header("x-path") != path {
        return Err(format!(
            "{}, {}",
            reading.status,
            reading.header("cache-status")
        ));
    }
    let mut had = 0;
    while let Some(piece) = reading.piece().await? {
        if !body[had..].starts_with(&piece) {
            return Err(format!("other bytes at {had}"));
        }
        had += piece.len();
    }
    match had == body.len() {
        true => Ok(()),
        false => Err(format!("short: {had}")),
    }
}

/// Each request has a connection to the origin.
fn raise_the_limit_of_open_files() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux has it");
    let wanted = 12_000.max(soft);
    assert!(
        hard >= wanted,
        "ulimit -Hn is {hard}, and {wanted} connections are needed"
    );
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("up to the hard limit");
}

/// What the proxy may hold of the bodies that it stores.
const LOCAL: u64 = 64 * MIB;
/// What it may hold of all that it is about to store.
const FILL: u64 = 64 * MIB;
/// What it may hold of one that waits for its turn, or passes through: a piece from the one socket
/// and to the other.
const PASSING: u64 = 16 * KIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_misses_at_once_stay_within_the_bound() {
    const LENGTH: usize = 100 << 10;
    let _turn = turn().await;
    raise_the_limit_of_open_files();
    let flags = ["--local-capacity", "64MiB", "--fill-capacity", "64MiB"];
    // What a request costs whose body is empty: its two ends, mostly.
    let (_, empty) = run(0, &flags).await;
    let (waiting, full) = run(LENGTH, &flags).await;
    let all = u64::try_from(ALL).expect("ten thousand");
    let bound = empty + LOCAL + FILL + all * PASSING;
    row(
        "10,000 misses of 100 KiB at once",
        &format!(
            "peak {}, of which {} while all wait; with empty bodies {} ({} KiB each); bound {}",
            mib(full),
            mib(waiting),
            mib(empty),
            empty / all / KIB,
            mib(bound)
        ),
    );
    // Or nothing would be measured but that they are all in memory.
    assert!(bound < empty + all * LENGTH as u64);
    assert!(full <= bound, "{} of {}", mib(full), mib(bound));
}
