//! Servers whose wall clock is set while they run: a library that is loaded before libc shifts it.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::process::Command;

use bellwether::lock::*;
use tokio::time::sleep;

use crate::support::SECOND;
use crate::support::redis_server::{RedisServer, run};

struct Shifted {
    server: RedisServer,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Shifted {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (library, file) = (dir.path().join("shift.so"), dir.path().join("shift"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lock/shift.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .status()
            .expect("cc, which links Rust programs, too");
        assert!(built.success());
        std::fs::write(&file, "0").unwrap();
        let set = [("LD_PRELOAD", library), ("CLOCK_SHIFT", file.clone())];
        let server = RedisServer::start_in(&set);
        Self {
            server,
            file,
            _dir: dir,
        }
    }

    /// Sets the clock to so many seconds from the true time.
    async fn set(&self, seconds: i64) {
        // Renamed into place: it is read at any time.
        let new = self.file.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
        // The server looks at it a hundred times a second for its own use.
        sleep(SECOND / 5).await;
        let [now, _]: [i64; 2] = run(&self.server, &["TIME"]).await;
        let truth = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        assert!((now - truth - seconds).abs() <= 2, "the clock is not set");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_the_server_jumps_ahead_and_the_older_holder_has_the_smaller_fence() {
    let shifted = Shifted::start();
    let locks = RedisLock::connect(&shifted.server.url()).await.unwrap();
    let lock = locks.named("x").lease(10 * SECOND);
    let first = lock.try_lock().await.unwrap();
    shifted.set(3_600).await;
    // The lease ended early: two at once, told apart by the fence.
    let second = lock.lock(5 * SECOND).await.expect("it ended");
    assert!(second.fence() > first.fence());
    // And the first one is told by its next renewal.
    let loss = tokio::time::timeout(5 * SECOND, first.lost())
        .await
        .unwrap();
    assert_eq!(loss, Loss::Refused);
    assert_eq!(second.loss(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_the_server_jumps_back_and_fences_go_on_rising() {
    let shifted = Shifted::start();
    let locks = RedisLock::connect(&shifted.server.url()).await.unwrap();
    let lock = locks.named("x").lease(10 * SECOND);
    let mut last = Fence::new(0);
    for seconds in [3_600, 0, -3_600, -7_200] {
        shifted.set(seconds).await;
        for _ in 0..3 {
            let guard = lock.lock(20 * SECOND).await.unwrap();
            assert!(guard.fence() > last, "{} after {last}", guard.fence());
            last = guard.fence();
            guard.release().await.unwrap();
        }
    }
    // The one hole, as the documents say: set back, and the last fence lost as well.
    run::<()>(&shifted.server, &["FLUSHALL"]).await;
    let guard = lock.lock(20 * SECOND).await.unwrap();
    assert!(guard.fence() < last);
}
