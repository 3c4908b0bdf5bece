//! What the writer and the readers of one body share.

use std::sync::Arc;
use std::task::Waker;

use http::HeaderMap;

use crate::flight::stream::budget::Share;
use crate::flight::stream::pieces::Pieces;
use crate::flight::stream::reader::Reader;
use crate::flight::stream::writer::Writer;
use crate::flight::wakers::{Wakers, wake};
use crate::sync::Mutex;

/// Bytes that a body which is given up may be ahead of its only reader.
const WINDOW: u64 = 256 * 1024;
/// The same when memory is short: one chunk.
const LEAST_WINDOW: u64 = 1;
/// The share that a body of unknown length takes at first, and by which it grows.
const STEP: u64 = 64 * 1024;

/// The body of one refresh as it arrives.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) pieces: Pieces,
    limit: u64,
    announced: Option<u64>,
    /// Its part of the memory for all bodies: none before it is admitted, and once it will not be
    /// stored, or is here.
    share: Option<Share>,
    /// Why it will not be stored, if that is so.
    pub(super) given_up: Option<GivenUp>,
    /// True once it may forget: its start can no longer be had.
    pub(super) sealed: bool,
    pub(super) end: Option<End>,
    pub(super) seats: Seats,
    pub(super) wakers: Wakers,
    pub(super) writer: Option<Waker>,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Clean(Option<Arc<HeaderMap>>),
    Broken,
}

/// Why a body will not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It is larger than its limit.
    TooLarge,
    /// All bodies under way together are.
    NoRoom,
}

impl Log {
    /// A log that can be stored up to `limit` bytes. `announced`: bytes that are to come, if that is
    /// known.
    pub(crate) fn new(limit: u64, announced: Option<u64>) -> (Writer, Arc<Self>) {
        let log = Arc::new(Self {
            state: Mutex::new(State {
                pieces: Pieces::new(announced),
                limit,
                announced,
                share: None,
                given_up: None,
                sealed: false,
                end: None,
                seats: Seats::default(),
                wakers: Wakers::default(),
                writer: None,
            }),
        });
        (Writer::new(Arc::clone(&log)), log)
    }

    /// A reader from the start; `None` if the start has been forgotten.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let (seat, writer) = {
            let mut state = self.state.lock();
            if state.sealed {
                return None;
            }
            (state.seats.take(), state.writer.take())
        };
        wake(writer.into_iter().collect());
        Some(Reader::new(Arc::clone(self), seat))
    }
}

impl State {
    /// Bytes of the share that it needs to begin.
    pub(super) fn wants(&self) -> u64 {
        self.announced.unwrap_or(STEP).min(self.limit)
    }

    /// Begins with a share of the budget, or without.
    pub(super) fn admit(&mut self, share: Option<Share>) {
        self.share = share;
        if self.share.is_none() {
            self.give_up(GivenUp::NoRoom);
        }
    }

    /// Appends, and sees whether it may still be kept.
    pub(super) fn append(&mut self, chunk: &[u8]) {
        self.pieces.append(chunk);
        let end = self.pieces.end();
        if self.given_up.is_some() {
            self.forget();
        } else if end > self.limit {
            self.give_up(GivenUp::TooLarge);
        } else if let Some(share) = &mut self.share {
            let missing = end.saturating_sub(share.bytes());
            if missing > 0 && !share.grow(missing.max(STEP)) {
                self.give_up(GivenUp::NoRoom);
            }
        }
    }

    fn give_up(&mut self, why: GivenUp) {
        self.given_up = Some(why);
        self.share = None;
    }

    /// It is all here, or will never be: it no longer counts among those that run.
    pub(super) fn release(&mut self) {
        self.share = None;
    }

    pub(super) fn seal(&mut self) {
        self.sealed = true;
        self.pieces.narrow();
        self.forget();
    }

    /// Forgets what every reader has read. Only a sealed log does.
    pub(super) fn forget(&mut self) {
        if self.sealed {
            let slowest = self.seats.slowest().unwrap_or(self.pieces.end());
            self.pieces.forget(slowest);
        }
    }

    /// True if more may be fetched: always, unless it is given up and its readers are far behind.
    ///
    /// Of several readers the slowest may be behind by as much as could have been stored, so that
    /// an uneven pace slows nobody. One alone needs no such room, and nobody gets it if memory is
    /// short.
    pub(super) fn has_room(&self) -> bool {
        let window = match self.given_up {
            None => return true,
            Some(GivenUp::NoRoom) => LEAST_WINDOW,
            Some(GivenUp::TooLarge) if self.seats.are_several() => self.limit.max(WINDOW),
            Some(GivenUp::TooLarge) => WINDOW,
        };
        self.pieces.held() < window
    }
}

/// Where each reader is. A seat is a reader's for as long as it reads.
#[derive(Debug, Default)]
pub(super) struct Seats {
    offsets: Vec<Option<u64>>,
    free: Vec<usize>,
    taken: usize,
}

impl Seats {
    fn take(&mut self) -> usize {
        self.taken += 1;
        if let Some(seat) = self.free.pop() {
            self.offsets[seat] = Some(0);
            return seat;
        }
        self.offsets.push(Some(0));
        self.offsets.len() - 1
    }

    /// The reader gives it back.
    pub(super) fn leave(&mut self, seat: usize) {
        if self.offsets[seat].take().is_some() {
            self.taken -= 1;
        }
        self.free.push(seat);
    }

    /// Takes the seats of the slowest away from them: what they would read next may go.
    pub(super) fn dismiss_slowest(&mut self) {
        let slowest = self.slowest();
        for offset in &mut self.offsets {
            if offset.is_some() && *offset == slowest {
                *offset = None;
                self.taken -= 1;
            }
        }
    }

    pub(super) fn moved(&mut self, seat: usize, offset: u64) {
        if let Some(held) = &mut self.offsets[seat] {
            *held = offset;
        }
    }

    /// False if it was taken away.
    pub(super) fn holds(&self, seat: usize) -> bool {
        self.offsets[seat].is_some()
    }

    pub(super) fn slowest(&self) -> Option<u64> {
        self.offsets.iter().flatten().min().copied()
    }

    pub(super) fn fastest(&self) -> Option<u64> {
        self.offsets.iter().flatten().max().copied()
    }

    pub(super) const fn are_none(&self) -> bool {
        self.taken == 0
    }

    const fn are_several(&self) -> bool {
        self.taken > 1
    }
}
