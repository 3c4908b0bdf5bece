//! What is stored, and for how long each part of it may be used.

mod body;
pub(crate) mod codec;
mod common;
mod fence;
mod lines;
mod packed;
pub(crate) mod record;
pub(crate) mod rule;
mod shape;
pub(crate) mod windows;

pub(crate) use body::{StoredBody, join};
pub use fence::Fence;
pub(crate) use lines::Lines;
pub(crate) use packed::Packed;
pub(crate) use record::{Head, Record, Stamp};
pub(crate) use rule::{Softened, VaryRule};
pub(crate) use windows::{LONGEST_SHARED, Lifetime, Phase, Windows};
