//! 100 buyers, one seat: without a lock, with one, and with locks that fail.
//!
//! `cargo run --example seat_reservation [-- --redis URL]`. Takes a Redis at its usual place, or
//! starts a `redis-server` of its own; the database is SQLite, in a temporary file.
//!
//! Each row is run twice: with a naive write, which believes what was read before, and with one
//! that names its condition and its fence, so that the database has the last word. Exit code 1 if
//! that one ever sold the seat twice, or if the naive one never did.

mod seats;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether::lock::{Lock, RedisLock};
use clap::Parser;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use seats::{Sale, Seats, Write};
use support::redis::Redis;
use support::table::{self, row};
use support::{Outcome, exit};

const BUYERS: u32 = 100;
/// The buyers come by way of so many nodes, each with connections of its own.
const NODES: u32 = 4;
/// How long a buyer thinks, between the look at the seat and the sale.
const THINKS: Duration = Duration::from_millis(20);
const LEASE: Duration = Duration::from_secs(3);
/// The lease of a lock that is going to run out.
const SHORT: Duration = Duration::from_millis(300);

/// What becomes of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    None,
    Lock,
    /// The first buyer who finds the seat free stands still until its lease is over: a paused
    /// virtual machine, a long garbage collection of something else, a disk that hangs.
    Pause,
    /// The server of the locks dies while that buyer thinks, and comes back without its data.
    LostServer,
}

impl Scene {
    const ALL: [(Self, &str); 4] = [
        (Self::None, "no lock"),
        (Self::Lock, "lock"),
        (Self::Pause, "lock, holder pauses past its lease"),
        (Self::LostServer, "lock, its server dies and forgets"),
    ];
}

#[derive(Debug, Parser)]
#[command(about = "100 buyers, one seat: with and without a lock, and with locks that fail")]
struct Arguments {
    /// The Redis of the locks. Default: the one at redis://127.0.0.1:6379, or one of its own
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Outcome<bool> {
    let redis = Redis::find(arguments.redis).await?;
    let mut rows = Vec::new();
    let (mut naive, mut conditional) = (Vec::new(), Vec::new());
    for (scene, name) in Scene::ALL {
        for write in [Write::Naive, Write::Conditional] {
            // No Redis but one of our own is ever killed.
            let own = match scene {
                Scene::LostServer => match Redis::own().await {
                    Ok(own) => Some(own),
                    Err(error) => {
                        eprintln!("left out, {name}: {error}");
                        continue;
                    }
                },
                _ => None,
            };
            let begun = Instant::now();
            let shop = Shop::open(scene, write, own.as_ref().unwrap_or(&redis)).await?;
            let sold = shop.sell(own).await?;
            let tickets = shop.seats.tickets()?;
            let counts = shop.seats.counts();
            rows.push(row![
                name,
                write.name(),
                counts.attempts,
                sold,
                tickets,
                counts.conflicts,
                format!("{} ms", begun.elapsed().as_millis())
            ]);
            match write {
                Write::Naive => naive.push(sold.max(tickets)),
                Write::Conditional => conditional.push((sold, tickets)),
            }
        }
    }
    let head = [
        "lock",
        "write",
        "attempts",
        "sold",
        "tickets",
        "conflicts",
        "time",
    ];
    table::print(head, &rows);
    println!(
        "\nattempts: looks at the seat. sold: buyers who believe that they have it. tickets: rows \
         in the database.\nconflicts: writes that the database refused."
    );
    let once = conditional.iter().all(|seen| *seen == (1, 1));
    let twice = naive.iter().filter(|sold| **sold > 1).count();
    println!(
        "the naive write sold the seat more than once in {twice} of {} rows, the conditional one {}",
        naive.len(),
        if once {
            "never"
        } else {
            "TOO: this should not happen"
        }
    );
    Ok(once && twice > 0)
}

/// A shop with one seat to sell.
struct Shop {
    seats: Arc<Seats>,
    scene: Scene,
    /// One for each node.
    locks: Vec<Lock>,
}

impl Shop {
    async fn open(scene: Scene, write: Write, redis: &Redis) -> Outcome<Self> {
        // A seat of its own for each run: a Redis that you keep may remember the last one.
        let seat = format!("seat 12A of show {:016x}", fastrand::u64(..));
        let mut locks = Vec::new();
        for _ in 0..NODES {
            let lock = RedisLock::connect(&redis.url).await?.named(&seat);
            locks.push(match scene {
                // Without renewal, a buyer that stands still in a process that runs is like one
                // whose process stands still.
                Scene::Pause => lock.lease(SHORT).renewed(false),
                _ => lock.lease(LEASE),
            });
        }
        Ok(Self {
            seats: Arc::new(Seats::open(write)?),
            scene,
            locks,
        })
    }

    /// Has all buyers try at once, and says how many believe that they have the seat.
    async fn sell(&self, server: Option<Redis>) -> Outcome<u32> {
        let accident = Arc::new(Accident {
            scene: self.scene,
            happened: AtomicBool::new(false),
            server: Mutex::new(server),
        });
        let mut buyers = JoinSet::new();
        for buyer in 0..BUYERS {
            let seats = Arc::clone(&self.seats);
            let lock =
                (self.scene != Scene::None).then(|| self.locks[(buyer % NODES) as usize].clone());
            let accident = Arc::clone(&accident);
            buyers.spawn(async move { buy(buyer, &seats, lock, &accident).await });
        }
        let mut sold = 0;
        for outcome in buyers.join_all().await {
            sold += u32::from(outcome?);
        }
        Ok(sold)
    }
}

/// What happens once, to the first buyer who finds the seat free.
struct Accident {
    scene: Scene,
    happened: AtomicBool,
    server: Mutex<Option<Redis>>,
}

impl Accident {
    async fn strike(&self) -> Outcome<()> {
        if self.happened.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match self.scene {
            Scene::None | Scene::Lock => {}
            Scene::Pause => sleep(2 * SHORT).await,
            Scene::LostServer => {
                if let Some(server) = self.server.lock().await.as_mut() {
                    server.lose_everything().await?;
                }
                // Shorter than a third of the lease: the next renewal would be told.
                sleep(LEASE / 4).await;
            }
        }
        Ok(())
    }
}

/// One buyer's attempt: whether it believes that the seat is its own now.
async fn buy(buyer: u32, seats: &Seats, lock: Option<Lock>, accident: &Accident) -> Outcome<bool> {
    let guard = match &lock {
        Some(lock) => Some(lock.lock(Duration::from_secs(20)).await?),
        None => None,
    };
    let Some(seen) = seats.look()? else {
        // Taken. The lock is given back when the guard is dropped.
        return Ok(false);
    };
    sleep(THINKS).await;
    accident.strike().await?;
    // Well-behaved code would be in `guard.run(…)`, which ends with the lock. But a process can
    // always be stopped after its last look at the clock and before the write, which is here.
    let sale = Sale {
        buyer,
        seen,
        fence: guard.as_ref().map(|guard| guard.fence()),
    };
    seats.sell(&sale)
}
