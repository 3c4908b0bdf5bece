//! A part of a body that streams by.

use bytes::Bytes;

use crate::semantics::range::Span;

/// Lets the bytes of one span through.
#[derive(Debug)]
pub(crate) struct Window {
    /// Bytes to come before it.
    skip: u64,
    left: u64,
}

impl Window {
    pub(crate) const fn of(span: &Span) -> Self {
        Self {
            skip: span.first,
            left: span.length(),
        }
    }

    /// What of the next chunk lies within, if anything.
    pub(crate) fn through(&mut self, chunk: &Bytes) -> Option<Bytes> {
        let length = chunk.len() as u64;
        let start = self.skip.min(length);
        let end = self.left.min(length - start) + start;
        self.skip -= start;
        self.left -= end - start;
        // Both are at most the chunk's length.
        (start < end).then(|| chunk.slice(start as usize..end as usize))
    }

    /// Bytes still to be let through.
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    /// Nothing more is let through.
    pub(crate) const fn close(&mut self) {
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_a_body_is_cut_into_chunks_the_span_comes_through(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..9),
            first: usize,
            length: usize,
        ) {
            let whole = chunks.concat();
            prop_assume!(!whole.is_empty());
            let first = first % whole.len();
            let length = 1 + length % (whole.len() - first);
            let span = Span {
                first: first as u64,
                last: (first + length - 1) as u64,
                of: whole.len() as u64,
            };
            let mut window = Window::of(&span);
            let mut got = Vec::new();
            for chunk in chunks {
                if let Some(piece) = window.through(&Bytes::from(chunk)) {
                    prop_assert!(!piece.is_empty());
                    got.extend_from_slice(&piece);
                }
                prop_assert_eq!(window.left(), (length - got.len()) as u64);
            }
            prop_assert_eq!(&got, &whole[first..first + length]);
        }
    }
}
