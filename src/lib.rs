//! A stampede-protecting HTTP cache: one request in the whole fleet refreshes, the rest are served.

#[expect(dead_code, reason = "the skeleton is being joined up")]
mod clock;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod entry;
mod error;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod key;
mod semantics;
pub mod shared;
#[expect(dead_code, reason = "the skeleton is being joined up")]
mod sync;

pub use error::{Error, ErrorKind};
