//! Bodies, streamed to the whole flock at any size: real processes, real sockets.
//!
//! One file per claim. What measures time or memory runs alone, whatever the number of test
//! threads. `-- --nocapture` prints what was measured.

#[path = "../support/mod.rs"]
mod support;

mod client;
#[cfg(target_os = "linux")]
mod copies;
#[cfg(target_os = "linux")]
mod crowd;
mod cuts;
mod flock;
mod gate;
mod http1;
mod origin;
#[cfg(feature = "redis")]
mod slow;
mod stage;
#[cfg(feature = "redis")]
mod watcher;

mod cut;
mod cut_http2;
mod desert;
mod follow;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(feature = "redis")]
mod stream;
