//! 100 units, 500 buyers: an inventory that does not go below zero, and what a lock adds to that.
//!
//! `cargo run --example flash_sale [-- --redis URL]`. Takes a Redis at its usual place, or starts a
//! `redis-server` of its own; the database is SQLite, in a temporary file. Exit code 1 if any way
//! that is said to be right sold too many or too few, or if the naive one happened to be right.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::lock::{Lock, RedisLock};
use clap::Parser;
use rusqlite::Connection;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use support::redis::Redis;
use support::table::{self, row};
use support::{Outcome, exit};

const UNITS: u32 = 100;
const BUYERS: u32 = 500;
/// The buyers come by way of so many tasks, each of which serves one after the other.
const TASKS: u32 = 8;
/// Between the look at the inventory and the sale: a price is made, an address is checked.
const THINKS: Duration = Duration::from_millis(1);

/// How a unit is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Reads what is left, and writes one less.
    Naive,
    /// Reads what is left, writes one less if that is still so, and else begins again.
    Compare,
    /// Has the database take one off if there is one. Reads nothing.
    Conditional,
}

const ROWS: [(&str, Way, bool); 5] = [
    ("read, write", Way::Naive, false),
    ("lock: read, write", Way::Naive, true),
    ("read, compare and set, retry", Way::Compare, false),
    ("lock: read, compare and set", Way::Compare, true),
    ("UPDATE … WHERE units > 0", Way::Conditional, false),
];

#[derive(Debug, Parser)]
#[command(about = "100 units, 500 buyers: an inventory that does not go below zero")]
struct Arguments {
    /// The Redis of the lock. Default: the one at redis://127.0.0.1:6379, or one of its own
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Outcome<bool> {
    let redis = Redis::find(arguments.redis).await?;
    let locks = RedisLock::connect(&redis.url).await?;
    let mut rows = Vec::new();
    let mut right = true;
    let mut took = Vec::new();
    for (name, way, locked) in ROWS {
        // Made apart, as those of 8 processes would be.
        let item = format!("item {:016x}", fastrand::u64(..));
        let lock = || locked.then(|| locks.named(&item));
        let shop = Arc::new(Shop::open(way)?);
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (shop, lock) = (Arc::clone(&shop), lock());
            let buyers = BUYERS / TASKS + u32::from(task < BUYERS % TASKS);
            tasks.spawn(async move { shop.serve(buyers, lock).await });
        }
        let mut sold = 0;
        for outcome in tasks.join_all().await {
            sold += outcome?;
        }
        let each = begun.elapsed() / BUYERS;
        took.push(each.as_micros());
        let left = shop.left()?;
        let conflicts = shop.conflicts.load(Ordering::Relaxed);
        rows.push(row![
            name,
            sold,
            left,
            sold.saturating_sub(UNITS),
            conflicts,
            format!("{} us", each.as_micros())
        ]);
        let exact = (sold, left) == (UNITS, 0);
        right &= exact != (way == Way::Naive && !locked);
    }
    let head = [
        "way",
        "sold",
        "left",
        "too many",
        "conflicts",
        "time per buyer",
    ];
    table::print(head, &rows);
    let [_, locked, compared, _, conditional] = took[..] else {
        return Err("a row is missing".into());
    };
    println!(
        "\nThe conditional UPDATE alone is right{}: here, no lock is needed. It took {conditional} \
         us per buyer, the lock {locked} us.\nThe lock makes the naive way right as long as no \
         holder stands still (see seat_reservation), and spares\nthe compare-and-set its conflicts: \
         worth it where a lost attempt is dear, because what comes before the\nwrite is.",
        if conditional < locked.min(compared) {
            ", and the fastest"
        } else {
            ""
        }
    );
    if !right {
        println!("this should not happen");
    }
    Ok(right)
}

struct Shop {
    way: Way,
    database: Mutex<Connection>,
    conflicts: AtomicU32,
    _dir: tempfile::TempDir,
}

impl Shop {
    fn open(way: Way) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let database = Connection::open(dir.path().join("shop.db"))?;
        // The figures are about the ways, not about the disk.
        database.execute_batch(&format!(
            "PRAGMA synchronous = OFF;
             CREATE TABLE stock (units INTEGER NOT NULL);
             INSERT INTO stock VALUES ({UNITS});"
        ))?;
        Ok(Self {
            way,
            database: Mutex::new(database),
            conflicts: AtomicU32::new(0),
            _dir: dir,
        })
    }

    /// Serves so many buyers, and says how many of them got a unit.
    async fn serve(&self, buyers: u32, lock: Option<Lock>) -> Outcome<u32> {
        let mut sold = 0;
        for _ in 0..buyers {
            let Some(lock) = &lock else {
                sold += u32::from(self.sell().await?);
                continue;
            };
            let guard = lock.lock(Duration::from_secs(30)).await?;
            sold += u32::from(guard.run(self.sell()).await??);
            guard.release().await?;
        }
        Ok(sold)
    }

    /// One sale: whether there was a unit.
    async fn sell(&self) -> Outcome<bool> {
        loop {
            let left = match self.way {
                Way::Naive | Way::Compare => self.left()?,
                Way::Conditional => UNITS,
            };
            if left == 0 {
                return Ok(false);
            }
            sleep(THINKS).await;
            let changed = match self.way {
                Way::Naive => self.update("UPDATE stock SET units = ?1 - 1", left)?,
                Way::Compare => {
                    self.update("UPDATE stock SET units = ?1 - 1 WHERE units = ?1", left)?
                }
                Way::Conditional => {
                    // The parameter is not used; whether one is left, the database says.
                    let update = "UPDATE stock SET units = units - 1 WHERE units > 0 AND ?1 > 0";
                    return Ok(self.update(update, left)? == 1);
                }
            };
            if changed == 1 {
                return Ok(true);
            }
            // Somebody else was faster.
            self.conflicts.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn update(&self, update: &str, left: u32) -> Outcome<usize> {
        let database = self.database.lock().map_err(|_| "a buyer panicked")?;
        Ok(database.execute(update, [left])?)
    }

    fn left(&self) -> Outcome<u32> {
        let database = self.database.lock().map_err(|_| "a buyer panicked")?;
        Ok(database.query_row("SELECT units FROM stock", [], |row| row.get(0))?)
    }
}
