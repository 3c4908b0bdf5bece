//! A node that can be stopped like a process: SIGSTOP, SIGCONT, SIGKILL.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::Mutex;

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Dead,
}

/// The life of one node's process.
#[derive(Debug)]
pub(super) struct Life {
    state: Mutex<State>,
    changed: Notify,
}

impl Life {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Running),
            changed: Notify::new(),
        })
    }

    pub(super) fn pause(&self) {
        self.go(State::Paused);
    }

    pub(super) fn resume(&self) {
        self.go(State::Running);
    }

    /// For good.
    pub(super) fn kill(&self) {
        self.go(State::Dead);
    }

    pub(super) fn is_running(&self) -> bool {
        *self.state.lock() == State::Running
    }

    pub(super) fn is_dead(&self) -> bool {
        *self.state.lock() == State::Dead
    }

    fn go(&self, state: State) {
        {
            let mut now = self.state.lock();
            if *now == State::Dead {
                return;
            }
            *now = state;
        }
        self.changed.notify_waiters();
    }

    /// Runs a task of this process: it stands still while the process does, and ends with it, as
    /// `None`. Timers that it waits for run on meanwhile, as those of a machine do.
    pub(super) async fn run<F: Future>(&self, work: F) -> Option<F::Output> {
        // On the heap, so that it ends the moment the process does.
        let mut work = Box::pin(work);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let state = *self.state.lock();
            match state {
                State::Dead => return None,
                State::Paused => changed.await,
                State::Running => tokio::select! {
                    biased;
                    () = changed => {}
                    output = &mut work => return Some(output),
                },
            }
        }
    }

    /// Waits until the process runs; for ever, if it is dead.
    pub(super) async fn gate(&self) {
        if self.run(async {}).await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
