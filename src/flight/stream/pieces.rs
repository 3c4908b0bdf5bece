//! The bytes of a log, in memory of their own.
//!
//! What comes from the origin's connection is copied: a chunk, however small, is a slice of the
//! read buffer, and would keep all of that alive. Readers get slices of our copy.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::entry::{StoredBody, join};

/// Bytes that are brought together in one piece: the most that is ever copied at once.
const SEGMENT: usize = 512 * 1024;
/// Memory taken at first for a body of unknown length.
const FIRST: usize = 8 * 1024;
/// Memory taken at once for a body that is not kept. Pages of it stay until the last is read.
const NARROW: usize = 16 * 1024;
/// Pieces handed out one by one before they are brought together, lest a body that drips in be
/// mostly book-keeping.
const MOST_LOOSE: usize = 256;

/// The bytes of one body, appended at the end and forgotten from the front.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Each in memory of its own size.
    settled: VecDeque<Piece>,
    /// Slices of larger memory, as they were handed to readers at the live end.
    loose: Vec<Piece>,
    loose_bytes: usize,
    /// What nobody has asked for yet.
    tail: BytesMut,
    /// The size of the memory that `tail` is, or was, the end of.
    allocated: usize,
    /// Bytes appended so far.
    end: u64,
    /// Bytes still held.
    held: u64,
    /// Bytes that were announced.
    announced: Option<u64>,
    /// It is not kept: no memory is taken ahead.
    narrow: bool,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Pieces {
    pub(super) fn new(announced: Option<u64>) -> Self {
        Self {
            announced,
            ..Self::default()
        }
    }

    /// Bytes appended so far.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes held.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// Copies `chunk` to the end.
    pub(super) fn append(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.cut();
                if self.loose_bytes >= SEGMENT && !self.narrow {
                    self.settle();
                }
                self.allocated = self.next_allocation();
                self.tail = BytesMut::with_capacity(self.allocated);
            }
            let room = self.tail.capacity() - self.tail.len();
            let (now, later) = chunk.split_at(chunk.len().min(room));
            self.tail.extend_from_slice(now);
            self.end += now.len() as u64;
            self.held += now.len() as u64;
            chunk = later;
        }
    }

    /// What is announced, or as much again as there is, up to the end of the segment.
    fn next_allocation(&self) -> usize {
        if self.narrow {
            return NARROW;
        }
        let most = SEGMENT - self.loose_bytes;
        let rest = self.announced.map(|all| all.saturating_sub(self.end));
        let wanted = match rest {
            Some(rest) if rest > 0 => rest.min(self.end.max(2 * FIRST as u64)),
            _ => self.end.max(FIRST as u64),
        };
        usize::try_from(wanted).unwrap_or(most).min(most)
    }

    /// The bytes from `offset` on, as many as lie together. `None` at the end, and for what is
    /// forgotten.
    pub(super) fn read(&mut self, offset: u64) -> Option<Bytes> {
        if offset + self.tail.len() as u64 >= self.end {
            self.cut();
            if self.loose.len() >= MOST_LOOSE {
                self.settle();
            }
        }
        let is_loose = self
            .loose
            .first()
            .is_some_and(|first| first.start <= offset);
        let piece = if is_loose {
            let after = self.loose.partition_point(|piece| piece.start <= offset);
            self.loose.get(after.checked_sub(1)?)?
        } else {
            let after = self.settled.partition_point(|piece| piece.start <= offset);
            self.settled.get(after.checked_sub(1)?)?
        };
        // Within memory if it is within the piece.
        let within = usize::try_from(offset - piece.start).ok()?;
        (within < piece.bytes.len()).then(|| piece.bytes.slice(within..))
    }

    /// From now on takes little memory ahead: it is going to be forgotten.
    pub(super) fn narrow(&mut self) {
        self.narrow = true;
        self.cut();
        self.tail = BytesMut::new();
    }

    /// Forgets the pieces that end before `offset`. Returns how many bytes they held.
    pub(super) fn forget(&mut self, offset: u64) -> u64 {
        let before = self.held;
        if offset + self.tail.len() as u64 >= self.end {
            self.cut();
        }
        let passed = |piece: &Piece| piece.start + piece.bytes.len() as u64 <= offset;
        while self.settled.front().is_some_and(passed) {
            let piece = self.settled.pop_front();
            self.held -= piece.map_or(0, |piece| piece.bytes.len() as u64);
        }
        if self.settled.is_empty() {
            let gone = self.loose.iter().take_while(|piece| passed(piece)).count();
            for piece in self.loose.drain(..gone) {
                self.held -= piece.bytes.len() as u64;
                self.loose_bytes -= piece.bytes.len();
            }
        }
        before - self.held
    }

    /// The whole body. Nothing may have been forgotten.
    pub(super) fn collect(&mut self) -> StoredBody {
        self.settle();
        // What dripped in has settled in pieces of any size.
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut group: Vec<Bytes> = Vec::new();
        for piece in self.settled.drain(..) {
            let together: usize = group.iter().map(Bytes::len).sum();
            if together + piece.bytes.len() > SEGMENT {
                pieces.push(together_in_one(&mut group));
            }
            group.push(piece.bytes);
        }
        pieces.push(together_in_one(&mut group));
        // The readers go on from the same memory.
        let mut start = 0;
        for bytes in pieces.iter().filter(|bytes| !bytes.is_empty()).cloned() {
            let length = bytes.len() as u64;
            self.settled.push_back(Piece { start, bytes });
            start += length;
        }
        StoredBody::from(pieces)
    }

    /// Makes what nobody has asked for yet a loose piece.
    fn cut(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = self.tail.split().freeze();
        self.loose_bytes += bytes.len();
        self.loose.push(Piece {
            start: self.end - bytes.len() as u64,
            bytes,
        });
    }

    /// Brings the loose pieces together in memory of their size, with those before them that are
    /// no larger: so each byte is moved a few times at the most, however it dripped in.
    fn settle(&mut self) {
        self.cut();
        let Some(first) = self.loose.first() else {
            return;
        };
        let mut start = first.start;
        let mut size = self.loose_bytes;
        let mut kept = self.settled.len();
        while let Some(before) = kept.checked_sub(1).and_then(|at| self.settled.get(at)) {
            let length = before.bytes.len();
            let adjoins = before.start + length as u64 == start;
            if !adjoins || length > size || length + size > SEGMENT {
                break;
            }
            (start, size, kept) = (before.start, size + length, kept - 1);
        }
        let before = self.settled.drain(kept..);
        let pieces = before.chain(self.loose.drain(..));
        let pieces: Vec<Bytes> = pieces.map(|piece| piece.bytes).collect();
        let exact = pieces.len() == 1 && size == self.allocated;
        let bytes = match pieces.first() {
            Some(only) if exact => only.clone(),
            _ => join(&pieces),
        };
        self.loose_bytes = 0;
        self.settled.push_back(Piece { start, bytes });
    }
}

fn together_in_one(group: &mut Vec<Bytes>) -> Bytes {
    let bytes = match &group[..] {
        [one] => one.clone(),
        several => join(several),
    };
    group.clear();
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    /// Reads from `offset` to the end, as one reader does.
    fn rest(pieces: &mut Pieces, mut offset: u64) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(bytes) = pieces.read(offset) {
            offset += bytes.len() as u64;
            read.extend_from_slice(&bytes);
        }
        read
    }

    #[test]
    fn an_announced_body_that_nobody_reads_along_is_never_moved() {
        let mut pieces = Pieces::new(Some(1_000));
        pieces.append(&pattern(1_000)[..600]);
        let at = pieces.tail.as_ptr();
        pieces.append(&pattern(1_000)[600..]);
        let body = pieces.collect();
        assert_eq!(body.whole().as_ptr(), at);
        assert_eq!(body.whole(), pattern(1_000));
    }

    #[test]
    fn a_large_body_is_stored_in_the_memory_that_its_readers_read() {
        let length = 7 << 20;
        let mut pieces = Pieces::new(Some(length as u64));
        for chunk in pattern(length).chunks(16 << 10) {
            pieces.append(chunk);
        }
        let body = pieces.collect();
        assert_eq!(body.pieces().len(), length.div_ceil(SEGMENT));
        let mut offset = 0;
        for piece in body.pieces() {
            let shared = pieces.read(offset).expect("it is there");
            assert_eq!(shared.as_ptr(), piece.as_ptr());
            offset += piece.len() as u64;
        }
        assert_eq!(body.whole(), pattern(length));
    }

    #[test]
    fn what_drips_in_and_is_read_as_it_comes_ends_in_few_pieces() {
        let length = 300_000;
        for announced in [None, Some(length as u64)] {
            let mut pieces = Pieces::new(announced);
            let mut offset = 0;
            for byte in pattern(length) {
                pieces.append(&[byte]);
                offset += pieces.read(offset).map_or(0, |bytes| bytes.len() as u64);
                assert!(pieces.loose.len() <= MOST_LOOSE);
            }
            assert_eq!(offset, length as u64);
            assert!(pieces.settled.len() < 40, "{}", pieces.settled.len());
            assert_eq!(pieces.collect().pieces().len(), 1);
            assert_eq!(rest(&mut pieces, 0), pattern(length));
        }
    }

    #[test]
    fn a_small_body_of_unknown_length_takes_no_more_than_its_size() {
        let mut pieces = Pieces::new(None);
        pieces.append(&pattern(100));
        let at = pieces.tail.as_ptr();
        let body = pieces.collect();
        // Moved into memory of its size: the first was much larger.
        assert_ne!(body.whole().as_ptr(), at);
        assert_eq!(body.whole(), pattern(100));
    }

    proptest! {
        #[test]
        fn whatever_is_appended_read_and_forgotten_the_bytes_are_those(
            steps in proptest::collection::vec((0..4_usize, 0..200_000_usize), 1..60),
            announced in proptest::option::of(0..2_000_000_u64),
        ) {
            let whole = pattern(12_000_000);
            let mut pieces = Pieces::new(announced);
            let (mut end, mut forgotten) = (0, 0);
            for (step, size) in steps {
                match step {
                    0 | 1 => {
                        pieces.append(&whole[end..end + size]);
                        end += size;
                    }
                    2 => {
                        let offset = (forgotten + size).min(end);
                        let expected = &whole[offset..end];
                        if let Some(read) = pieces.read(offset as u64) {
                            prop_assert!(!read.is_empty());
                            prop_assert_eq!(&read[..], &expected[..read.len()]);
                        } else {
                            prop_assert!(expected.is_empty());
                        }
                    }
                    _ => {
                        let before = (forgotten + size).min(end);
                        let held = pieces.held();
                        let freed = pieces.forget(before as u64);
                        prop_assert_eq!(pieces.held(), held - freed);
                        forgotten = before;
                    }
                }
                prop_assert_eq!(pieces.end(), end as u64);
                prop_assert!(pieces.held() >= (end - forgotten) as u64);
            }
            prop_assert_eq!(&rest(&mut pieces, forgotten as u64), &whole[forgotten..end]);
            if forgotten == 0 {
                prop_assert_eq!(&pieces.collect().whole()[..], &whole[..end]);
                prop_assert_eq!(&rest(&mut pieces, 0), &whole[..end]);
            }
        }
    }
}
