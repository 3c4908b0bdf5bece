//! Three processes, one leader: it is killed, and the next term begins within a lease.
//!
//! `cargo run --example leader [-- --redis URL]`. Takes a Redis at its usual place, or starts a
//! `redis-server` of its own. Ends by itself: the first leader is killed, the second one is asked
//! to go (SIGTERM) and resigns, the third one leads. Exit code 1 if a term did not begin in time, or
//! with a number that is not larger than all before.

#[path = "support/mod.rs"]
mod support;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use bellwether::lock::{Election, Leader, Observer, RedisLock};
use clap::Parser;
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use support::processes::Process;
use support::redis::Redis;
use support::{Outcome, exit};

const CANDIDATES: [&str; 3] = ["ann", "bob", "cleo"];
/// A leader that crashed is replaced within this.
const LEASE: Duration = Duration::from_secs(1);
/// What a busy machine may add to that.
const SLACK: Duration = Duration::from_secs(2);
/// How long a leader is left alone.
const TERM: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(about = "Three processes, one leader: it is killed, and the next term begins")]
struct Arguments {
    /// The Redis of the election. Default: the one at redis://127.0.0.1:6379, or one of its own
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// This process is a candidate with this name
    #[arg(long, hide = true, requires = "election", requires = "redis")]
    candidate: Option<String>,
    /// The name of the election
    #[arg(long, hide = true)]
    election: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit(match arguments {
        Arguments {
            redis: Some(redis),
            candidate: Some(candidate),
            election: Some(election),
        } => stand(&redis, &election, &candidate).await.map(|()| true),
        Arguments { redis, .. } => watch(redis).await,
    })
}

/// A candidate's life: campaigns, leads, and campaigns again when the term was lost.
async fn stand(redis: &str, election: &str, candidate: &str) -> Outcome<()> {
    let locks = RedisLock::connect(redis).await?;
    let election = Election::new(locks, election, candidate).lease(LEASE);
    let mut asked_to_go = signal(SignalKind::terminate())?;
    loop {
        let leadership = election.campaign().await;
        let term = leadership.term();
        let work = async {
            for step in 1.. {
                say(&format!("term {term}, step {step}"))?;
                sleep(Duration::from_millis(300)).await;
            }
            Outcome::Ok(())
        };
        tokio::select! {
            outcome = leadership.run(work) => match outcome {
                Ok(outcome) => outcome?,
                Err(lost) => say(&format!("term {term} is over: {lost}"))?,
            },
            _ = asked_to_go.recv() => {
                leadership.resign().await?;
                return say(&format!("resigned, term {term}"));
            }
        }
    }
}

/// A line, at once: it goes into a pipe.
fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Starts the candidates, ends two leaders, and follows the terms.
async fn watch(redis: Option<String>) -> Outcome<bool> {
    let redis = Redis::find(redis).await?;
    let name = format!("leader {:016x}", fastrand::u64(..));
    let mut candidates = Vec::new();
    for (number, candidate) in CANDIDATES.iter().enumerate() {
        let arguments = ["--redis", &redis.url, "--election", &name];
        let mut process = Process::start(&[&arguments[..], &["--candidate", candidate]].concat())?;
        if let Some(lines) = process.0.stdout.take() {
            let lines = ChildStdout::from_std(lines)?;
            tokio::spawn(relay(number, candidate, lines));
        }
        candidates.push(process);
    }
    let locks = RedisLock::connect(&redis.url).await?;
    let mut observer = Election::new(locks, &name, "").observe();
    // Their processes have to start first.
    let first = next(&mut observer, 0, Duration::from_secs(10)).await?;
    let Some(first) = first else {
        return Err("nobody was elected".into());
    };
    println!("watcher | {} leads, term {}", first.candidate, first.term);
    let mut leader = first;
    let mut right = true;
    for (signal, deed, bound) in [
        (Signal::SIGKILL, "killed", LEASE + SLACK),
        (Signal::SIGTERM, "asked to go", SLACK),
    ] {
        sleep(TERM).await;
        let at = CANDIDATES.iter().position(|name| *name == leader.candidate);
        let at = at.ok_or("an unknown leader")?;
        candidates[at].signal(signal)?;
        let since = Instant::now();
        println!("watcher | {} is {deed}", leader.candidate);
        let Some(heir) = next(&mut observer, leader.term.get(), bound).await? else {
            println!("watcher | no new term within {bound:?}: this should not happen");
            return Ok(false);
        };
        println!(
            "watcher | {} leads after {} ms, term {}",
            heir.candidate,
            since.elapsed().as_millis(),
            heir.term
        );
        right &= heir.candidate != leader.candidate;
        leader = heir;
    }
    sleep(TERM).await;
    println!("watcher | three terms, each with a larger number: a store can refuse the older ones");
    Ok(right)
}

/// The next leader with a larger term than this, if one comes in time.
async fn next(observer: &mut Observer, term: u64, within: Duration) -> Outcome<Option<Leader>> {
    let search = async {
        loop {
            match observer.next().await? {
                Some(leader) if leader.term.get() > term => return Outcome::Ok(leader),
                _ => {}
            }
        }
    };
    timeout(within, search).await.ok().transpose()
}

/// Prints what a candidate says, with its name and in a colour of its own.
async fn relay(number: usize, candidate: &'static str, lines: ChildStdout) {
    let colours = std::io::stdout().is_terminal();
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if colours {
            println!("\x1b[3{}m{candidate:<7} | {line}\x1b[0m", number + 2);
        } else {
            println!("{candidate:<7} | {line}");
        }
    }
}
