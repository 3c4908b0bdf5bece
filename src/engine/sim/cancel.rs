//! Every future dropped at each of its polls: nothing is left behind, and nobody waits for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::client::{Asks, Client};
use super::history::How;
use super::origin::Caller;
use super::safety;
use super::seeds::once;
use super::site::Spec;
use super::world::{Node, Setup, World};
use crate::engine::{Job, Landing, Task, drive};
use crate::flight::{Lead, Log, Seat};
use crate::lock::Lease;
use crate::shared::{Ask, Grant, MemoryTier, SharedTier, Token};

/// More polls than any of these futures needs.
const MANY: usize = 1_000;

/// Polls at most `polls` times, then drops. `None`: it was not done by then.
async fn polled<F: Future>(polls: usize, work: F) -> Option<F::Output> {
    let mut work = Some(Box::pin(work));
    let mut left = polls;
    poll_fn(|cx| {
        let Some(running) = work.as_mut().filter(|_| left > 0) else {
            work = None;
            return Poll::Ready(None);
        };
        left -= 1;
        let poll: Poll<F::Output> = Pin::new(running).poll(cx);
        if poll.is_pending() && left == 0 {
            work = None;
            return Poll::Ready(None);
        }
        poll.map(Some)
    })
    .await
}

/// Runs `test` with 1, 2, 3 … polls until it says that the future came to its end.
fn at_each_poll<R: Future<Output = bool>>(test: impl Fn(usize) -> R) {
    let done = (1..MANY).find(|polls| once(*polls as u64, |_| test(*polls)));
    let polls = done.expect("it ends");
    assert!(polls > 1, "it never waited: nothing was tested");
}

fn spec() -> Spec {
    Spec {
        fresh: 60_000,
        stale: 0,
        on_error: 0,
        unreachable: 0,
        varies: false,
        confirms: false,
        latency: 100..101,
        chunks: 3,
        gap: 10,
    }
}

fn world(nodes: usize, spec: Spec) -> Arc<World> {
    World::new(fastrand::Rng::with_seed(1), Setup::calm(nodes, vec![spec]))
}

async fn millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn lead(node: &Node, asks: &Asks) -> Lead<Landing> {
    match node.engine.join(&asks.primary, &asks.primary) {
        Seat::Lead(lead) => lead,
        Seat::Follow(_) => panic!("nobody else is there"),
    }
}

fn job(asks: &Arc<Asks>) -> Job {
    Job {
        key: asks.primary.clone(),
        primary: asks.primary.clone(),
        rule: None,
        held: None,
        task: Task::Refresh,
        select: Arc::clone(asks) as _,
        budget: Duration::from_millis(150),
        berth: None,
    }
}

fn caller(world: &World) -> Box<Caller> {
    Box::new(Caller {
        site: Arc::clone(&world.site),
        node: 0,
        key: 0,
        kind: 0,
        back: None,
    })
}

/// A client leaves at any point, whether it leads, follows, or reads: it is stored all the same,
/// the others are answered, and there was one fetch.
#[test]
fn clients() {
    for behind in [false, true] {
        at_each_poll(|polls| async move {
            let world = world(2, spec());
            let node = world.node(0);
            if behind {
                drop(world.ask(&node, 0, 0));
                millis(20).await;
            }
            let client = Client::new(&node, &world.site, 0, 0);
            let done = polled(polls, client.request()).await.is_some();
            world.history.note(|notes, _| notes.open.clear());
            (0..2).for_each(|node| drop(world.ask(&world.node(node), 0, 0)));
            millis(1_000).await;
            drop(world.ask(&node, 0, 0));
            let notes = world.settle().await.expect("nothing is left");
            assert_eq!(notes.fetches.len(), 1, "left after {polls} polls");
            assert_eq!(notes.serves.last().map(|serve| serve.how), Some(How::Held));
            safety::all(&notes, &[spec()], 0).expect("all is well");
            done
        });
    }
}

/// The task that brings a flight to its end is ended at any point: its followers elect another,
/// here and elsewhere, within a lease, and no lease and no flight is left.
#[test]
fn flights() {
    for varies in [false, true] {
        at_each_poll(|polls| async move {
            let spec = Spec { varies, ..spec() };
            let world = world(2, spec.clone());
            let (node, asks) = (world.node(0), Asks::of(0, 0));
            let lead = lead(&node, &asks);
            let engine = Arc::clone(&node.engine);
            let flight = drive::drive(engine, lead, job(&asks), caller(&world));
            (0..5).for_each(|_| drop(world.ask(&node, 0, 0)));
            drop(world.ask(&world.node(1), 0, 0));
            let done = polled(polls, flight).await.is_some();
            millis(5_000).await;
            // Whoever read along when it broke off could tell.
            let notes = world.settle().await.expect("nothing is left");
            let right = |serve: &super::history::Serve| {
                serve.fetch.is_some() && serve.body != Some(false) && serve.waited() < 3_600_000
            };
            assert_eq!(notes.serves.len(), 6, "ended after {polls} polls");
            assert!(
                notes.serves.iter().all(right),
                "{polls}: {:?}",
                notes.serves
            );
            assert!(notes.fetches.len() <= 2, "{polls}: {:?}", notes.fetches);
            safety::all(&notes, &[spec], 0).expect("all is well");
            assert!(
                is_free(&world.memory, &asks).await,
                "a lease is left after {polls} polls"
            );
            done
        });
    }
}

/// True if somebody could get the lease now.
async fn is_free(tier: &MemoryTier, asks: &Asks) -> bool {
    let answer = tier.acquire(ask(asks, 7)).await.expect("it answers");
    matches!(answer.grant, Grant::Lease { .. })
}

fn ask(asks: &Asks, token: u8) -> Ask {
    Ask {
        id: asks.primary.id(),
        token: Token::from_bytes([token; 16]),
        lease: Duration::from_secs(3),
        have: None,
        peek: false,
        force: true,
        insist: true,
        within: Duration::from_millis(100),
    }
}

/// A lease on a slow tier, held by node 0.
async fn lease(world: &World, asks: &Asks) -> Lease {
    let (node, sent) = (world.node(0), Instant::now());
    let answer = node.tier.acquire(ask(asks, 1)).await.expect("it answers");
    let Grant::Lease { fence, ttl } = answer.grant else {
        panic!("nobody else is there");
    };
    let (tier, token) = (Arc::clone(&node.tier) as _, ask(asks, 1).token);
    let timing = node.engine.tuning.lease;
    Lease::new(tier, asks.primary.id(), token, fence, sent, ttl, timing)
}

/// Whatever is done with a lease is dropped in the middle: it is free a lease later at most, and at
/// once if its guard was dropped.
#[test]
fn leases() {
    for act in ["hold", "commit", "release", "confirm"] {
        at_each_poll(|polls| async move {
            let (world, asks) = (world(1, spec()), Asks::of(0, 0));
            let mut lease = lease(&world, &asks).await;
            let work = async move {
                match act {
                    "hold" => lease.hold(millis(4_000)).await,
                    "commit" => {
                        let commit = lease.commit_of(Bytes::new(), Some(Bytes::new()));
                        let _ = lease.commit(commit).await;
                    }
                    "confirm" => drop(lease.confirm().await),
                    _ => lease.release(None).await,
                }
            };
            let done = polled(polls, work).await.is_some();
            // There, and not yet back: its release is under way.
            millis(if act == "release" { 3_100 } else { 10 }).await;
            assert!(
                is_free(&world.memory, &asks).await,
                "{act} dropped after {polls} polls"
            );
            done
        });
    }
}

/// The wait of a writer for a slow reader is dropped: what was appended is there, and the readers
/// are told that the body broke off when the writer goes.
#[tokio::test]
async fn writers() {
    let (writer, log) = Log::new(4, None);
    let mut reader = log.reader().expect("it is whole");
    let large = vec![7; 300 << 10];
    writer.push(&large);
    writer.seal();
    assert!(polled(1, writer.room()).await.is_none());
    let mut read = 0;
    while read < large.len() {
        let next = poll_fn(|cx| reader.poll_next(cx)).await;
        let Some(Ok(crate::flight::Item::Data(data))) = next else {
            panic!("expected data, got {next:?}");
        };
        read += data.len();
    }
    writer.push(b"6");
    assert!(polled(1, writer.room()).await.is_some());
    drop(writer);
    let second = poll_fn(|cx| reader.poll_next(cx)).await;
    assert!(matches!(second, Some(Ok(_))));
    let end = poll_fn(|cx| reader.poll_next(cx)).await;
    assert!(matches!(end, Some(Err(_))));
}

#[test]
fn ten_thousand_followers_are_answered_by_one_flight() {
    once(1, |_| async {
        let world = world(1, spec());
        (0..10_000).for_each(|_| drop(world.ask(&world.node(0), 0, 0)));
        let notes = world.settle().await.expect("nothing is left");
        assert_eq!((notes.fetches.len(), notes.serves.len()), (1, 10_000));
        assert!(notes.serves.iter().all(|serve| serve.body == Some(true)));
        assert!(notes.serves.iter().all(|serve| serve.waited() <= 110_000));
    });
}
