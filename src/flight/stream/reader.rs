//! The end of a log that reads.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;

use crate::flight::stream::log::{End, Log, State};
use crate::flight::wakers::wake;

/// The body broke off: what came is not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Item {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// Reads a log from its start.
///
/// # Cancellation
/// Dropping it gives its place back and lets the writer go on.
#[derive(Debug)]
pub(crate) struct Reader {
    log: Arc<Log>,
    seat: usize,
    slot: Option<usize>,
    offset: u64,
    finished: bool,
}

impl Reader {
    pub(super) const fn new(log: Arc<Log>, seat: usize) -> Self {
        Self {
            log,
            seat,
            slot: None,
            offset: 0,
            finished: false,
        }
    }

    /// The next piece; `None` at a clean end.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Item, Broken>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let log = Arc::clone(&self.log);
        let mut state = log.state.lock();
        if !state.seats.holds(self.seat) {
            // Left behind: what comes next has been forgotten.
            self.finished = true;
            return Poll::Ready(Some(Err(Broken)));
        }
        if let Some(bytes) = state.pieces.read(self.offset) {
            self.offset += bytes.len() as u64;
            state.seats.moved(self.seat, self.offset);
            let writer = pass_on(&mut state);
            drop(state);
            wake(writer.into_iter().collect());
            return Poll::Ready(Some(Ok(Item::Data(bytes))));
        }
        match state.end.clone() {
            None => {
                state.wakers.note(&mut self.slot, cx.waker());
                Poll::Pending
            }
            Some(End::Broken) => {
                self.finished = true;
                Poll::Ready(Some(Err(Broken)))
            }
            Some(End::Clean(trailers)) => {
                self.finished = true;
                Poll::Ready(trailers.map(|fields| Ok(Item::Trailers((*fields).clone()))))
            }
        }
    }

    /// True if nothing more will come, and that is known without waiting.
    pub(crate) fn is_end(&self) -> bool {
        if self.finished {
            return true;
        }
        let state = self.log.state.lock();
        self.offset >= state.pieces.end()
            && matches!(state.end, Some(End::Clean(None)))
            && state.seats.holds(self.seat)
    }
}

/// Forgets what this reader was the last to read. The writer may be waiting for that.
fn pass_on(state: &mut State) -> Option<Waker> {
    if !state.sealed {
        return None;
    }
    state.forget();
    state.writer.take()
}

impl Drop for Reader {
    fn drop(&mut self) {
        let writer = {
            let mut state = self.log.state.lock();
            state.wakers.leave(&mut self.slot);
            state.seats.leave(self.seat);
            state.forget();
            state.writer.take()
        };
        wake(writer.into_iter().collect());
    }
}
