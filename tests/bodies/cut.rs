//! A body that breaks off at the origin breaks off at every client, and is stored nowhere.

use crate::client::VERSIONS;
use crate::cuts::{CODECS, Codec, Cut, edges, origin, seed};
use crate::flock::{FLOCK, Lines, Tally, cut_all, open};
use crate::gate::Gate;
use crate::origin::{Asked, LAST_CHUNK, Origin, pattern};
use crate::stage::{Nodes, proxy, turn};
use crate::support::within;

async fn cut_on_two_nodes(cuts: Vec<Cut>) -> Tally {
    let origin = std::sync::Arc::new(origin(&cuts));
    let nodes = Nodes::start(&origin, 2, &[]).await;
    let lines = [
        Lines::open(nodes.one()).await,
        Lines::open(nodes.other()).await,
    ];
    let requests = move |path: &str| origin.requests_to(path);
    cut_all(cuts, lines, requests).await
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
    let tally = cut_on_two_nodes(cuts).await;
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
    let tally = cut_on_two_nodes(cuts).await;
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
