//! What the tests of the shared tier have in common.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "each test uses its part"
)]

#[cfg(feature = "redis")]
pub mod faults;
#[cfg(feature = "redis")]
pub mod instrumented;
#[cfg(feature = "redis")]
pub mod redis_server;
pub mod shared;

pub use shared::*;
