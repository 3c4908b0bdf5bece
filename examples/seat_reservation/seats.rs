//! The database: one seat, and the tickets that were sold for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether::lock::Fence;
use rusqlite::{Connection, params};

use crate::support::Outcome;

/// How a sale is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write {
    /// What was read is believed to be so still.
    Naive,
    /// Refused if the seat is not as it was read, or if a later holder of the lock was here.
    Conditional,
}

impl Write {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Conditional => "fenced, conditional",
        }
    }
}

/// What a buyer wants to write.
pub(crate) struct Sale {
    pub(crate) buyer: u32,
    /// The version of the seat when it was seen to be free.
    pub(crate) seen: i64,
    pub(crate) fence: Option<Fence>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) attempts: usize,
    pub(crate) conflicts: usize,
}

pub(crate) struct Seats {
    write: Write,
    database: Mutex<Connection>,
    attempts: AtomicUsize,
    conflicts: AtomicUsize,
    _dir: tempfile::TempDir,
}

impl Seats {
    pub(crate) fn open(write: Write) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let database = Connection::open(dir.path().join("shop.db"))?;
        database.execute_batch(
            "CREATE TABLE seats (seat TEXT PRIMARY KEY, holder INTEGER,
                                 version INTEGER NOT NULL, fence INTEGER NOT NULL);
             CREATE TABLE tickets (seat TEXT NOT NULL, buyer INTEGER NOT NULL);
             INSERT INTO seats VALUES ('12A', NULL, 0, 0);",
        )?;
        Ok(Self {
            write,
            database: Mutex::new(database),
            attempts: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            _dir: dir,
        })
    }

    /// The version of the seat, if it is free.
    pub(crate) fn look(&self) -> Outcome<Option<i64>> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let database = self.database.lock().map_err(|_| "a buyer panicked")?;
        let select = "SELECT holder IS NULL, version FROM seats WHERE seat = '12A'";
        let (free, version): (bool, i64) =
            database.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(free.then_some(version))
    }

    /// Whether the database took it.
    pub(crate) fn sell(&self, sale: &Sale) -> Outcome<bool> {
        let mut database = self.database.lock().map_err(|_| "a buyer panicked")?;
        let transaction = database.transaction()?;
        let changed = match self.write {
            Write::Naive => {
                let update = "UPDATE seats SET holder = ?1, version = version + 1
                              WHERE seat = '12A'";
                transaction.execute(update, [sale.buyer])?
            }
            // The version refuses whoever decided on a seat that has changed since. The fence
            // refuses a holder of the lock that comes after a later one, whatever it has read.
            Write::Conditional => {
                let update = "UPDATE seats
                              SET holder = ?1, version = version + 1, fence = max(fence, ?3)
                              WHERE seat = '12A' AND version = ?2 AND (?3 = 0 OR fence < ?3)";
                // Without a lock there is no fence, and the version alone decides.
                let fence = sale
                    .fence
                    .map_or(Ok(0), |fence| i64::try_from(fence.get()))?;
                transaction.execute(update, params![sale.buyer, sale.seen, fence])?
            }
        };
        if changed == 0 {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
            return Ok(false);
        }
        // In the same transaction: no ticket without the seat.
        transaction.execute("INSERT INTO tickets VALUES ('12A', ?1)", [sale.buyer])?;
        transaction.commit()?;
        Ok(true)
    }

    pub(crate) fn tickets(&self) -> Outcome<u32> {
        let database = self.database.lock().map_err(|_| "a buyer panicked")?;
        Ok(database.query_row("SELECT count(*) FROM tickets", [], |row| row.get(0))?)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            attempts: self.attempts.load(Ordering::Relaxed),
            conflicts: self.conflicts.load(Ordering::Relaxed),
        }
    }
}
