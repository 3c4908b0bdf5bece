//! Who leads, and who is told of it.

use std::time::Duration;

use bellwether::lock::*;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::holder::Holder;
use crate::patchy::Patchy;
use crate::support::SECOND;
use crate::support::redis_server::RedisServer;

const LEASE: Duration = Duration::from_millis(900);

async fn sees(observer: &mut Observer, candidate: Option<&str>) -> (Option<Fence>, Duration) {
    let begun = Instant::now();
    let seen = timeout(5 * SECOND, observer.next())
        .await
        .expect("a change");
    let seen = seen.unwrap();
    assert_eq!(
        seen.as_ref().map(|leader| leader.candidate.as_str()),
        candidate
    );
    (seen.map(|leader| leader.term), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_resigns_the_next_one_leads_and_all_who_observe_are_told() {
    let server = RedisServer::start();
    let mut candidates = Vec::new();
    for name in ["a", "b", "c"] {
        let locks = RedisLock::connect(&server.url()).await.unwrap();
        candidates.push(Election::new(locks, "x", name).lease(60 * SECOND));
    }
    let [a, b, c] = <[Election; 3]>::try_from(candidates).unwrap();
    let mut observer = c.observe();
    sees(&mut observer, None).await;
    // The first one is told by the store, not by a look.
    let told = tokio::spawn(async move {
        let seen = sees(&mut observer, Some("a")).await;
        (observer, seen)
    });
    sleep(SECOND / 20).await;
    let leadership = a.campaign().await;
    let (mut observer, (term, took)) = told.await.unwrap();
    assert_eq!(term, Some(leadership.term()));
    assert!(took < SECOND / 2, "{took:?}");
    assert!(b.try_campaign().await.unwrap_err().is_held());
    let elected = tokio::spawn(async move { b.campaign().await });
    sleep(3 * SECOND / 2).await;
    assert!(!elected.is_finished());
    let resigned = Instant::now();
    leadership.resign().await.unwrap();
    let next = elected.await.unwrap();
    println!(
        "resigned: the next one leads after {:?}",
        resigned.elapsed()
    );
    assert!(resigned.elapsed() < SECOND / 2);
    assert!(Some(next.term()) > term);
    // That nobody led in between may be left out.
    loop {
        let seen = observer.next().await.unwrap();
        if let Some(leader) = seen {
            assert_eq!((leader.candidate.as_str(), leader.term), ("b", next.term()));
            break;
        }
    }
    drop(next);
    sees(&mut observer, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_crashed_is_replaced_within_its_lease() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let (holder, old) = Holder::start(&server.url(), "x", LEASE, &dir.path().join("db"));
    let locks = RedisLock::connect(&server.url()).await.unwrap();
    let election = Election::new(locks, "x", "b").lease(LEASE);
    let mut observer = election.observe();
    sees(&mut observer, Some("holder")).await;
    holder.signal(Signal::SIGKILL);
    let killed = Instant::now();
    let (_, took) = sees(&mut observer, None).await;
    assert!(took < LEASE + SECOND / 4, "{took:?}");
    let leadership = election.campaign().await;
    assert!(killed.elapsed() < LEASE + SECOND / 2);
    assert!(leadership.term() > old);
    sees(&mut observer, Some("b")).await;
}

#[tokio::test(start_paused = true)]
async fn a_campaign_outlasts_an_outage_and_a_leader_loses_by_one() {
    let store = Patchy::default();
    let election = Election::new(store.clone(), "x", "a");
    store.silent(true);
    let other = election.clone();
    let campaign = tokio::spawn(async move { other.campaign().await });
    let mut observer = election.observe();
    assert!(observer.next().await.unwrap_err().is_unavailable());
    sleep(100 * SECOND).await;
    assert!(!campaign.is_finished());
    store.silent(false);
    let leadership = campaign.await.unwrap();
    // Said once, then who leads.
    assert_eq!(
        observer.next().await.unwrap().unwrap().term,
        leadership.term()
    );
    // For ever, if nothing happens.
    sleep(1_000_000 * SECOND).await;
    assert!(!leadership.is_lost());
    store.silent(true);
    let work = leadership.run(std::future::pending::<()>());
    assert!(work.await.unwrap_err().is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_candidate_does_not_lead() {
    let store = MemoryLock::new();
    let [a, b] = ["a", "b"].map(|name| Election::new(store.clone(), "x", name));
    let leadership = a.campaign().await;
    assert!(timeout(SECOND, b.campaign()).await.is_err());
    leadership.resign().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(a.leader().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_so_many_have_a_permit() {
    let server = RedisServer::start();
    let mut all = tokio::task::JoinSet::new();
    let inside = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    for _ in 0..6 {
        let locks = RedisLock::connect(&server.url()).await.unwrap();
        let semaphore = Semaphore::new(locks, "x", 3);
        let inside = std::sync::Arc::clone(&inside);
        all.spawn(async move {
            for _ in 0..20 {
                let permit = semaphore.acquire(20 * SECOND).await.unwrap();
                {
                    let mut inside = inside.lock().unwrap();
                    inside.0 += 1;
                    inside.1 = inside.1.max(inside.0);
                }
                sleep(SECOND / 200).await;
                inside.lock().unwrap().0 -= 1;
                permit.into_guard().release().await.unwrap();
            }
        });
    }
    all.join_all().await;
    let most = inside.lock().unwrap().1;
    assert_eq!(most, 3, "at once, of three permits");
}

#[tokio::test(start_paused = true)]
async fn a_semaphore_keeps_its_deadline_and_hears_of_each_permit() {
    let semaphore = Semaphore::new(MemoryLock::new(), "x", 2);
    let one = semaphore.try_acquire().await.unwrap();
    let two = semaphore.try_acquire().await.unwrap();
    assert_ne!(one.number(), two.number());
    assert!(semaphore.try_acquire().await.unwrap_err().is_held());
    let begun = Instant::now();
    let error = semaphore.acquire(SECOND).await.unwrap_err();
    assert!(matches!(error, LockError::TimedOut), "{error}");
    assert!(begun.elapsed() - SECOND < SECOND / 100);
    let waiting = semaphore.clone();
    let waiting = tokio::spawn(async move { waiting.acquire(60 * SECOND).await });
    sleep(5 * SECOND).await;
    let released = Instant::now();
    drop(two);
    waiting.await.unwrap().unwrap();
    assert!(
        released.elapsed() < SECOND / 100,
        "{:?}",
        released.elapsed()
    );
    drop(one);
}
