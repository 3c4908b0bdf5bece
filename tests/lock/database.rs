//! The user's database, which has the last word: it refuses a fence below the largest it has seen.

use std::path::Path;
use std::time::Duration;

use bellwether::lock::Fence;
use rusqlite::{Connection, params};

/// A table of seats in a file that several processes open.
pub(crate) struct Database(Connection);

impl Database {
    pub(crate) fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        let table =
            "CREATE TABLE IF NOT EXISTS seats (seat TEXT PRIMARY KEY, holder TEXT, fence INTEGER);
                     INSERT OR IGNORE INTO seats VALUES ('12A', '', 0);";
        connection.execute_batch(table).unwrap();
        Self(connection)
    }

    /// Whether the write was taken.
    pub(crate) fn write(&self, holder: &str, fence: Fence) -> bool {
        let fence = i64::try_from(fence.get()).unwrap();
        let update = "UPDATE seats SET holder = ?1, fence = ?2 WHERE seat = '12A' AND fence < ?2";
        self.0.execute(update, params![holder, fence]).unwrap() == 1
    }

    pub(crate) fn holder(&self) -> String {
        let select = "SELECT holder FROM seats WHERE seat = '12A'";
        self.0.query_row(select, [], |row| row.get(0)).unwrap()
    }
}
