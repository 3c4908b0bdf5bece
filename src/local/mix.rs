//! A cheap hash for tables of this process.

use std::hash::{BuildHasher, Hasher};

/// Mixes what is hashed with a number of this process. Digests are uniform already, but who can
/// compute them could choose keys that fall into one bucket.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    seed: u64,
}

impl Mix {
    pub(crate) fn new() -> Self {
        Self {
            seed: fastrand::u64(..) | 1,
        }
    }
}

impl BuildHasher for Mix {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed {
            seed: self.seed,
            state: 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mixed {
    seed: u64,
    state: u64,
}

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.state ^ word ^ self.seed)
            * u128::from(self.seed ^ 0x9E37_79B9_7F4A_7C15);
        self.state = (wide as u64) ^ ((wide >> 64) as u64);
    }

    fn write_usize(&mut self, _: usize) {
        // The length of a digest, which is always sixteen: nothing else here says how long it is.
    }
}
