//! One flight per key in this process: who leads, who follows, and the body they share.
//!
//! - [`latch`]: a value that is set once, and any number of waiters for it.
//! - [`table`]: the flights under way, by key; purges strike them off.
//! - [`stream`]: the append-only log of a body, read by many at their own pace.

pub(crate) mod latch;
#[cfg(all(test, bellwether_loom))]
mod loom_tests;
pub(crate) mod stream;
pub(crate) mod table;
mod wakers;

pub(crate) use stream::{Berth, Broken, Budget, Claim, GivenUp, Item, Log, Reader, Writer};
pub(crate) use table::{Flights, Lead, Seat};
