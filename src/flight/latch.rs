//! A value that is set once, and any number of waiters for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::flight::wakers::{Wakers, wake};
use crate::sync::Mutex;

/// Set once, or closed without a value. Waiters may come and go at any time.
#[derive(Debug)]
pub(crate) struct Latch<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: Value<T>,
    wakers: Wakers,
}

#[derive(Debug)]
enum Value<T> {
    Open,
    Set(T),
    Closed,
}

impl<T: Clone> Latch<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                value: Value::Open,
                wakers: Wakers::default(),
            }),
        }
    }

    /// Sets the value and wakes all who wait. False if it was set or closed before.
    pub(crate) fn set(&self, value: T) -> bool {
        self.end(Value::Set(value))
    }

    /// Ends the wait without a value, unless there is one.
    pub(crate) fn close(&self) -> bool {
        self.end(Value::Closed)
    }

    /// Open => (Set | Closed)
    ///
    /// The value is there before anyone is woken, and the wakers are taken in the same critical
    /// section: who polls earlier is among them, who polls later sees the value.
    fn end(&self, end: Value<T>) -> bool {
        let wakers = {
            let mut state = self.state.lock();
            if !matches!(state.value, Value::Open) {
                return false;
            }
            state.value = end;
            state.wakers.take()
        };
        wake(wakers);
        true
    }

    /// Waits for the value; `None` if the latch was closed without one.
    pub(crate) fn wait(self: &Arc<Self>) -> Wait<T> {
        Wait {
            latch: Arc::clone(self),
            slot: None,
        }
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().wakers.waiting()
    }
}

/// Future of [`Latch::wait`].
///
/// # Cancellation
/// Dropping it takes the waiter off the list; nobody else is affected.
#[derive(Debug)]
pub(crate) struct Wait<T: Clone> {
    latch: Arc<Latch<T>>,
    slot: Option<usize>,
}

impl<T: Clone> Wait<T> {
    /// True if this waits, or waited, for `latch`.
    pub(crate) fn is_for(&self, latch: &Arc<Latch<T>>) -> bool {
        Arc::ptr_eq(&self.latch, latch)
    }
}

impl<T: Clone> Future for Wait<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = this.latch.state.lock();
        match &state.value {
            Value::Set(value) => Poll::Ready(Some(value.clone())),
            Value::Closed => Poll::Ready(None),
            Value::Open => {
                state.wakers.note(&mut this.slot, cx.waker());
                Poll::Pending
            }
        }
    }
}

impl<T: Clone> Drop for Wait<T> {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.latch.state.lock().wakers.leave(&mut self.slot);
        }
    }
}

#[cfg(all(test, not(bellwether_loom)))]
mod tests {
    use tokio_test::{assert_pending, assert_ready_eq, task};

    use super::*;

    #[test]
    fn every_waiter_is_woken_and_gets_the_value() {
        let latch = Arc::new(Latch::new());
        let mut waits: Vec<_> = (0..3).map(|_| task::spawn(latch.wait())).collect();
        for wait in &mut waits {
            assert_pending!(wait.poll());
        }
        assert!(latch.set(7));
        for wait in &mut waits {
            assert!(wait.is_woken());
            assert_ready_eq!(wait.poll(), Some(7));
        }
        assert_ready_eq!(task::spawn(latch.wait()).poll(), Some(7));
    }

    #[test]
    fn the_first_end_stands() {
        let latch = Arc::new(Latch::new());
        assert!(latch.close());
        assert!(!latch.set(7));
        assert_ready_eq!(task::spawn(latch.wait()).poll(), None);
    }

    #[test]
    fn a_waiter_that_leaves_frees_its_place() {
        let latch = Arc::new(Latch::<()>::new());
        for _ in 0..100 {
            let mut wait = task::spawn(latch.wait());
            assert_pending!(wait.poll());
            assert_eq!(latch.waiting(), 1);
        }
        assert_eq!(latch.waiting(), 0);
        assert_eq!(latch.state.lock().wakers.waiting(), 0);
    }

    #[test]
    fn a_waiter_polled_by_another_task_wakes_that_one() {
        let latch = Arc::new(Latch::new());
        let mut first = task::spawn(());
        let mut second = task::spawn(());
        let mut wait = latch.wait();
        first.enter(|cx, _| assert!(Pin::new(&mut wait).poll(cx).is_pending()));
        second.enter(|cx, _| assert!(Pin::new(&mut wait).poll(cx).is_pending()));
        latch.set(());
        assert!(!first.is_woken());
        assert!(second.is_woken());
    }
}
