//! A holder that is a process of its own, so that it can be killed and be stopped: this very test
//! binary once more, with one test as its entry.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bellwether::lock::{Fence, RedisLock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::database::Database;
use crate::support::PATIENCE;

/// One of them. It ends with this value.
pub(crate) struct Holder {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<String>,
    /// Said, but not asked for yet.
    kept: RefCell<VecDeque<String>>,
}

impl Holder {
    /// Starts one, which takes the lock of this name and says so.
    pub(crate) fn start(url: &str, name: &str, lease: Duration, database: &Path) -> (Self, Fence) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holder::entry", "--ignored", "--nocapture"])
            .env("HOLDER_URL", url)
            .env("HOLDER_LOCK", name)
            .env("HOLDER_LEASE", lease.as_millis().to_string())
            .env("HOLDER_DATABASE", database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The harness talks on the same line.
                if let Some((_, line)) = line.split_once("holder: ") {
                    let _ = tell.send(line.to_owned());
                }
            }
        });
        let holder = Self {
            child,
            stdin,
            said,
            kept: RefCell::default(),
        };
        let fence = holder.hears("held ").parse().unwrap();
        (holder, Fence::new(fence))
    }

    /// Waits for a line that begins like this, and has the rest of it. Other lines are kept: which of
    /// its threads speaks first, nobody knows.
    pub(crate) fn hears(&self, begins: &str) -> String {
        let mut kept = self.kept.borrow_mut();
        let found = kept.iter().position(|line| line.starts_with(begins));
        let mut line = found.and_then(|at| kept.remove(at));
        loop {
            let next = line.take().unwrap_or_else(|| {
                let said = self.said.recv_timeout(PATIENCE);
                said.expect("a word of the holder")
            });
            match next.strip_prefix(begins) {
                Some(rest) => return rest.to_owned(),
                None => kept.push_back(next),
            }
        }
    }

    pub(crate) fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Holds the lock and works under it; whenever it is told to, writes with its fence, as a write
/// would that had left the process when it was stopped: without another look at the lock.
#[test]
#[ignore = "the entry of a process of its own"]
fn entry() {
    let Ok(url) = std::env::var("HOLDER_URL") else {
        return;
    };
    let of = |name: &str| std::env::var(name).unwrap();
    let lease = Duration::from_millis(of("HOLDER_LEASE").parse().unwrap());
    let database = Database::open(&PathBuf::from(of("HOLDER_DATABASE")));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let locks = RedisLock::connect(&url).await.unwrap();
        let lock = locks.named(of("HOLDER_LOCK")).lease(lease).owner("holder");
        let guard = lock.lock(Duration::from_secs(10)).await.unwrap();
        println!("holder: held {}", guard.fence());
        let fence = guard.fence();
        std::thread::spawn(move || {
            for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
                println!("holder: wrote {}", database.write("holder", fence));
            }
        });
        // Steps of work, none of which may be taken once the lease is over.
        let mut last = std::time::UNIX_EPOCH.elapsed().unwrap();
        let work = async {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let now = std::time::UNIX_EPOCH.elapsed().unwrap();
                if now - last > lease {
                    println!("holder: step after {:?}", now - last);
                }
                last = now;
            }
        };
        let end: Result<(), _> = guard.run(work).await;
        println!("holder: end {}", end.unwrap_err());
        println!("holder: released {:?}", guard.release().await);
        std::future::pending::<()>().await;
    });
}
