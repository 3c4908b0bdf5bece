//! The end of a log that appends.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;

use crate::entry::StoredBody;
use crate::flight::stream::budget::Budget;
use crate::flight::stream::log::{End, GivenUp, Log};
use crate::flight::wakers::wake;

/// The one who appends. Dropped without [`finish`](Self::finish), it breaks the readers' bodies.
///
/// Its waits ([`room`](Self::room), [`deserted`](Self::deserted), [`read_again`](Self::read_again))
/// are of one task: the log keeps one waker for them.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<Log>,
    done: bool,
}

impl Writer {
    pub(super) const fn new(log: Arc<Log>) -> Self {
        Self { log, done: false }
    }

    /// Waits for its turn in `budget`; without it, it is given up from the start.
    ///
    /// # Cancellation
    /// It is not admitted yet, and may ask again.
    pub(crate) async fn admit(&self, budget: &Arc<Budget>) {
        let wanted = self.log.state.lock().wants();
        let share = budget.admit(wanted).await;
        self.log.state.lock().admit(share);
    }

    /// Appends a copy of `chunk`.
    pub(crate) fn push(&self, chunk: &[u8]) {
        let wakers = {
            let mut state = self.log.state.lock();
            state.append(chunk);
            state.wakers.take()
        };
        wake(wakers);
    }

    /// Why the body will not be stored, once that is so.
    pub(crate) fn given_up(&self) -> Option<GivenUp> {
        self.log.state.lock().given_up
    }

    /// From now on the log forgets what all its readers have read, and nobody can join them.
    pub(crate) fn seal(&self) {
        self.log.state.lock().seal();
    }

    /// True if more may be fetched now.
    pub(crate) fn has_room(&self) -> bool {
        self.log.state.lock().has_room()
    }

    /// Waits until the slowest reader of a sealed log has come close enough.
    pub(crate) async fn room(&self) {
        poll_fn(|cx| self.poll_until(cx, super::log::State::has_room)).await;
    }

    /// Waits until nobody reads.
    pub(crate) async fn deserted(&self) {
        poll_fn(|cx| self.poll_until(cx, |state| state.seats.are_none())).await;
    }

    /// Waits until somebody reads.
    pub(crate) async fn read_again(&self) {
        poll_fn(|cx| self.poll_until(cx, |state| !state.seats.are_none())).await;
    }

    fn poll_until(&self, cx: &Context<'_>, met: impl Fn(&super::log::State) -> bool) -> Poll<()> {
        let mut state = self.log.state.lock();
        if met(&state) {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// True if a reader has all that came, and waits because another one is behind.
    pub(crate) fn keeps_somebody_waiting(&self) -> bool {
        let state = self.log.state.lock();
        let end = state.pieces.end();
        state.seats.fastest() == Some(end) && state.seats.slowest() != Some(end)
    }

    /// Breaks the bodies of the slowest readers of a sealed log, so that the others can go on.
    pub(crate) fn leave_slowest_behind(&self) {
        let wakers = {
            let mut state = self.log.state.lock();
            state.seats.dismiss_slowest();
            state.forget();
            state.wakers.take()
        };
        wake(wakers);
    }

    /// True if somebody is reading.
    pub(crate) fn has_readers(&self) -> bool {
        !self.log.state.lock().seats.are_none()
    }

    /// The whole body, in the memory that its readers read. `None` if it was given up.
    pub(crate) fn collect(&self) -> Option<StoredBody> {
        let mut state = self.log.state.lock();
        match state.given_up {
            None => Some(state.pieces.collect()),
            Some(_) => None,
        }
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
            state.release();
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
