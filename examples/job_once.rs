//! 50 jobs, 4 worker processes that are killed and frozen: each job takes effect once.
//!
//! `cargo run --example job_once [-- --redis URL]`. Takes a Redis at its usual place, or starts a
//! `redis-server` of its own; the database is SQLite, in a temporary file that all workers open.
//!
//! A lease keeps two workers from doing one job at a time; a marker in the database says that it was
//! done; the fence refuses a worker that was frozen, and comes back when its job is another's. Exit
//! code 1 if a job took effect twice, or never.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bellwether::lock::{Fence, LockError, RedisLock};
use clap::Parser;
use nix::sys::signal::Signal;
use rusqlite::{Connection, params};
use tokio::time::{Instant, sleep};

use support::processes::Process;
use support::redis::Redis;
use support::table::{self, row};
use support::{Outcome, exit};

const JOBS: u32 = 50;
const WORKERS: usize = 4;
/// How long the work on a job takes.
const WORK: Duration = Duration::from_millis(60);
/// A job whose worker died is taken up again after this.
const LEASE: Duration = Duration::from_millis(300);
/// How often a worker is killed.
const KILLS: usize = 3;
/// The most time for all of it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
#[command(about = "50 jobs, 4 worker processes that are killed and frozen: each takes effect once")]
struct Arguments {
    /// The Redis of the leases. Default: the one at redis://127.0.0.1:6379, or one of its own
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// This process is a worker on this database
    #[arg(long, hide = true, requires = "queue", requires = "redis")]
    worker: Option<String>,
    /// The name of the queue
    #[arg(long, hide = true)]
    queue: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(match Arguments::parse() {
        Arguments {
            redis: Some(redis),
            worker: Some(database),
            queue: Some(queue),
        } => work(&redis, Path::new(&database), &queue)
            .await
            .map(|()| true),
        Arguments { redis, .. } => run(redis).await,
    })
}

/// A worker: takes jobs that are open, in any order, until none is left.
async fn work(redis: &str, database: &Path, queue: &str) -> Outcome<()> {
    let locks = RedisLock::connect(redis).await?;
    let jobs = Jobs::open(database)?;
    loop {
        let mut open = jobs.still_open()?;
        if open.is_empty() {
            return Ok(());
        }
        fastrand::shuffle(&mut open);
        for job in open {
            let guard = match locks
                .named(format!("{queue} job {job}"))
                .lease(LEASE)
                .try_lock()
                .await
            {
                Ok(guard) => guard,
                Err(LockError::Held { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            // Only now: who had the lease before may have finished it.
            if !jobs.is_open(job)? {
                continue;
            }
            jobs.started(job)?;
            // Frozen in here, the work is not resumed.
            if guard.run(sleep(WORK)).await.is_err() {
                jobs.note("lost", job)?;
                continue;
            }
            // Frozen before this line, only the database can know.
            if !jobs.finish(job, guard.fence())? {
                jobs.note("refused", job)?;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Starts the workers, has accidents happen to them, and counts.
async fn run(redis: Option<String>) -> Outcome<bool> {
    let redis = Redis::find(redis).await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("jobs.db");
    let jobs = Jobs::create(&file)?;
    let queue = format!("queue {:016x}", fastrand::u64(..));
    let file = file.to_string_lossy().into_owned();
    let start = || Process::start(&["--redis", &redis.url, "--worker", &file, "--queue", &queue]);
    let begun = Instant::now();
    let mut workers = (0..WORKERS).map(|_| start()).collect::<Outcome<Vec<_>>>()?;
    for (kill, worker) in workers.iter_mut().take(KILLS).enumerate() {
        // A worker is in the middle of a job nearly all of the time, so that is where it is killed.
        wait_for(&jobs, "starts", u32::try_from(8 * (kill + 1))?).await?;
        worker.kill()?;
        *worker = start()?;
    }
    // Two leases long, so that another one takes up its job.
    workers[KILLS].signal(Signal::SIGSTOP)?;
    sleep(2 * LEASE).await;
    workers[KILLS].signal(Signal::SIGCONT)?;
    wait_for(&jobs, "effects", JOBS).await?;
    let took = begun.elapsed();
    for worker in &mut workers {
        // They end by themselves: no job is open.
        worker.0.wait()?;
    }
    let effects = jobs.count("effects")?;
    let single = jobs.single_effects()?;
    let head = ["", "count"];
    let rows = [
        row!["jobs", JOBS],
        row!["workers killed", KILLS],
        row!["workers frozen", 1],
        row!["jobs started", jobs.count("starts")?],
        row!["locks lost and noticed", jobs.noted("lost")?],
        row!["late writes refused", jobs.noted("refused")?],
        row!["effects in the database", effects],
        row!["jobs with one effect", single],
        row!["milliseconds", took.as_millis()],
    ];
    table::print(head, &rows);
    let once = (effects, single) == (JOBS, JOBS);
    println!(
        "{}",
        if once {
            "each job took effect once"
        } else {
            "this should not happen"
        }
    );
    Ok(once)
}

async fn wait_for(jobs: &Jobs, table: &str, count: u32) -> Outcome<()> {
    let begun = Instant::now();
    while jobs.count(table)? < count {
        if begun.elapsed() > PATIENCE {
            return Err(format!("no {count} {table} within {PATIENCE:?}").into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The database, which several processes have open.
struct Jobs(Connection);

impl Jobs {
    fn open(file: &Path) -> Outcome<Self> {
        let database = Connection::open(file)?;
        database.busy_timeout(Duration::from_secs(10))?;
        // The demonstration kills processes, not the machine.
        database.execute_batch("PRAGMA synchronous = OFF;")?;
        Ok(Self(database))
    }

    fn create(file: &Path) -> Outcome<Self> {
        let jobs = Self::open(file)?;
        jobs.0.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE jobs (job INTEGER PRIMARY KEY, done INTEGER NOT NULL, fence INTEGER);
             CREATE TABLE starts (job INTEGER NOT NULL);
             CREATE TABLE effects (job INTEGER NOT NULL);
             CREATE TABLE notes (note TEXT NOT NULL, job INTEGER NOT NULL);",
        )?;
        for job in 0..JOBS {
            let insert = "INSERT INTO jobs VALUES (?1, 0, 0)";
            jobs.0.execute(insert, [job])?;
        }
        Ok(jobs)
    }

    fn still_open(&self) -> Outcome<Vec<u32>> {
        let mut select = self.0.prepare("SELECT job FROM jobs WHERE done = 0")?;
        let jobs = select.query_map([], |row| row.get(0))?;
        Ok(jobs.collect::<Result<_, _>>()?)
    }

    fn is_open(&self, job: u32) -> Outcome<bool> {
        let select = "SELECT done = 0 FROM jobs WHERE job = ?1";
        Ok(self.0.query_row(select, [job], |row| row.get(0))?)
    }

    fn started(&self, job: u32) -> Outcome<()> {
        self.0.execute("INSERT INTO starts VALUES (?1)", [job])?;
        Ok(())
    }

    fn note(&self, note: &str, job: u32) -> Outcome<()> {
        let insert = "INSERT INTO notes VALUES (?1, ?2)";
        self.0.execute(insert, params![note, job])?;
        Ok(())
    }

    /// The marker and the effect, in one transaction: whether the database took them.
    fn finish(&self, job: u32, fence: Fence) -> Outcome<bool> {
        let fence = i64::try_from(fence.get())?;
        let transaction = self.0.unchecked_transaction()?;
        let update = "UPDATE jobs SET done = 1, fence = ?2
                      WHERE job = ?1 AND done = 0 AND fence < ?2";
        if transaction.execute(update, params![job, fence])? == 0 {
            return Ok(false);
        }
        transaction.execute("INSERT INTO effects VALUES (?1)", [job])?;
        transaction.commit()?;
        Ok(true)
    }

    fn count(&self, table: &str) -> Outcome<u32> {
        let select = format!("SELECT count(*) FROM {table}");
        Ok(self.0.query_row(&select, [], |row| row.get(0))?)
    }

    fn noted(&self, note: &str) -> Outcome<u32> {
        let select = "SELECT count(*) FROM notes WHERE note = ?1";
        Ok(self.0.query_row(select, [note], |row| row.get(0))?)
    }

    fn single_effects(&self) -> Outcome<u32> {
        let select = "SELECT count(*) FROM
                      (SELECT job FROM effects GROUP BY job HAVING count(*) = 1)";
        Ok(self.0.query_row(select, [], |row| row.get(0))?)
    }
}
