//! Purges of everything in Redis: when each node knows of one, whatever gets lost.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::faults::*;
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

/// Where the store keeps the fence of the last purge of everything.
const ERA: &str = "{bw1:default:00000000000000000000000000000000}:era";

/// A heartbeat, and what a busy machine adds.
const BEAT: Duration = Duration::from_millis(2_500);

async fn heard(notes: &Notes, fence: Fence) -> Duration {
    let start = Instant::now();
    while !notes.all().contains(&TierEvent::PurgedAll { fence }) {
        assert!(start.elapsed() < 10 * SECOND, "{fence} was never heard of");
        sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

fn purges(notes: &Arc<Notes>) -> usize {
    let all = notes.all();
    let purges = all.iter();
    purges
        .filter(|event| matches!(event, TierEvent::PurgedAll { .. }))
        .count()
}

#[tokio::test]
async fn a_node_that_missed_the_event_knows_with_the_next_heartbeat() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    let notes = Notes::hear(&tier);
    // As another node's purge leaves it, but told to nobody.
    let fence = Fence::new(say(&tier, &ask(fresh_id())).await.now);
    run::<()>(&server, &["SET", ERA, &fence.to_string(), "PX", "60000"]).await;
    let took = heard(&notes, fence).await;
    assert!(took < BEAT, "{took:?}");
    assert_eq!(purges(&notes), 1, "and once");
    let answer = peek(&tier, id).await;
    assert_eq!((answer.purged, answer.view), (Some(fence), None));
}

#[tokio::test]
async fn a_purge_is_known_to_nodes_that_start_after_it_and_after_all_others_are_gone() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    let fence = tier.purge_all(SECOND).await.unwrap();
    drop(tier);
    let answer = peek(&connect(&server).await, id).await;
    assert_eq!((answer.purged, answer.view), (Some(fence), None));
}

/// By an eviction, a restart without its data, or a failover to a replica that had not heard of it.
#[tokio::test]
async fn a_purge_that_the_store_forgot_is_told_again_by_whoever_knows_it() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let before = store(&tier, "b").await;
    let fence = tier.purge_all(SECOND).await.unwrap();
    let after = store(&tier, "c").await;
    let notes = Notes::hear(&tier);
    run::<()>(&server, &["DEL", ERA]).await;
    let start = Instant::now();
    loop {
        let era: Option<String> = run(&server, &["GET", ERA]).await;
        if era == Some(fence.to_string()) {
            break;
        }
        assert!(start.elapsed() < BEAT, "it is not there again");
        sleep(Duration::from_millis(5)).await;
    }
    let later = connect(&server).await;
    assert_eq!(peek(&later, before).await.view, None);
    assert!(peek(&later, after).await.view.is_some());
    assert_eq!(purges(&notes), 0, "what is no news empties nothing");
    let ttl: i64 = run(&server, &["PTTL", ERA]).await;
    assert!(ttl > 0, "it does not live for ever: {ttl}");
}

#[tokio::test]
async fn a_purge_that_was_not_delivered_holds_here_at_once_and_everywhere_later() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let id = store(&tier, "b").await;
    let notes = [Notes::hear(&tier), Notes::hear(&other)];
    freeze(&server, &tier).await;
    let start = Instant::now();
    let error = tier.purge_all(SECOND).await.expect_err("it is frozen");
    assert!(error.is_unavailable() && start.elapsed() < SECOND / 5);
    assert_eq!((purges(&notes[0]), purges(&notes[1])), (1, 0));
    server.cont();
    // Whatever it answers from now on, it is not from before the purge.
    let start = Instant::now();
    while purges(&notes[1]) == 0 {
        assert!(start.elapsed() < 5 * SECOND, "it was never delivered");
        let ask = Ask {
            peek: true,
            ..ask(id)
        };
        if let Ok(answer) = tier.acquire(ask).await {
            assert_eq!(answer.view, None);
        }
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(peek(&other, id).await.view, None);
    let answer = acquire(&tier, id).await;
    assert_eq!(
        (leased(&answer) > answer.purged.unwrap(), answer.view),
        (true, None)
    );
}

#[tokio::test]
async fn a_purge_whose_caller_left_is_delivered_too() {
    let server = RedisServer::start();
    let (tier, other) = (connect(&server).await, connect(&server).await);
    let id = store(&tier, "b").await;
    let notes = Notes::hear(&other);
    server.stop();
    let left = tokio::time::timeout(Duration::from_millis(20), tier.purge_all(SECOND)).await;
    assert!(left.is_err());
    server.cont();
    let start = Instant::now();
    while purges(&notes) == 0 {
        assert!(start.elapsed() < 5 * SECOND, "it was never delivered");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(peek(&other, id).await.view, None);
    assert_eq!(peek(&tier, id).await.view, None);
}

#[tokio::test]
async fn fences_are_larger_than_the_purge_even_if_the_clock_went_back() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    // An hour ahead: as a purge by a master whose clock was, before a failover.
    let now = say(&tier, &ask(fresh_id())).await.now;
    let fence = Fence::new(now + 3_600_000_000);
    let notes = Notes::hear(&tier);
    run::<()>(&server, &["SET", ERA, &fence.to_string(), "PX", "60000"]).await;
    heard(&notes, fence).await;
    let id = store(&tier, "b").await;
    let view = peek(&tier, id).await.view.expect("it counts");
    assert!(view.version > fence);
    assert!(
        tier.purge(fresh_id(), PurgeKind::Hard, SECOND)
            .await
            .unwrap()
            > fence
    );
    let all = tier.purge_all(SECOND).await.unwrap();
    assert!(all > fence);
    assert_eq!(peek(&tier, id).await.view, None);
    // What was issued meanwhile counts up from there, and the next purge is later than that as well.
    let mut newest = all;
    for _ in 0..100 {
        newest = tier.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
    }
    let next = tier.purge_all(SECOND).await.unwrap();
    assert!(next > newest, "{next} after {newest}");
}

/// A fence that is ahead does not say when its lease was granted.
#[tokio::test]
async fn what_was_held_up_on_its_way_is_no_fresher_even_if_the_era_is_ahead_of_the_clock() {
    for ahead in [0, 3_600_000_000] {
        let server = RedisServer::start();
        let tier = connect(&server).await;
        let now = say(&tier, &ask(fresh_id())).await.now;
        let fence = Fence::new(now + 1 + ahead);
        let notes = Notes::hear(&tier);
        run::<()>(&server, &["SET", ERA, &fence.to_string(), "PX", "60000"]).await;
        heard(&notes, fence).await;
        let ask = ask(fresh_id());
        let lease = leased(&say(&tier, &ask).await);
        sleep(SECOND).await;
        let late = Commit {
            fresh: 2 * SECOND,
            ..commit(ask.id, ask.token, lease, Some("b"))
        };
        put(&tier, late).await;
        let left = peek(&tier, ask.id).await.view.expect("it counts").fresh_ms;
        assert!((500..=1_010).contains(&left), "{left} ms, {ahead} us ahead");
    }
}

#[tokio::test]
async fn what_is_not_an_era_is_written_over_and_another_type_keeps_the_store_out_of_use() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    for strange in ["", "x", "-5", "1e300", "99999999999999999999", " 7"] {
        run::<()>(&server, &["SET", ERA, strange]).await;
        let id = store(&tier, "b").await;
        assert!(peek(&tier, id).await.view.is_some(), "{strange:?}");
        let fence = tier.purge_all(SECOND).await.unwrap();
        let era: String = run(&server, &["GET", ERA]).await;
        let newest = era.split(',').next();
        assert_eq!(newest, Some(&*fence.to_string()), "{strange:?}");
    }
    run::<()>(&server, &["DEL", ERA]).await;
    run::<()>(&server, &["HSET", ERA, "a", "b"]).await;
    assert!(tier.purge_all(SECOND).await.is_err());
    // Whether what is stored is from before a purge, nobody can tell.
    let later = RedisTier::connect(&server.url()).await.unwrap();
    assert!(!later.is_up());
    let kind: String = run(&server, &["TYPE", ERA]).await;
    assert_eq!(kind, "hash", "what is somebody else's stays as it is");
}

#[tokio::test]
async fn a_full_store_is_purged_all_the_same() {
    let server = RedisServer::start();
    let tier = connect(&server).await;
    let id = store(&tier, "b").await;
    run::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    tier.purge_all(SECOND).await.expect("it has room for that");
    assert_eq!(peek(&tier, id).await.view, None);
}
