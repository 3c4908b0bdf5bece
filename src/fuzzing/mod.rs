//! What has to hold for whatever bytes come in: one property per family of parsers.
//!
//! Here only for the fuzz targets in `fuzz/` (`make fuzz`), which are built with `--cfg fuzzing`,
//! and for the unit tests, which replay the seeds in `fuzz/corpus`. Each function reads its input
//! as text lines where it can: seeds are then readable, and a fuzzer that swaps lines does
//! something sensible. A property that does not hold panics.

mod codec;
mod dates;
mod directives;
mod heads;
mod input;
mod keys;
mod lists;
mod ranges;
mod references;
mod rewrites;
mod status;
mod tags;
mod targeted;
#[cfg(test)]
mod tests;
mod vary;

pub use codec::{codec, codec_reads};
pub use dates::dates;
pub use directives::directives;
pub use heads::heads;
pub use keys::keys;
pub use lists::lists;
pub use ranges::ranges;
pub use references::references;
pub use rewrites::rewrites;
pub use status::status;
pub use tags::tags;
pub use targeted::targeted;
pub use vary::vary;

#[cfg(feature = "redis")]
pub use crate::shared::redis_fuzzing::{addresses, replies};

/// A property of input.
pub type Property = fn(&[u8]);

/// All of them. One more takes five lines here and elsewhere:
/// 1. the function in a file beside this one, with `mod` and `pub use` above;
/// 2. its line in this list;
/// 3. `fuzz/fuzz_targets/<name>.rs`, two lines like the others there;
/// 4. its `[[bin]]` in `fuzz/Cargo.toml`;
/// 5. a seed or more in `fuzz/corpus/<name>/`.
///
/// A test checks that none of these was forgotten.
pub const TARGETS: &[(&str, Property)] = &[
    #[cfg(feature = "redis")]
    ("addresses", addresses),
    ("codec", codec),
    ("dates", dates),
    ("directives", directives),
    ("heads", heads),
    ("keys", keys),
    ("lists", lists),
    ("ranges", ranges),
    ("references", references),
    #[cfg(feature = "redis")]
    ("replies", replies),
    ("rewrites", rewrites),
    ("status", status),
    ("tags", tags),
    ("targeted", targeted),
    ("vary", vary),
];
