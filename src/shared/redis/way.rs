//! The way to one server.

use std::sync::Arc;

use tokio::sync::Notify;

use super::gate::Gate;
use super::shards::Voice;
use super::url::Host;
use crate::clock::{Clock, SystemClock};
use crate::sync::atomic::{AtomicBool, Ordering};

/// One server, or the one that stands for it at the time. A task of its own keeps connections to
/// it: [`supervisor`](super::supervisor).
#[derive(Debug)]
pub(super) struct Way {
    /// Which node of a cluster it leads to. Outside of a cluster there is but one way, and where
    /// it leads is found out anew for each connection.
    pub(super) node: Option<Host>,
    pub(super) gate: Gate,
    /// By which channel events go there.
    pub(super) voice: Voice,
    /// Wakes the task: the gate was shut, something is owed, or the task has to end.
    wake: Notify,
    /// The next attempt to connect is to be made at once, and one that is under way to be given up.
    turned: AtomicBool,
    retired: AtomicBool,
}

impl Way {
    pub(super) fn new(node: Option<Host>) -> Arc<Self> {
        Arc::new(Self {
            node,
            gate: Gate::new(SystemClock.now()),
            voice: Voice::default(),
            wake: Notify::new(),
            turned: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        })
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Notes that a connection is gone, and has a new one made at once.
    pub(super) fn lost(&self, generation: u64, why: &'static str) {
        if self.gate.lost(generation, SystemClock.now(), why) {
            self.wake();
        }
    }

    /// Notes that it has to lead elsewhere from now on, however well its connections are.
    pub(super) fn turn(&self, why: &'static str) {
        // The flag before the gate: whoever finds the gate shut finds out why, too.
        self.turned.store(true, Ordering::SeqCst);
        self.gate.abandon(SystemClock.now(), why);
        self.wake();
    }

    /// Waits for a turn.
    pub(super) async fn turns(&self) {
        while !self.turned.load(Ordering::SeqCst) {
            self.woken().await;
        }
    }

    /// Whether there was a turn since this was asked last.
    pub(super) fn has_turned(&self) -> bool {
        self.turned.swap(false, Ordering::SeqCst)
    }

    /// Has its task end: nobody goes this way any more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.turn("it is no master any more");
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }
}
