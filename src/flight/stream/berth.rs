//! The place of the leader's own client.

use std::sync::Arc;

use crate::flight::stream::reader::Reader;
use crate::sync::Mutex;

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
