//! The append-only log of one body: one writer, any number of readers at their own pace.
//!
//! Everything stays until the log goes, so whoever joins late gets all of it at once and a slow
//! reader costs nobody anything. Only a log that is *given up* (it has outgrown its limit, or there
//! is no room for it in the [`Budget`], so it will not be stored) forgets what all its readers have
//! read; then the slowest of them sets the pace, as far as the others can bear it.
//!
//! - [`pieces`]: the bytes, in memory of their own, one copy for all.
//! - [`log`]: what writer and readers share.
//! - [`writer`], [`reader`]: the two ends.
//! - [`berth`]: the place of the leader's own client.
//! - [`budget`]: one bound for all logs of the process.

mod berth;
mod budget;
mod log;
mod pieces;
mod reader;
#[cfg(all(test, not(bellwether_loom)))]
mod tests;
mod writer;

pub(crate) use berth::{Berth, Claim};
pub(crate) use budget::Budget;
pub(crate) use log::{GivenUp, Log};
pub(crate) use reader::{Broken, Item, Reader};
pub(crate) use writer::Writer;
