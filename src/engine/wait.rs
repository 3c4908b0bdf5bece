//! Waiting for another node's refresh.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::key::EntryId;
use crate::sync::Mutex;

/// Time between two looks while waiting, whatever was promised: events may be lost, and a tier that
/// is frozen says nothing at all. Together with the look itself (100 ms at most) it is what a
/// request can lose by that.
const POLL: Duration = Duration::from_millis(50);
/// The longest, where many keys are waited for: all looks of a process together are at most
/// [`MANY`] in this time, lest a slow origin become a load on the tier.
const SLOWEST_POLL: Duration = Duration::from_secs(1);
const MANY: u32 = 1_000;

/// The drivers of this process that wait for an event, by entry.
#[derive(Debug)]
pub(crate) struct Waits {
    map: Arc<Map>,
}

/// Ordered, so that a simulation wakes them in the same order each time it is run.
type Map = Mutex<BTreeMap<EntryId, Vec<Arc<Notify>>>>;

impl Waits {
    pub(crate) fn new() -> Self {
        Self {
            map: Arc::new(Mutex::new(BTreeMap::new())),
        }
    }

    /// Registers for the events of `id`. To be done *before* asking the tier: an event between its
    /// answer and the wait is then kept for the wait.
    pub(crate) fn register(&self, id: EntryId) -> Signal {
        let notify = Arc::new(Notify::new());
        self.map
            .lock()
            .entry(id)
            .or_default()
            .push(Arc::clone(&notify));
        Signal {
            map: Arc::clone(&self.map),
            id,
            notify,
        }
    }

    /// Something happened to `id`.
    pub(crate) fn wake(&self, id: EntryId) {
        if let Some(waiting) = self.map.lock().get(&id) {
            waiting.iter().for_each(|notify| notify.notify_one());
        }
    }

    /// Anything may have happened.
    pub(crate) fn wake_all(&self) {
        self.map
            .lock()
            .values()
            .flatten()
            .for_each(|notify| notify.notify_one());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map.lock().len()
    }
}

/// One driver's registration; ends with it.
#[derive(Debug)]
pub(crate) struct Signal {
    map: Arc<Map>,
    id: EntryId,
    notify: Arc<Notify>,
}

impl Signal {
    /// Waits until it is worth asking again: an event, the end of the other's lease (and a little
    /// more, so that not all nodes ask at once), the slow poll, or `deadline`.
    pub(crate) async fn worth_asking(&self, lease_left: Duration, deadline: Instant) {
        let jitter = (lease_left / 10)
            .min(Duration::from_millis(100))
            .mul_f64(fastrand::f64());
        let now = Instant::now();
        let until = (now + (lease_left + jitter).min(self.poll())).min(deadline);
        tokio::select! {
            biased;
            () = self.notify.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

impl Signal {
    /// Waits until something happens to the entry, or somebody wants it looked at.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    fn poll(&self) -> Duration {
        let waiting = u32::try_from(self.map.lock().len()).unwrap_or(u32::MAX);
        (SLOWEST_POLL / MANY)
            .saturating_mul(waiting)
            .clamp(POLL, SLOWEST_POLL)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let mut map = self.map.lock();
        if let Some(waiting) = map.get_mut(&self.id) {
            waiting.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
            if waiting.is_empty() {
                map.remove(&self.id);
            }
        }
    }
}

#[cfg(all(test, not(bellwether_loom)))]
mod tests {
    use super::*;

    const ID: EntryId = EntryId::from_bytes([1; 16]);
    const LONG: Duration = Duration::from_secs(60);

    async fn waited(signal: &Signal, lease_left: Duration, deadline: Duration) -> Duration {
        let start = Instant::now();
        signal.worth_asking(lease_left, start + deadline).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_between_asking_and_waiting_is_not_lost() {
        let waits = Waits::new();
        let signal = waits.register(ID);
        waits.wake(ID);
        assert_eq!(waited(&signal, LONG, LONG).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_events_cost_a_poll_and_the_more_wait_the_slower_it_is() {
        let waits = Waits::new();
        let mut signals = Vec::new();
        let mut polls = Vec::new();
        for waiting in [1_u32, 50, 200, 1_000, 5_000] {
            while signals.len() < waiting as usize {
                let id = u128::try_from(signals.len()).expect("a few thousand");
                signals.push(waits.register(EntryId::from_bytes(id.to_be_bytes())));
            }
            polls.push(waited(&signals[0], LONG, LONG).await.as_millis());
        }
        assert_eq!(polls, [50, 50, 200, 1_000, 1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_lease_and_the_deadline_end_the_wait() {
        let waits = Waits::new();
        let signal = waits.register(ID);
        assert!(
            waited(&signal, Duration::from_millis(40), LONG).await <= Duration::from_millis(45)
        );
        assert_eq!(
            waited(&signal, LONG, Duration::from_millis(7))
                .await
                .as_millis(),
            7
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_those_who_are_gone() {
        let waits = Waits::new();
        let (first, second) = (waits.register(ID), waits.register(ID));
        drop(first);
        assert_eq!(waits.len(), 1);
        drop(second);
        assert_eq!(waits.len(), 0);
    }
}
