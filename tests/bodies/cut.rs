//! A body that breaks off at the origin breaks off at every client, and is stored nowhere.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, Got, Reading, VERSIONS, Version, get};
use crate::cuts::{CODECS, Codec, Cut, edges, origin, seed};
use crate::gate::Gate;
use crate::origin::{Asked, LAST_CHUNK, Origin, pattern};
use crate::stage::{Nodes, proxy, turn};
use crate::support::within;

/// Clients of each body that breaks off: one leads, the others follow.
const FLOCK: usize = 3;
/// Bodies that are cut at once.
const AT_ONCE: usize = 24;

/// Some connections to one node.
struct Lines {
    one: Client,
    two: Vec<Client>,
}

impl Lines {
    async fn open(address: std::net::SocketAddr) -> Self {
        let mut two = Vec::new();
        for _ in 0..4 {
            two.push(Client::new(address, Version::Two).await);
        }
        let one = Client::new(address, Version::One).await;
        Self { one, two }
    }

    fn client(&self, number: usize) -> &Client {
        match Version::turns(number) {
            Version::One => &self.one,
            Version::Two => &self.two[number / 2 % self.two.len()],
        }
    }
}

/// What became of the clients of cuts.
#[derive(Debug, Default)]
struct Tally {
    broken: usize,
    /// Whole, of a successor: only where the cut does not wait for everybody.
    whole: usize,
    /// Without a head, which was not on its way yet: only where the cut does not wait.
    headless: usize,
    /// An error for a response, because not even the origin's head came through a reset.
    refused: usize,
}

/// What came instead of a body.
#[derive(Debug, PartialEq, Eq)]
enum NoBody {
    Nothing(String),
    Status(u16, String),
}

/// A response of which the head says `200`, or the lack of one.
async fn open(client: &Client, path: &str) -> Result<Reading, NoBody> {
    let reading = within(path, client.open(get(path))).await;
    let reading = reading.map_err(NoBody::Nothing)?;
    match reading.status {
        200 => Ok(reading),
        other => Err(NoBody::Status(
            other,
            reading.header("cache-status").to_owned(),
        )),
    }
}

/// Cuts one body under its flock, and then asks for it again, here and on another node.
async fn cut_one(cut: &Cut, number: usize, origin: &Origin, nodes: &[Lines; 2]) -> Tally {
    let (path, body) = (&cut.path[..], cut.body());
    let mut tally = Tally::default();
    let opening = (0..FLOCK).map(|one| open(nodes[0].client(number + one), path));
    let opened = futures_util::future::join_all(opening).await;
    if let Some(gate) = &cut.gate {
        let failed = opened.iter().find_map(|opened| opened.as_ref().err());
        assert_eq!(failed, None, "{cut:?}: the head is there");
        assert_eq!(origin.requests_to(path), 1, "{cut:?}: one leads");
        gate.open();
    }
    let reading = opened.into_iter().map(|opened| async move {
        match opened {
            Ok(mut reading) => Ok(within(path, reading.rest()).await),
            Err(error) => Err(error),
        }
    });
    for got in futures_util::future::join_all(reading).await {
        match got {
            Ok(Got { body: whole, clean }) if clean && cut.gate.is_none() && whole == body => {
                tally.whole += 1;
            }
            Ok(Got { body: part, clean }) => {
                assert!(!clean, "{cut:?}: a clean end after {} bytes", part.len());
                assert!(part.len() <= cut.come(), "{cut:?}: {}", part.len());
                assert!(body.starts_with(&part), "{cut:?}: other bytes");
                tally.broken += 1;
            }
            Err(NoBody::Nothing(_)) if cut.gate.is_none() => tally.headless += 1,
            Err(NoBody::Status(502, _)) if cut.reset && cut.gate.is_none() => tally.refused += 1,
            Err(error) => panic!("{cut:?}: {error:?}"),
        }
    }
    // Nothing is stored, on this node or where the fleet looks, and nobody waits for a back-off.
    let before = origin.requests_to(path);
    let first = number % 2;
    for (node, asked) in [(first, "first"), (1 - first, "second"), (first, "again")] {
        let client = nodes[node].client(number / 2);
        let (status, got) = within(path, client.get(path)).await;
        assert_eq!(status, 200, "{cut:?}, {asked}");
        assert!(got.clean && got.body == body, "{cut:?}, {asked}: not whole");
    }
    if cut.gate.is_some() {
        assert_eq!(before, 1, "{cut:?}");
        assert_eq!(
            origin.requests_to(path),
            2,
            "{cut:?}: a successor, and then hits"
        );
    }
    tally
}

async fn cut_all(cuts: Vec<Cut>) -> Tally {
    let origin = Arc::new(origin(&cuts));
    let nodes = Nodes::start(&origin, 2, &[]).await;
    let lines = [
        Lines::open(nodes.one()).await,
        Lines::open(nodes.other()).await,
    ];
    let (lines, places) = (Arc::new(lines), Arc::new(Semaphore::new(AT_ONCE)));
    let mut running = JoinSet::new();
    for (number, cut) in cuts.into_iter().enumerate() {
        let (origin, lines, places) =
            (Arc::clone(&origin), Arc::clone(&lines), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire().await.expect("it stays open");
            cut_one(&cut, number, &origin, &lines).await
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = running.join_next().await {
        let tally = tally.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        all.broken += tally.broken;
        all.whole += tally.whole;
        all.headless += tally.headless;
        all.refused += tally.refused;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_is_cut_no_short_body_is_whole_to_anybody() {
    let _turn = turn().await;
    let seed = seed();
    println!("BELLWETHER_SEED={seed} cargo test --test bodies cut::");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cuts = Vec::new();
    for number in 0..1_000 {
        let mut cut = Cut {
            path: format!("/cut/{number}/{seed}"),
            codec: CODECS[number % 2],
            length: random.usize(1..30_000),
            at: 0,
            reset: random.bool(),
            gate: (random.u8(..4) > 0).then(Gate::new),
        };
        cut.at = random.usize(..cut.wire().len());
        cuts.push(cut);
    }
    let tally = cut_all(cuts).await;
    println!("1,000 cuts under {FLOCK} clients each: {tally:?}");
    assert!(tally.broken > 2_000, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_where_the_framing_could_be_misread() {
    let _turn = turn().await;
    let mut cut = Cut {
        path: String::new(),
        codec: Codec::Chunked,
        length: 20_000,
        at: 0,
        reset: false,
        gate: None,
    };
    let mut cuts = Vec::new();
    for at in edges(&cut.wire()) {
        for reset in [false, true] {
            (cut.at, cut.reset, cut.gate) = (at, reset, Some(Gate::new()));
            cut.path = format!("/edge/{at}/{reset}");
            cuts.push(cut.clone());
        }
    }
    let count = cuts.len();
    let tally = cut_all(cuts).await;
    println!("{count} cuts at the edges of chunks: {tally:?}");
    assert_eq!(tally.broken, FLOCK * count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_killed_at_each_tenth_is_asked_again_when_it_is_back() {
    const LENGTH: usize = 100_000;
    let _turn = turn().await;
    let answer = |tenth: Option<usize>, codec: Codec| {
        move |mut asked: Asked| async move {
            let body = pattern(&asked.path, LENGTH);
            let length = format!("content-length: {LENGTH}");
            let framing = match codec {
                Codec::Length => &length,
                Codec::Chunked => "transfer-encoding: chunked",
            };
            asked.ok(&[framing, "cache-control: max-age=60"]).await?;
            let come = &body[..tenth.map_or(LENGTH, |tenth| tenth * LENGTH / 10)];
            match codec {
                Codec::Length => asked.send(come).await?,
                Codec::Chunked if come.is_empty() => {}
                Codec::Chunked => asked.chunk(come).await?,
            }
            if tenth.is_some() {
                asked.closed().await;
            } else if codec == Codec::Chunked {
                asked.send(LAST_CHUNK).await?;
            }
            Ok(())
        }
    };
    let mut origin = Origin::start(answer(Some(0), Codec::Length));
    let address = origin.address();
    let proxy = proxy(&origin, &[]).await;
    let lines = Lines::open(proxy.address()).await;
    for tenth in 0..10 {
        for codec in CODECS {
            drop(origin);
            origin = Origin::restart(address, answer(Some(tenth), codec)).await;
            let path = format!("/killed/{tenth}/{codec:?}");
            let mut reading = Vec::new();
            for version in 0..VERSIONS.len() {
                let opened = open(lines.client(version), &path).await;
                let mut opened = opened.expect("the head is there");
                let come = within(&path, opened.at_least(tenth * LENGTH / 10)).await;
                assert_eq!(come.body, pattern(&path, LENGTH)[..tenth * LENGTH / 10]);
                reading.push(opened);
            }
            drop(origin);
            for mut reading in reading {
                let rest = within(&path, reading.rest()).await;
                assert_eq!((rest.body.len(), rest.clean), (0, false), "{path}");
            }
            origin = Origin::restart(address, answer(None, codec)).await;
            for number in 0..4 {
                let (status, got) = lines.client(number).get(&path).await;
                assert_eq!((status, got.clean), (200, true), "{path}");
                assert!(got.body == pattern(&path, LENGTH), "{path}");
            }
            assert_eq!(
                origin.requests_to(&path),
                1,
                "{path}: a successor, and then hits"
            );
        }
    }
}
