//! The flights of the crate, under loom. The tests are `src/flight/loom_tests.rs`.
#![cfg(bellwether_loom)]
#![allow(dead_code, unused_imports, reason = "it is a part of the crate, for its tests alone")]

#[path = "../../src/entry/body.rs"]
mod body;
#[path = "../../src/flight/mod.rs"]
mod flight;
#[path = "../../src/key.rs"]
mod key;
#[path = "../../src/sync.rs"]
mod sync;

mod entry {
    pub(crate) use crate::body::{StoredBody, join};
}
