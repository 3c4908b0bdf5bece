//! A body is in memory once, however many read it, and not at all when it is over.

use futures_util::future::join_all;

use crate::client::{Client, Reading, Version, get, request};
use crate::gate::Gate;
use crate::memory::{MIB, frugal_proxy, held, mib, peak};
use crate::origin::{LAST_CHUNK, Origin, pattern};
use crate::stage::turn;
use crate::support::proxy::Proxy;
use crate::support::report::row;
use crate::support::{until, within};

/// Within the limit of what is stored.
const LENGTH: usize = 7 << 20;
/// So small that it is as good as nothing.
const SMALL: usize = 14 << 10;
const READERS: usize = 64;
/// Room for what a client has not read: far less than the body.
const ROOM: u32 = 64 << 10;

/// What a first request costs is not asked here.
const WARM_UP: &str = "/warm-up";

async fn warm_up(client: &Client) {
    assert_eq!(client.get(WARM_UP).await.0, 200);
}

async fn open_all(proxy: &Proxy, path: &str, count: usize) -> Vec<Reading> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(match Version::turns(number) {
            Version::One => Client::new(proxy.address(), Version::One).await,
            Version::Two => Client::with_window(proxy.address(), ROOM).await,
        });
    }
    let opening = clients
        .iter()
        .map(|client| client.open_with(get(path), Some(ROOM)));
    let opened = within("the heads", join_all(opening)).await;
    opened
        .into_iter()
        .map(|opened| opened.expect("a head"))
        .collect()
}

/// Waits until the whole body is there: then it is a hit.
async fn stored(client: &Client, path: &str) {
    let asking = async {
        loop {
            let head = client
                .open(request("HEAD", path, &[]))
                .await
                .expect("a head");
            if head.header("cache-status").contains("; hit") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within("the body to be stored", asking).await;
}

/// By how much the proxy grows by a body that has been fetched and is still unread by so many, who
/// joined it shortly before its end.
async fn growth(length: usize, readers: usize) -> u64 {
    let first = length / 14 * 13;
    let gate = Gate::new();
    let joined = gate.clone();
    let origin = Origin::start(move |mut asked| {
        let joined = joined.clone();
        async move {
            if asked.path == WARM_UP {
                return asked.ok(&["content-length: 0"]).await;
            }
            let body = pattern(&asked.path, length);
            let announced = format!("content-length: {length}");
            asked.ok(&[&announced, "cache-control: max-age=60"]).await?;
            asked.send(&body[..first]).await?;
            joined.pass().await;
            asked.send(&body[first..]).await
        }
    });
    let proxy = frugal_proxy(&origin, &[]).await;
    let client = Client::new(proxy.address(), Version::One).await;
    warm_up(&client).await;
    let before = held(&proxy);
    let reading = open_all(&proxy, "/body", readers).await;
    gate.open();
    stored(&client, "/body").await;
    let growth = held(&proxy).saturating_sub(before);

    let whole = pattern("/body", length);
    let bodies = reading
        .into_iter()
        .map(|mut reading| async move { reading.rest().await });
    for got in within("the bodies", join_all(bodies)).await {
        assert!(got.clean && got.body == whole);
    }
    assert_eq!(origin.requests_to("/body"), 1);
    growth
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_64_clients_read_is_in_memory_once() {
    let _turn = turn().await;
    let (one, many) = (growth(LENGTH, 1).await, growth(LENGTH, READERS).await);
    // What so many connections cost, whatever they read.
    let connections = growth(SMALL, READERS).await;
    row(
        "7 MiB, fetched and unread",
        &format!(
            "by 1 client: {} more, by {READERS}: {}, of which {} for their connections",
            mib(one),
            mib(many),
            mib(connections)
        ),
    );
    // One copy and a half.
    let most = 3 * (LENGTH as u64) / 2;
    assert!(one < most, "by one client: {}", mib(one));
    assert!(
        many - connections < most,
        "by {READERS} clients: {}",
        mib(many)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_comes_back_from_a_body_that_was_too_large() {
    const READERS: usize = 4;
    const ROUNDS: usize = 2;
    /// Unannounced, and eight times what is stored.
    const LARGE: usize = 64 << 20;
    let _turn = turn().await;
    let origin = Origin::start(move |mut asked| async move {
        if asked.path == WARM_UP {
            return asked.ok(&["content-length: 0"]).await;
        }
        asked
            .ok(&["transfer-encoding: chunked", "cache-control: max-age=60"])
            .await?;
        let body = pattern(&asked.path, LARGE);
        for piece in body.chunks(100_000) {
            asked.chunk(piece).await?;
        }
        asked.send(LAST_CHUNK).await
    });
    let proxy = frugal_proxy(&origin, &["--max-body-size", "8MiB"]).await;
    let client = Client::new(proxy.address(), Version::One).await;
    warm_up(&client).await;
    let before = held(&proxy);
    let mut after = Vec::new();
    for round in 0..ROUNDS {
        let path = format!("/{round}");
        let whole = pattern(&path, LARGE);
        let reading = open_all(&proxy, &path, READERS).await;
        let bodies = reading
            .into_iter()
            .map(|mut reading| async move { reading.rest().await });
        for got in within("the bodies", join_all(bodies)).await {
            assert!(got.clean && got.body == whole);
        }
        until("memory comes back", || held(&proxy) < before + 4 * MIB).await;
        after.push(held(&proxy).saturating_sub(before));
    }
    let peak = peak(&proxy).saturating_sub(before);
    let after_each: Vec<_> = after.iter().map(|bytes| mib(*bytes)).collect();
    row(
        "4 readers of 64 MiB, too large to be stored",
        &format!(
            "peak {} more, afterwards {}",
            mib(peak),
            after_each.join(", ")
        ),
    );
    // The limit of what is stored, which may lie between the slowest and the fastest, the program
    // itself, and what each reader was given last: but never all of it.
    assert!(peak < 56 * MIB, "{}", mib(peak));
}
