//! Who hears the events of a tier.

use std::sync::{Arc, Weak};

use crate::shared::{Listener, TierEvent};
use crate::sync::Mutex;

/// The listeners of one tier. They are held weakly: a cache that was dropped is forgotten.
#[derive(Debug)]
pub(super) struct Listeners(Mutex<Vec<Weak<dyn Listener>>>);

impl Listeners {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds one, and forgets those that are gone, so that the list cannot grow for ever.
    pub(super) fn add(&self, listener: Weak<dyn Listener>) {
        let mut all = self.0.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(listener);
    }

    /// Tells everyone. The lock is not held meanwhile: a listener may subscribe another one.
    pub(super) fn tell(&self, event: TierEvent) {
        let present: Vec<Arc<dyn Listener>> =
            self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in present {
            listener.event(event);
        }
    }
}
