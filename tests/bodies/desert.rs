//! All clients leave in the middle of a body: it goes on if it is worth it, and not for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Reading, get};
use crate::gate::Gate;
use crate::origin::{Asked, LAST_CHUNK, Origin, chunk, pattern};
use crate::stage::{clients, proxy, turn};
use crate::support::proxy::Proxy;
use crate::support::report::{Stall, ms, row};
use crate::support::within;

/// `--fetch-timeout`.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// What "promptly" is: a few looks at a clock, and a busy machine.
const PROMPTLY: Duration = Duration::from_millis(250);
/// `--max-body-size`.
const MOST: usize = 64 << 10;
/// What comes at once, of a body within the limit and of one beyond it.
const SMALL: usize = 8 << 10;
const LARGE: usize = 256 << 10;
/// Between two drops of a body that drips.
const DROP: Duration = Duration::from_millis(20);

/// One origin whose bodies begin at once, and then drip until the connection is closed.
struct Dripping {
    origin: Origin,
    /// Closed until all have joined a body that grows too large.
    joined: Gate,
    closed: mpsc::UnboundedReceiver<Instant>,
    proxy: Proxy,
    stall: Stall,
}

impl Dripping {
    async fn start() -> Self {
        let (tell, closed) = mpsc::unbounded_channel();
        let tell = Arc::new(tell);
        let joined = Gate::new();
        let gate = joined.clone();
        let origin = Origin::start(move |mut asked| {
            let (tell, gate) = (Arc::clone(&tell), gate.clone());
            async move {
                let _ = drip(&mut asked, &gate).await;
                tell.send(Instant::now()).map_err(io::Error::other)
            }
        });
        let flags = ["--fetch-timeout", "1s", "--max-body-size", "64KiB"];
        let proxy = proxy(&origin, &flags).await;
        let stall = Stall::watch();
        Self {
            origin,
            joined,
            closed,
            proxy,
            stall,
        }
    }

    /// How long after `left` the origin's connection was closed.
    async fn closed_after(&mut self, left: Instant) -> Duration {
        let closed = within("the origin's connection to be closed", self.closed.recv()).await;
        closed
            .expect("the origin runs")
            .saturating_duration_since(left)
    }

    fn is_open(&mut self) -> bool {
        self.closed.try_recv().is_err()
    }
}

/// The start of the body that the path is for, and then drops.
async fn drip(asked: &mut Asked, joined: &Gate) -> io::Result<()> {
    let path = asked.path.clone();
    let chunked = !path.contains("known");
    let cache = match path.contains("private") {
        true => "cache-control: no-store",
        false => "cache-control: max-age=60",
    };
    // Within the limit, and far more than will ever drip.
    let length = format!("content-length: {MOST}");
    let framing = match chunked {
        true => "transfer-encoding: chunked",
        false => &length,
    };
    asked.ok(&[framing, cache]).await?;
    let large = path.contains("large");
    if large {
        joined.pass().await;
    }
    let start = pattern(&path, if large { LARGE } else { SMALL });
    match chunked {
        true => asked.chunk(&start).await?,
        false => asked.send(&start).await?,
    }
    let one = if chunked { chunk(b".") } else { vec![b'.'] };
    loop {
        tokio::select! {
            () = asked.closed() => return Ok(()),
            () = sleep(DROP) => asked.send(&one).await?,
        }
    }
}

async fn lead(client: &Client, path: &str, first: usize) -> Reading {
    let reading = within("a head", client.open(get(path))).await;
    let mut reading = reading.expect("a head");
    let got = within("the start", reading.at_least(first)).await;
    assert!(got.body.len() >= first, "{path}: {}", got.body.len());
    reading
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_stored_goes_on_without_readers() {
    /// Long enough for the proxy to see that it reads for nobody.
    const PIECES: usize = 16;
    let _turn = turn().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let tell = Arc::new(tell);
    let origin = Origin::start(move |mut asked| {
        let tell = Arc::clone(&tell);
        async move {
            let body = pattern(&asked.path, MOST);
            let chunked = asked.path.contains("unknown");
            let length = format!("content-length: {MOST}");
            let framing = match chunked {
                true => "transfer-encoding: chunked",
                false => &length,
            };
            asked.ok(&[framing, "cache-control: max-age=60"]).await?;
            for piece in body.chunks(MOST / PIECES) {
                match chunked {
                    true => asked.chunk(piece).await?,
                    false => asked.send(piece).await?,
                }
                sleep(DROP).await;
            }
            if chunked {
                asked.send(LAST_CHUNK).await?;
            }
            tell.send(()).map_err(io::Error::other)
        }
    });
    let proxy = proxy(&origin, &["--fetch-timeout", "1s"]).await;
    for (version, client) in clients(proxy.address()).await {
        for kind in ["known", "unknown"] {
            let path = format!("/stored/{kind}/{version:?}");
            let first = MOST / PIECES;
            let leader = lead(&client, &path, first).await;
            drop(lead(&client, &path, first).await);
            drop(leader);
            within("the origin to send all", told.recv()).await;
            let (status, got) = client.get(&path).await;
            assert_eq!((status, got.clean), (200, true), "{path}");
            assert!(got.body == pattern(&path, MOST), "{path}");
            assert_eq!(origin.requests_to(&path), 1, "{path}");
            let hit = client.open(get(&path)).await.expect("a head");
            let status = hit.header("cache-status");
            assert!(status.contains("; hit"), "{path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_drips_for_nobody_is_left_when_its_time_is_up() {
    let _turn = turn().await;
    let mut stage = Dripping::start().await;
    for (version, client) in clients(stage.proxy.address()).await {
        for kind in ["known", "unknown"] {
            let path = format!("/drips/{kind}/{version:?}").replace("unknown", "chunked");
            let first = lead(&client, &path, SMALL).await;
            drop(lead(&client, &path, SMALL).await);
            assert!(stage.is_open());
            let left = Instant::now();
            drop(first);
            let after = stage.closed_after(left).await;
            row(
                &format!("deserted, drips, {kind} length, {version:?}"),
                &ms(after),
            );
            // It was given its chance, and no more.
            assert!(after >= FETCH_TIMEOUT / 2, "{path}: {after:?}");
            let most = FETCH_TIMEOUT + PROMPTLY + stage.stall.worst();
            assert!(after <= most, "{path}: {after:?}");
            assert_eq!(stage.origin.requests_to(&path), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_ends_with_its_only_client() {
    let _turn = turn().await;
    let mut stage = Dripping::start().await;
    for (version, client) in clients(stage.proxy.address()).await {
        let path = format!("/private/{version:?}");
        let mut reading = lead(&client, &path, SMALL).await;
        // It lives for as long as somebody reads.
        let drops = within("drops", reading.at_least(5)).await;
        assert!(drops.body.len() >= 5 && stage.is_open());
        let left = Instant::now();
        drop(reading);
        let after = stage.closed_after(left).await;
        row(&format!("deserted, uncacheable, {version:?}"), &ms(after));
        assert!(after <= PROMPTLY + stage.stall.worst(), "{path}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_grew_too_large_ends_with_the_last_of_its_clients() {
    let _turn = turn().await;
    let mut stage = Dripping::start().await;
    for (version, client) in clients(stage.proxy.address()).await {
        let path = format!("/large/{version:?}");
        stage.joined.close();
        // Both in the middle of the same body: nobody is behind while it is small.
        let opened = [client.open(get(&path)).await, client.open(get(&path)).await];
        let [mut first, mut second] = opened.map(|opened| opened.expect("a head"));
        assert_eq!(stage.origin.requests_to(&path), 1, "{path}");
        stage.joined.open();
        for reading in [&mut first, &mut second] {
            let got = within("the start", reading.at_least(LARGE)).await;
            assert!(got.body.starts_with(&pattern(&path, LARGE)), "{path}");
        }
        drop(first);
        let drops = within("drops", second.at_least(10)).await;
        assert!(drops.body.len() >= 10 && stage.is_open(), "{path}");
        let left = Instant::now();
        drop(second);
        let after = stage.closed_after(left).await;
        row(&format!("deserted, too large, {version:?}"), &ms(after));
        assert!(after <= PROMPTLY + stage.stall.worst(), "{path}: {after:?}");
    }
}
