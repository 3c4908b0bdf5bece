//! A gate at which origins wait until a test has seen what it wanted to see.

use std::sync::Arc;

use tokio::sync::watch;

use crate::support::within;

/// Closed until opened, for all who wait and all who come later.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let open = Arc::new(watch::Sender::new(false));
        Self { open }
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        let mut open = self.open.subscribe();
        let opened = within("a gate", open.wait_for(|open| *open)).await;
        opened.expect("the gate is there");
    }
}

/// Waits until a number has grown to this.
pub(crate) async fn reaches(what: &str, number: &mut watch::Receiver<usize>, least: usize) {
    let reached = within(what, number.wait_for(|number| *number >= least)).await;
    reached.expect("whoever counts is there");
}
