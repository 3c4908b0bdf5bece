//! Whoever comes while a body is on its way reads along, in whatever form it asked for.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Client, Reading, get, request};
use crate::gate::Gate;
use crate::origin::{LAST_CHUNK, Origin, pattern};
use crate::stage::{clients, proxy};
use crate::support::within;

const LENGTH: usize = 64 << 10;
/// What comes before the gate.
const FIRST: usize = 1_000;

/// An origin that sends the first part of a body of known length, and the rest when told to.
fn in_two_parts(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |mut asked| {
        let gate = gate.clone();
        async move {
            let body = pattern(&asked.path, LENGTH);
            let length = format!("content-length: {LENGTH}");
            asked.ok(&[&length, "cache-control: max-age=60"]).await?;
            asked.send(&body[..FIRST]).await?;
            gate.pass().await;
            asked.send(&body[FIRST..]).await
        }
    })
}

/// The leader, when the first part has come to it.
async fn lead(client: &Client, path: &str) -> Reading {
    let mut reading = open(client, get(path)).await;
    let first = within("the first part", reading.at_least(FIRST)).await;
    assert_eq!(first.body, pattern(path, LENGTH)[..FIRST]);
    reading
}

async fn open(client: &Client, request: http::Request<()>) -> Reading {
    within("a head", client.open(request))
        .await
        .expect("a head")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_is_answered_as_soon_as_its_bytes_are_there() {
    let gate = Gate::new();
    let origin = in_two_parts(&gate);
    let proxy = proxy(&origin, &[]).await;
    for (version, client) in clients(proxy.address()).await {
        let path = format!("/range/{version:?}");
        let whole = pattern(&path, LENGTH);
        let leader = lead(&client, &path).await;
        let ranged = async |range: &str| {
            let reading = open(&client, request("GET", &path, &[("range", range)])).await;
            assert_eq!(reading.status, 206, "{range}");
            reading
        };
        let mut early = ranged("bytes=0-99").await;
        let early = within("bytes that are there", early.rest()).await;
        assert!(early.clean && !gate.is_open());
        assert_eq!(early.body, whole[..100]);

        // Of one that reaches further, what is there; of the last bytes, none.
        let mut further = ranged("bytes=900-1999").await;
        let there = within("bytes that are there", further.at_least(100)).await;
        assert_eq!(
            (there.body, there.clean),
            (whole[900..1_000].to_vec(), false)
        );
        let mut last = ranged("bytes=-100").await;
        assert_eq!(
            last.header("content-range"),
            format!("bytes {}-{}/{LENGTH}", LENGTH - 100, LENGTH - 1)
        );
        assert_eq!(origin.requests_to(&path), 1);

        gate.open();
        let further = within("the rest", further.rest()).await;
        assert_eq!(
            (further.body, further.clean),
            (whole[1_000..2_000].to_vec(), true)
        );
        let last = within("the last bytes", last.rest()).await;
        assert_eq!(
            (last.body, last.clean),
            (whole[LENGTH - 100..].to_vec(), true)
        );
        let leader = within("the leader's rest", { leader }.rest()).await;
        assert_eq!((&leader.body[..], leader.clean), (&whole[FIRST..], true));
        assert_eq!(origin.requests_to(&path), 1);
        // A second version starts before a closed gate too.
        gate.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_during_a_fill_is_answered_at_once() {
    let gate = Gate::new();
    let origin = in_two_parts(&gate);
    let proxy = proxy(&origin, &[]).await;
    for (version, client) in clients(proxy.address()).await {
        let path = format!("/head/{version:?}");
        let _leader = lead(&client, &path).await;
        let mut head = open(&client, request("HEAD", &path, &[])).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), LENGTH.to_string());
        let body = within("the end of nothing", head.rest()).await;
        assert_eq!((body.body.len(), body.clean), (0, true));
        assert!(!gate.is_open());
        assert_eq!(origin.requests_to(&path), 1);
    }
}

/// One client comes first, one in the middle, one when all is there.
async fn all_three(client: &Client, gate: &Gate, request: &http::Request<()>) -> [Reading; 3] {
    let first = open(client, request.clone()).await;
    let second = open(client, request.clone()).await;
    gate.open();
    let mut all = [first, second, open(client, request.clone()).await];
    for reading in &mut all {
        let got = within("a body", reading.rest()).await;
        assert_eq!(reading.status, 200);
        assert_eq!((got.clean, got.body.len()), (true, LENGTH));
        assert_eq!(got.body, pattern(request.uri().path(), LENGTH));
    }
    all
}

/// An origin that sends a chunked body of unknown length, with something behind it.
fn chunked(gate: &Gate, fields: &'static [&'static str], end: &'static [u8]) -> Origin {
    let gate = gate.clone();
    Origin::start(move |mut asked| {
        let gate = gate.clone();
        async move {
            let body = pattern(&asked.path, LENGTH);
            let mut all = vec!["transfer-encoding: chunked", "cache-control: max-age=60"];
            all.extend_from_slice(fields);
            asked.ok(&all).await?;
            asked.chunk(&body[..FIRST]).await?;
            gate.pass().await;
            // In chunks that are no round numbers of anything.
            for piece in body[FIRST..].chunks(7_777) {
                asked.chunk(piece).await?;
            }
            asked.send(end).await
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_comes_byte_for_byte() {
    let gate = Gate::new();
    let fields = &["content-encoding: gzip", "vary: accept-encoding"];
    let origin = chunked(&gate, fields, LAST_CHUNK);
    let proxy = proxy(&origin, &[]).await;
    for (version, client) in clients(proxy.address()).await {
        gate.close();
        let path = format!("/gzip/{version:?}");
        let request = request("GET", &path, &[("accept-encoding", "gzip")]);
        for reading in all_three(&client, &gate, &request).await {
            assert_eq!(reading.header("content-encoding"), "gzip");
        }
        assert_eq!(origin.requests_to(&path), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_reach_those_who_follow() {
    let gate = Gate::new();
    let end = b"0\r\nx-sum: 4711\r\n\r\n";
    let origin = chunked(&gate, &["trailer: x-sum"], end);
    let proxy = proxy(&origin, &[]).await;
    let mut missing = Vec::new();
    for (version, client) in clients(proxy.address()).await {
        gate.close();
        let path = format!("/trailers/{version:?}");
        let request = request("GET", &path, &[("te", "trailers")]);
        let [first, second, _stored] = all_three(&client, &gate, &request).await;
        for (who, reading) in [("leader", first), ("follower", second)] {
            if reading
                .trailers()
                .get("x-sum")
                .is_none_or(|sum| sum != "4711")
            {
                missing.push((version, who));
            }
        }
        assert_eq!(origin.requests_to(&path), 1);
    }
    assert!(missing.is_empty(), "no trailers for {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncacheable_head_releases_all_who_wait_side_by_side() {
    const CLIENTS: usize = 24;
    const LATENCY: Duration = Duration::from_millis(300);
    let gate = Gate::new();
    let at_the_origin = gate.clone();
    let origin = Origin::start(move |mut asked| {
        let gate = at_the_origin.clone();
        async move {
            if asked.number == 1 {
                tokio::time::sleep(LATENCY).await;
            }
            asked
                .ok(&["content-length: 3", "cache-control: no-store"])
                .await?;
            // Nobody gets a body, the leader neither, before all of them are here.
            gate.pass().await;
            tokio::time::sleep(LATENCY).await;
            asked.send(b"abc").await
        }
    });
    let proxy = proxy(&origin, &[]).await;
    for (version, client) in clients(proxy.address()).await {
        gate.close();
        let path = format!("/refused/{version:?}");
        let begun = Instant::now();
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            let (client, path) = (client.clone(), path.clone());
            asking.spawn(async move { client.get(&path).await });
        }
        tokio::time::sleep_until(begun + LATENCY / 2).await;
        assert_eq!(origin.requests_to(&path), 1, "before the verdict, one asks");
        let all_there = || origin.requests_to(&path) == CLIENTS;
        crate::support::until("all are at the origin", all_there).await;
        let released = begun.elapsed();
        gate.open();
        for (status, got) in asking.join_all().await {
            assert_eq!((status, &got.body[..], got.clean), (200, &b"abc"[..], true));
        }
        let took = begun.elapsed();
        println!(
            "{version:?}: all {CLIENTS} at the origin after {released:?}, done after {took:?}"
        );
        assert!(took < 2 * LATENCY + Duration::from_millis(250), "{took:?}");
    }
}
