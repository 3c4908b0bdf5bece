//! Bytes by which a piece that is missing, doubled or in the wrong place is noticed.

use std::sync::OnceLock;

use blake3::{Hash, Hasher};
use bytes::Bytes;

const BLOCK: usize = 1 << 20;
const PIECE: usize = 64 << 10;

/// The first `length` bytes, in pieces that share their memory.
pub(crate) fn pieces(length: u64) -> impl Iterator<Item = Bytes> + Send {
    let block = block();
    let mut left = length;
    (0_usize..).map_while(move |number| {
        let size = left.min(PIECE as u64) as usize;
        left -= size as u64;
        let from = number * 7919 % (BLOCK - PIECE);
        (size > 0).then(|| block.slice(from..from + size))
    })
}

/// What they are recognised by.
pub(crate) fn hash(length: u64) -> Hash {
    let mut hasher = Hasher::new();
    for piece in pieces(length) {
        hasher.update(&piece);
    }
    hasher.finalize()
}

fn block() -> Bytes {
    static BLOCK_OF_ALL: OnceLock<Bytes> = OnceLock::new();
    let block = BLOCK_OF_ALL.get_or_init(|| {
        let mut bytes = vec![0; BLOCK];
        let mut reader = Hasher::new().finalize_xof();
        reader.fill(&mut bytes);
        bytes.into()
    });
    block.clone()
}
