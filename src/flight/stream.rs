//! The append-only log of one body: one writer, any number of readers at their own pace.
//!
//! Everything stays until the log goes, so whoever joins late gets all of it at once and a slow
//! reader costs nobody anything. Only a log that has outgrown its limit (and will not be stored)
//! forgets what all its readers have read, and then the slowest of them sets the pace.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::flight::wakers::{Wakers, wake};
use crate::sync::Mutex;

/// The body of one refresh as it arrives.
#[derive(Debug)]
pub(crate) struct Log {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Chunks forgotten from the front; zero while the log is whole.
    forgotten: usize,
    /// Bytes held.
    held: u64,
    limit: u64,
    /// True once it has outgrown `limit`: it will not be stored.
    over: bool,
    /// True once it may forget: its start can no longer be had.
    sealed: bool,
    end: Option<End>,
    readers: Vec<Option<usize>>,
    wakers: Wakers,
    writer: Option<Waker>,
}

#[derive(Debug, Clone)]
enum End {
    Clean(Option<Arc<HeaderMap>>),
    Broken,
}

/// The body broke off: what came is not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Item {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Log {
    /// A log that can be stored up to `limit` bytes.
    pub(crate) fn new(limit: u64) -> (Writer, Arc<Self>) {
        let log = Arc::new(Self {
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                forgotten: 0,
                held: 0,
                limit,
                over: false,
                sealed: false,
                end: None,
                readers: Vec::new(),
                wakers: Wakers::default(),
                writer: None,
            }),
        });
        (
            Writer {
                log: Arc::clone(&log),
                done: false,
            },
            log,
        )
    }

    /// A reader from the start; `None` if the start has been forgotten.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.sealed {
            return None;
        }
        let seat = state
            .readers
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                state.readers.push(None);
                state.readers.len() - 1
            });
        state.readers[seat] = Some(0);
        Some(Reader {
            log: Arc::clone(self),
            seat,
            slot: None,
            next: 0,
            finished: false,
        })
    }
}

impl State {
    /// Forgets what every reader has read. Only a sealed log may.
    fn forget(&mut self) {
        let slowest = self.readers.iter().flatten().min().copied();
        let keep_from = slowest.unwrap_or(self.forgotten + self.chunks.len());
        while self.forgotten < keep_from {
            let Some(chunk) = self.chunks.pop_front() else {
                break;
            };
            self.held -= chunk.len() as u64;
            self.forgotten += 1;
        }
    }
}

/// The one who appends. Dropped without [`finish`](Self::finish), it breaks the readers' bodies.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<Log>,
    done: bool,
}

impl Writer {
    /// Appends.
    pub(crate) fn push(&self, chunk: Bytes) {
        let wakers = {
            let mut state = self.log.state.lock();
            state.held += chunk.len() as u64;
            state.chunks.push_back(chunk);
            state.over |= state.held > state.limit;
            if state.sealed {
                state.forget();
            }
            state.wakers.take()
        };
        wake(wakers);
    }

    /// From now on the log forgets what all its readers have read, and nobody can join them.
    pub(crate) fn seal(&self) {
        let mut state = self.log.state.lock();
        state.sealed = true;
        state.forget();
    }

    /// Waits until the slowest reader of a sealed log has come close enough.
    pub(crate) async fn room(&self) {
        poll_fn(|cx| self.poll_room(cx)).await;
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.log.state.lock();
        if state.sealed && state.held > state.limit {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// True once the body is too large to be stored.
    pub(crate) fn is_over(&self) -> bool {
        self.log.state.lock().over
    }

    /// Breaks the bodies of the slowest readers of a sealed log, so that the others can go on.
    pub(crate) fn leave_slowest_behind(&self) {
        let wakers = {
            let mut state = self.log.state.lock();
            let slowest = state.readers.iter().flatten().min().copied();
            for seat in &mut state.readers {
                if *seat == slowest {
                    *seat = None;
                }
            }
            state.forget();
            state.wakers.take()
        };
        wake(wakers);
    }

    /// True if somebody is reading.
    pub(crate) fn has_readers(&self) -> bool {
        self.log.state.lock().readers.iter().any(Option::is_some)
    }

    /// The whole body, copied once into memory of its own. `None` if it is over the limit.
    pub(crate) fn assemble(&self) -> Option<Bytes> {
        let (chunks, held) = {
            let state = self.log.state.lock();
            if state.over {
                return None;
            }
            (state.chunks.iter().cloned().collect::<Vec<_>>(), state.held)
        };
        let mut body = BytesMut::with_capacity(usize::try_from(held).unwrap_or(0));
        chunks
            .iter()
            .for_each(|chunk| body.extend_from_slice(chunk));
        Some(body.freeze())
    }

    /// Ends the body cleanly.
    pub(crate) fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.end(End::Clean(trailers.map(Arc::new)));
    }

    fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let wakers = {
            let mut state = self.log.state.lock();
            state.end = Some(end);
            state.wakers.take()
        };
        wake(wakers);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(End::Broken);
    }
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
    next: usize,
    finished: bool,
}

impl Reader {
    /// The next piece; `None` at a clean end.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Item, Broken>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let log = Arc::clone(&self.log);
        let mut state = log.state.lock();
        if state.sealed && state.readers[self.seat].is_none() {
            // Left behind: what comes next has been forgotten.
            self.finished = true;
            return Poll::Ready(Some(Err(Broken)));
        }
        let index = self.next - state.forgotten;
        if let Some(chunk) = state.chunks.get(index).cloned() {
            self.next += 1;
            state.readers[self.seat] = Some(self.next);
            let writer = if state.sealed {
                state.forget();
                state.writer.take()
            } else {
                None
            };
            drop(state);
            wake(writer.into_iter().collect());
            return Poll::Ready(Some(Ok(Item::Data(chunk))));
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
        let read_all = self.next.saturating_sub(state.forgotten) >= state.chunks.len();
        read_all && matches!(state.end, Some(End::Clean(None)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let writer = {
            let mut state = self.log.state.lock();
            state.wakers.leave(&mut self.slot);
            state.readers[self.seat] = None;
            if state.sealed {
                state.forget();
            }
            state.writer.take()
        };
        wake(writer.into_iter().collect());
    }
}

/// Keeps a place for the leader's own client, whose request is spent: it must not miss the start of
/// its own response, however late it comes to read it.
#[derive(Debug)]
pub(crate) struct Berth {
    state: Mutex<BerthState>,
}

#[derive(Debug)]
enum BerthState {
    Vacant,
    Kept(Reader),
    /// The client has come, or has left.
    Closed,
}

impl Berth {
    /// The place, and the claim on it.
    pub(crate) fn new() -> (Arc<Self>, Claim) {
        let berth = Arc::new(Self {
            state: Mutex::new(BerthState::Vacant),
        });
        (Arc::clone(&berth), Claim(berth))
    }

    /// Keeps `reader` for the client, unless that has left.
    pub(crate) fn keep(&self, reader: Reader) {
        let mut state = self.state.lock();
        if matches!(*state, BerthState::Vacant) {
            *state = BerthState::Kept(reader);
        } else {
            // A reader that is dropped takes the log's lock, so not under this one.
            drop(state);
            drop(reader);
        }
    }
}

/// The client's claim on its [`Berth`]. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Claim(Arc<Berth>);

impl Claim {
    /// The reader, if one was kept.
    pub(crate) fn take(&self) -> Option<Reader> {
        let last = std::mem::replace(&mut *self.0.state.lock(), BerthState::Closed);
        match last {
            BerthState::Kept(reader) => Some(reader),
            BerthState::Vacant | BerthState::Closed => None,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, not(bellwether_loom)))]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    fn next(reader: &mut task::Spawn<Reader>) -> Poll<Option<Result<Item, Broken>>> {
        reader.enter(|cx, mut reader| reader.poll_next(cx))
    }

    fn data(poll: Poll<Option<Result<Item, Broken>>>) -> Bytes {
        match poll {
            Poll::Ready(Some(Ok(Item::Data(bytes)))) => bytes,
            other => panic!("expected data, got {other:?}"),
        }
    }

    fn push(writer: &Writer, text: &'static str) {
        writer.push(Bytes::from_static(text.as_bytes()));
    }

    #[test]
    fn readers_get_each_piece_as_it_comes_and_late_ones_all_of_it() {
        let (mut writer, log) = Log::new(100);
        let mut early = task::spawn(log.reader().expect("it is whole"));
        assert_pending!(next(&mut early));
        push(&writer, "ab");
        assert!(early.is_woken());
        assert_eq!(data(next(&mut early)), "ab");
        push(&writer, "c");
        let mut late = task::spawn(log.reader().expect("it is whole"));
        assert_eq!(data(next(&mut late)), "ab");
        assert_eq!(data(next(&mut late)), "c");
        assert_eq!(writer.assemble().expect("within the limit"), "abc");
        writer.finish(None);
        assert!(late.is_end());
        assert!(matches!(next(&mut late), Poll::Ready(None)));
    }

    #[test]
    fn a_writer_that_goes_away_breaks_the_body_and_never_ends_it() {
        let (writer, log) = Log::new(100);
        let mut reader = task::spawn(log.reader().expect("it is whole"));
        push(&writer, "ab");
        drop(writer);
        assert_eq!(data(next(&mut reader)), "ab");
        assert!(!reader.is_end());
        assert!(matches!(next(&mut reader), Poll::Ready(Some(Err(Broken)))));
    }

    #[test]
    fn trailers_come_last() {
        let (mut writer, log) = Log::new(100);
        let mut reader = task::spawn(log.reader().expect("it is whole"));
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().expect("a value"));
        writer.finish(Some(trailers));
        assert!(!reader.is_end());
        assert!(matches!(
            next(&mut reader),
            Poll::Ready(Some(Ok(Item::Trailers(_))))
        ));
        assert!(matches!(next(&mut reader), Poll::Ready(None)));
    }

    #[test]
    fn sealed_the_slowest_reader_sets_the_pace_and_memory_is_returned() {
        let (writer, log) = Log::new(3);
        let mut reader = task::spawn(log.reader().expect("it is whole"));
        push(&writer, "abc");
        assert!(!writer.is_over());
        push(&writer, "def");
        assert!(writer.is_over());
        assert!(writer.assemble().is_none());
        drop(log.reader().expect("its start is there until it is sealed"));
        writer.seal();
        assert!(log.reader().is_none(), "its start may go");
        let mut room = task::spawn(writer.room());
        assert_pending!(room.poll());
        assert_eq!(data(next(&mut reader)), "abc");
        assert!(room.is_woken());
        assert_ready!(room.poll());
        assert_eq!(data(next(&mut reader)), "def");
        assert_eq!(log.state.lock().held, 0);
    }

    #[test]
    fn a_reader_that_leaves_frees_the_writer() {
        let (writer, log) = Log::new(1);
        let reader = log.reader().expect("it is whole");
        push(&writer, "def");
        writer.seal();
        let mut room = task::spawn(writer.room());
        assert_pending!(room.poll());
        drop(reader);
        assert!(room.is_woken());
        assert_ready!(room.poll());
        assert!(!writer.has_readers());
    }

    #[test]
    fn a_reader_that_stands_still_is_left_behind_and_its_body_breaks() {
        let (writer, log) = Log::new(3);
        let mut still = task::spawn(log.reader().expect("it is whole"));
        let mut quick = task::spawn(log.reader().expect("it is whole"));
        push(&writer, "abcd");
        writer.seal();
        assert_eq!(data(next(&mut quick)), "abcd");
        assert_pending!(task::spawn(writer.room()).poll());
        writer.leave_slowest_behind();
        assert_ready!(task::spawn(writer.room()).poll());
        assert!(!still.is_end());
        assert!(matches!(next(&mut still), Poll::Ready(Some(Err(Broken)))));
        push(&writer, "e");
        assert_eq!(data(next(&mut quick)), "e");
    }

    #[test]
    fn a_kept_place_holds_the_start_and_is_given_up_by_a_client_that_leaves() {
        let (writer, log) = Log::new(1);
        let (berth, claim) = Berth::new();
        berth.keep(log.reader().expect("it is whole"));
        push(&writer, "abc");
        writer.seal();
        let mut reader = task::spawn(claim.take().expect("it was kept"));
        assert_eq!(data(next(&mut reader)), "abc");

        let (berth, claim) = Berth::new();
        let (writer, log) = Log::new(1);
        berth.keep(log.reader().expect("it is whole"));
        drop(claim);
        assert!(!writer.has_readers());
        berth.keep(log.reader().expect("it is whole"));
        assert!(!writer.has_readers(), "who has left gets no place");
    }
}
