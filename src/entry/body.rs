//! The bytes of a stored body.

use bytes::{Bytes, BytesMut};

/// A stored body: pieces in a row that own their memory. None is empty.
///
/// A small one is a single piece. A large one stays in the pieces that it was collected in, so that
/// nobody ever has to copy all of it at once.
#[derive(Debug, Clone)]
pub(crate) struct StoredBody {
    length: u64,
    pieces: Pieces,
}

/// The common case costs a hit no list.
#[derive(Debug, Clone)]
enum Pieces {
    None,
    One(Bytes),
    Many(std::sync::Arc<[Bytes]>),
}

impl StoredBody {
    pub(crate) const fn empty() -> Self {
        Self {
            length: 0,
            pieces: Pieces::None,
        }
    }

    /// Bytes of all pieces.
    pub(crate) const fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn pieces(&self) -> &[Bytes] {
        match &self.pieces {
            Pieces::None => &[],
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// The bytes from `first` to `last`, both included; shared, not copied. What lies behind the
    /// end is left out.
    pub(crate) fn part(&self, first: u64, last: u64) -> Self {
        let mut start = 0;
        let mut part = Vec::new();
        for piece in self.pieces() {
            let length = piece.len() as u64;
            // Both lie within the piece, and so within memory.
            let from = first.saturating_sub(start).min(length) as usize;
            let to = last.saturating_add(1).saturating_sub(start).min(length) as usize;
            if from < to {
                part.push(piece.slice(from..to));
            }
            start += length;
        }
        Self::from(part)
    }

    /// All of it in one piece: shared if it is one, else copied.
    pub(crate) fn whole(&self) -> Bytes {
        match &self.pieces {
            Pieces::None => Bytes::new(),
            Pieces::One(piece) => piece.clone(),
            Pieces::Many(pieces) => join(pieces),
        }
    }
}

/// Copies `pieces` into memory of exactly their size.
pub(crate) fn join(pieces: &[Bytes]) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut whole = BytesMut::with_capacity(length);
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

impl From<Bytes> for StoredBody {
    fn from(bytes: Bytes) -> Self {
        Self::from(vec![bytes])
    }
}

impl From<Vec<Bytes>> for StoredBody {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let pieces = match pieces.len() {
            0 => Pieces::None,
            1 => pieces.pop().map_or(Pieces::None, Pieces::One),
            _ => Pieces::Many(pieces.into()),
        };
        Self { length, pieces }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_piece_is_never_copied() {
        let bytes = Bytes::from(vec![7; 100]);
        let body = StoredBody::from(bytes.clone());
        assert_eq!(body.whole().as_ptr(), bytes.as_ptr());
        assert_eq!(body.part(10, 19).whole().as_ptr(), bytes[10..].as_ptr());
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same_body(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            first in 0_u64..40,
            length in 0_u64..40,
        ) {
            let plain = chunks.concat();
            let body = StoredBody::from(chunks.into_iter().map(Bytes::from).collect::<Vec<_>>());
            prop_assert_eq!(body.len(), plain.len() as u64);
            prop_assert_eq!(&body.whole()[..], &plain[..]);
            prop_assert!(body.pieces().iter().all(|piece| !piece.is_empty()));

            let part = body.part(first, first + length);
            let last = plain.len().min((first + length + 1) as usize);
            let first = last.min(first as usize);
            prop_assert_eq!(&part.whole()[..], &plain[first..last]);
            prop_assert_eq!(part.len(), (last - first) as u64);
        }
    }
}
