//! Holders that die, that stand still, and that work for longer than their lease.

use std::time::Duration;

use bellwether::lock::*;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::holder::Holder;
use crate::support::SECOND;
use crate::support::redis_server::RedisServer;

const LEASE: Duration = Duration::from_millis(600);

async fn stage() -> (RedisServer, RedisLock, tempfile::TempDir) {
    let server = RedisServer::start();
    let locks = RedisLock::connect(&server.url()).await.unwrap();
    (server, locks, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holder_is_followed_within_one_lease() {
    let (server, locks, dir) = stage().await;
    let (holder, fence) = Holder::start(&server.url(), "x", LEASE, &dir.path().join("db"));
    let waiter = locks.named("x");
    let waiting = tokio::spawn(async move { waiter.lock(10 * SECOND).await });
    // Renewed meanwhile: it is no use to wait for as long as it lives.
    sleep(2 * LEASE).await;
    assert!(!waiting.is_finished());
    let killed = Instant::now();
    holder.signal(Signal::SIGKILL);
    let guard = waiting.await.unwrap().unwrap();
    let waited = killed.elapsed();
    println!("killed, lease {LEASE:?}: had by the next after {waited:?}");
    assert!(guard.fence() > fence);
    // The rest of the lease, which was renewed last a third of it ago at the earliest.
    assert!(waited < LEASE + SECOND / 4, "{waited:?}");
    assert!(waited > LEASE / 3, "{waited:?}: before its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_stood_still_takes_no_further_step_and_its_late_write_is_refused() {
    let (server, locks, dir) = stage().await;
    let path = dir.path().join("db");
    let database = Database::open(&path);
    let (mut holder, old) = Holder::start(&server.url(), "x", LEASE, &path);
    // In time it may write.
    holder.tell("write");
    assert_eq!(holder.hears("wrote "), "true");
    holder.signal(Signal::SIGSTOP);
    let guard = locks.named("x").lock(10 * SECOND).await.unwrap();
    assert!(guard.fence() > old);
    assert!(database.write("successor", guard.fence()));
    // Told while it is stopped: the first thing that it does when it goes on is to write.
    holder.tell("write");
    holder.signal(Signal::SIGCONT);
    assert_eq!(holder.hears("wrote "), "false");
    assert_eq!(database.holder(), "successor");
    // A step after the pause would have been said before the end.
    let end = loop {
        let said = holder.hears("");
        assert!(!said.starts_with("step"), "{said}");
        if let Some(end) = said.strip_prefix("end ") {
            break end.to_owned();
        }
    };
    assert!(end.contains("lost"), "{end}");
    // What it gave back then was not ours.
    assert!(holder.hears("released ").starts_with("Err(Lost"));
    assert!(
        locks
            .named("x")
            .try_lock()
            .await
            .is_err_and(|error| error.is_held())
    );
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_takes_longer_than_the_lease_keeps_the_lock() {
    let (_server, locks, _dir) = stage().await;
    let lock = locks.named("x").lease(LEASE / 2);
    let guard = lock.try_lock().await.unwrap();
    let others = tokio::spawn(async move {
        // Whenever somebody looks.
        for _ in 0..100 {
            assert!(lock.try_lock().await.is_err_and(|error| error.is_held()));
            sleep(LEASE / 40).await;
        }
    });
    let work = async {
        sleep(5 * LEASE / 2).await;
        "done"
    };
    assert_eq!(guard.run(work).await.unwrap(), "done");
    others.await.unwrap();
    guard.release().await.unwrap();
}
