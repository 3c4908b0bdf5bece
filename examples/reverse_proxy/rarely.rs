//! A future beside a busy one in the same task: it is polled only when it was woken itself, not
//! each time the task is. A timer that is looked at with each request costs more than the request's
//! rules.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use pin_project::pin_project;

/// The seldom woken future.
#[pin_project]
pub(crate) struct Rarely<F> {
    #[pin]
    future: F,
    bell: Arc<Bell>,
    /// Rings the bell.
    rope: Waker,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<F> Rarely<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            // Its first poll is for the sake of being woken at all.
            rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future,
            rope: Waker::from(Arc::clone(&bell)),
            bell,
            task: None,
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let moved = !matches!(this.task, Some(task) if task.will_wake(cx.waker()));
        let rung = this.bell.rung.load(Ordering::Relaxed);
        if !rung && !moved {
            return Poll::Pending;
        }
        if moved {
            *this.task = Some(cx.waker().clone());
        }
        // In this order. A ring before the first line is seen by the poll; one between the first
        // and the second may wake nobody, and is seen by the poll, too; one after the second wakes
        // the task. Were the bell silenced last, it might silence one that the poll does not see.
        this.bell.rung.swap(false, Ordering::AcqRel);
        this.bell.task.register(cx.waker());
        this.future.poll(&mut Context::from_waker(this.rope))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it wakes.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn it_is_polled_for_its_own_sake_only() {
        let polls = Cell::new(0);
        let (sender, mut receiver) = oneshot::channel::<()>();
        let mut future = pin!(Rarely::new(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            Pin::new(&mut receiver).poll(cx)
        })));
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..10 {
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(polls.get(), 1);
        sender.send(()).expect("it is awaited");
        assert_eq!(task.woken(), 1);
        assert!(future.as_mut().poll(&mut cx).is_ready());
        assert_eq!(polls.get(), 2);
    }

    #[test]
    fn each_ring_wakes_the_task_that_polled_last() {
        let rope = Cell::new(None);
        let mut future = pin!(Rarely::new(poll_fn(|cx| {
            rope.set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        })));
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        for (round, task) in tasks.iter().chain(&tasks).enumerate() {
            let waker = Waker::from(Arc::clone(task));
            for ring in 1..=3 {
                let before = task.woken();
                let _ = future.as_mut().poll(&mut Context::from_waker(&waker));
                rope.take().expect("it was polled").wake();
                assert_eq!(task.woken(), before + 1, "round {round}, ring {ring}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_ring_is_lost_between_threads() {
        for _ in 0..20_000 {
            let (sender, receiver) = oneshot::channel();
            let sent = tokio::spawn(async move { sender.send(()) });
            Rarely::new(receiver).await.expect("it is sent");
            sent.await.expect("no panic").expect("it is awaited");
        }
    }
}
