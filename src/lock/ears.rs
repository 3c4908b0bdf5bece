//! Who in this process waits for something to happen to a lock.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::key::EntryId;
use crate::shared::BoxFuture;
use crate::sync::Mutex;

/// Wakes those who wait, lock by lock.
#[derive(Debug, Default)]
pub(super) struct Ears(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Held weakly: the waiters own them, and take them along when they go.
    ears: HashMap<EntryId, Weak<Notify>>,
    /// The number of ears at which those that are gone are dropped.
    full: usize,
}

impl Ears {
    /// Resolves with the next word about this lock from now on.
    pub(super) fn changed(&self, id: EntryId) -> BoxFuture<'static, ()> {
        let mut heard = self.0.lock();
        let ear = heard.ears.get(&id).and_then(Weak::upgrade);
        let ear = ear.unwrap_or_else(|| {
            let ear = Arc::new(Notify::new());
            if heard.ears.len() >= heard.full {
                heard.ears.retain(|_, ear| ear.strong_count() > 0);
                heard.full = 2 * heard.ears.len() + 16;
            }
            heard.ears.insert(id, Arc::downgrade(&ear));
            ear
        });
        // Registered under the lock, so that no word comes in between.
        Box::pin(ear.notified_owned())
    }

    pub(super) fn tell(&self, id: EntryId) {
        if let Some(ear) = self.0.lock().ears.remove(&id).and_then(|ear| ear.upgrade()) {
            ear.notify_waiters();
        }
    }

    /// Words may have been missed.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(super) fn tell_all(&self) {
        let all = std::mem::take(&mut self.0.lock().ears);
        for ear in all.into_values().filter_map(|ear| ear.upgrade()) {
            ear.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    fn id(number: u8) -> EntryId {
        EntryId::from_bytes([number; 16])
    }

    #[test]
    fn a_word_before_the_first_poll_counts_and_one_before_the_call_does_not() {
        let ears = Ears::default();
        ears.tell(id(1));
        let mut one = spawn(ears.changed(id(1)));
        let mut late = spawn(ears.changed(id(1)));
        let mut other = spawn(ears.changed(id(2)));
        assert_pending!(one.poll());
        ears.tell(id(1));
        assert!(one.is_woken());
        assert_ready!(one.poll());
        assert_ready!(late.poll());
        assert_pending!(other.poll());
        ears.tell_all();
        assert_ready!(other.poll());
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let ears = Ears::default();
        for number in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            drop(ears.changed(EntryId::from_bytes(bytes)));
        }
        assert!(ears.0.lock().ears.len() <= 17);
    }
}
