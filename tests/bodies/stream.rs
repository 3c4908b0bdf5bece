//! A body reaches every client of the holder's node as it arrives, and the fleet asks once.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Client, Version, get};
use crate::cuts::Codec;
use crate::gate::Gate;
use crate::origin::{Asked, LAST_CHUNK, Origin, pattern};
use crate::slow::Slow;
use crate::stage::{Nodes, turn};
use crate::support::report::{Stall, ms, row};
use crate::support::{until, within};
use crate::watcher::{Seen, quantile, watch};

/// Clients of the node that asks first, and of each of the two others.
const CLIENTS: [usize; 3] = [400, 50, 50];
/// Streams of one HTTP/2 connection.
const STREAMS: usize = 25;
/// Tries.
const ROUNDS: usize = 5;
/// Pieces of the body, and the time between two of them.
const PIECES: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// What the origin takes to begin, once it has been asked and all clients have.
const LATENCY: Duration = Duration::from_millis(250);
/// How long after the origin's all but one in a hundred have the first byte, and what comes later.
const FIRST: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(50);

/// A body in pieces, and when each of them was sent.
#[derive(Clone)]
struct Body {
    piece: usize,
    codec: Codec,
    all_have_asked: Gate,
    sent: Arc<Mutex<Vec<Instant>>>,
}

impl Body {
    fn new(piece: usize, codec: Codec) -> Self {
        Self {
            piece,
            codec,
            all_have_asked: Gate::new(),
            sent: Arc::default(),
        }
    }

    async fn send(self, mut asked: Asked) -> io::Result<()> {
        self.all_have_asked.pass().await;
        sleep(LATENCY).await;
        let length = format!("content-length: {}", self.piece * PIECES);
        let framing = match self.codec {
            Codec::Length => &length,
            Codec::Chunked => "transfer-encoding: chunked",
        };
        let body = pattern(&asked.path, self.piece * PIECES);
        asked.ok(&[framing, "cache-control: max-age=60"]).await?;
        let begun = Instant::now();
        for (number, piece) in (0..).zip(body.chunks(self.piece)) {
            sleep_until(begun + PAUSE * number).await;
            self.sent
                .lock()
                .expect("nobody panics")
                .push(Instant::now());
            match self.codec {
                Codec::Length => asked.send(piece).await?,
                Codec::Chunked => asked.chunk(piece).await?,
            }
        }
        match self.codec {
            Codec::Length => Ok(()),
            Codec::Chunked => asked.send(LAST_CHUNK).await,
        }
    }
}

/// All clients of one node, half of them with each version, on connections made before.
async fn crowd(address: std::net::SocketAddr, count: usize) -> Vec<Client> {
    let one = Client::new(address, Version::One).await;
    let mut clients = vec![one; count.div_ceil(2)];
    while clients.len() < count {
        let two = Client::new(address, Version::Two).await;
        let streams = STREAMS.min(count - clients.len());
        clients.extend(vec![two; streams]);
    }
    clients
}

/// When the clients had what, and when the origin had sent it.
struct Round {
    /// With the number of the node of each client. That of the holder is 0.
    seen: Vec<(usize, Seen)>,
    sent: Vec<Instant>,
    slow: Vec<Slow>,
}

impl Round {
    /// Lets all clients ask at once, and waits until they have all of it.
    async fn run(nodes: &Nodes, origin: &Origin, body: &Body, path: &str, with_slow: bool) -> Self {
        let mut crowds = Vec::new();
        for (proxy, count) in nodes.proxies.iter().zip(CLIENTS) {
            crowds.push(crowd(proxy.address(), count).await);
        }
        let whole: Arc<[u8]> = pattern(path, body.piece * PIECES).into();
        let mut watching = JoinSet::new();
        let mut asked = Vec::new();
        let mut join = |node: usize, client: Client| {
            let (tell, told) = oneshot::channel();
            let watch = watch(client, get(path), Arc::clone(&whole), body.piece, tell);
            watching.spawn(async move { (node, watch.await) });
            asked.push(told);
        };
        // The first client's node is the holder's: it has asked before anybody else does.
        join(0, crowds[0].pop().expect("a client"));
        until("the first one leads", || origin.requests_to(path) == 1).await;
        for (node, clients) in crowds.into_iter().enumerate() {
            clients.into_iter().for_each(|client| join(node, client));
        }
        let slow = match with_slow {
            true => Slow::both(nodes.one(), path).await,
            false => Vec::new(),
        };
        for told in asked {
            within("a client to ask", told).await.expect("it asks");
        }
        body.all_have_asked.open();
        let seen = within("all to be served", watching.join_all()).await;
        let sent = body.sent.lock().expect("nobody panics").clone();
        Self { seen, sent, slow }
    }

    fn lags(&self) -> Lags {
        let of = |at: Instant, sent: usize| at.saturating_duration_since(self.sent[sent]);
        let holders = self.seen.iter().filter(|(node, _)| *node == 0);
        let holders: Vec<_> = holders.map(|(_, seen)| seen).collect();
        let each = holders.iter().flat_map(|seen| (0..).zip(&seen.pieces));
        let others = self.seen.iter().filter(|(node, _)| *node != 0);
        Lags {
            first: holders.iter().map(|seen| of(seen.first, 0)).collect(),
            each: each.map(|(piece, at)| of(*at, piece)).collect(),
            last: holders
                .iter()
                .map(|seen| of(seen.end, PIECES - 1))
                .collect(),
            others: others.map(|(_, seen)| of(seen.end, PIECES - 1)).collect(),
        }
    }
}

/// How long after the origin had sent it the clients had what.
struct Lags {
    first: Vec<Duration>,
    each: Vec<Duration>,
    last: Vec<Duration>,
    /// On other nodes than the holder's, the end.
    others: Vec<Duration>,
}

impl Lags {
    fn are_within(&self, allowance: Duration) -> bool {
        let p99 = |lags| quantile(lags, 0.99).saturating_sub(allowance);
        p99(&self.first) <= FIRST && p99(&self.each) <= LATER && p99(&self.last) <= LATER
    }
}

impl std::fmt::Display for Lags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            ("first byte", &self.first),
            ("pieces", &self.each),
            ("end", &self.last),
        ];
        for (what, lags) in all {
            let (half, most) = (ms(quantile(lags, 0.5)), ms(quantile(lags, 0.99)));
            write!(f, "{what} p50 {half}, p99 {most}; ")?;
        }
        write!(
            f,
            "other nodes whole after {}",
            ms(quantile(&self.others, 1.0))
        )
    }
}

/// The best of some rounds counts: what else this machine does makes them worse, never better.
async fn stream_to_the_flock(claim: &str, piece: usize, codec: Codec, with_slow: bool) {
    let _turn = turn().await;
    let bodies = [(); ROUNDS].map(|()| Body::new(piece, codec));
    let sending = bodies.clone();
    let origin = Origin::start(move |asked| {
        let round: usize = asked.path[1..].parse().expect("the number of a round");
        sending[round].clone().send(asked)
    });
    let nodes = Nodes::start(&origin, CLIENTS.len(), &[]).await;
    for (number, body) in bodies.iter().enumerate() {
        let path = format!("/{number}");
        let stall = Stall::watch();
        let round = Round::run(&nodes, &origin, body, &path, with_slow).await;
        let (lags, stall) = (round.lags(), stall.worst());
        row(
            claim,
            &format!("{lags}; machine's worst stall {}", ms(stall)),
        );
        assert_eq!(round.seen.len(), CLIENTS.iter().sum::<usize>());
        for slow in round.slow {
            let (had, got) = slow.hurry().await;
            assert!(had < piece, "{claim}: no slow client at all: {had}");
            assert!(
                got == pattern(&path, piece * PIECES),
                "{claim}: the slow one's"
            );
        }
        assert_eq!(origin.requests_to(&path), 1, "{claim}");
        if lags.are_within(stall) {
            return;
        }
        assert!(number + 1 < ROUNDS, "{claim}: {lags}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_have_each_piece_as_it_arrives() {
    let claim = "500 clients, 10 x 8 KiB, announced";
    stream_to_the_flock(claim, 8 << 10, Codec::Length, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_do_when_the_length_is_unknown() {
    let claim = "500 clients, 10 x 8 KiB, chunked";
    stream_to_the_flock(claim, 8 << 10, Codec::Chunked, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_reads_a_kilobyte_a_second_delays_no_other() {
    let claim = "500 clients and two slow ones, 10 x 8 KiB";
    stream_to_the_flock(claim, 8 << 10, Codec::Length, true).await;
}
