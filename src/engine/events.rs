//! What this process does about the fleet's events. They are hints: nothing depends on one coming.

use crate::clock::Moment;
use crate::engine::Engine;
use crate::engine::core::PAUSED;
use crate::entry::Stamp;
use crate::event::Incident;
use crate::local::Known;
use crate::shared::{Listener, PurgeKind, TierEvent};
use crate::sync::atomic::Ordering;

impl Listener for Engine {
    fn event(&self, event: TierEvent) {
        match event {
            TierEvent::Committed { id, fence } => {
                if let Some(stamp) = self.local.get_by_id(id).as_ref().and_then(stamp) {
                    // Only what is older: our own commit comes back to us too.
                    if stamp.fence.is_none_or(|ours| ours < fence) {
                        stamp.doubt();
                    }
                }
                self.waits.wake(id);
            }
            TierEvent::Released { id, .. } => self.waits.wake(id),
            TierEvent::Purged { id, fence, kind } => {
                // What is newer than the purge was fetched after it: the event came late.
                let newer = self
                    .local
                    .get_by_id(id)
                    .as_ref()
                    .and_then(stamp)
                    .is_some_and(|stamp| stamp.fence.is_some_and(|ours| ours > fence));
                if newer {
                    self.waits.wake(id);
                } else {
                    self.counters.incident(Incident::Purged, &id);
                    match kind {
                        PurgeKind::Hard => self.drop_local(id),
                        PurgeKind::Soft => self.soften_local(id, Some(fence)),
                    }
                }
            }
            TierEvent::PurgedAll { fence } => self.drop_all(Some(fence)),
            TierEvent::Alive => {
                self.heard(self.now());
                self.hearing.store(true, Ordering::SeqCst);
            }
            TierEvent::Lost => {
                self.hearing.store(false, Ordering::Relaxed);
                self.counters
                    .incident(Incident::GapOpened, &"events are being missed");
                // Those who wait for an event ask again, and learn that the tier is gone.
                self.waits.wake_all();
            }
            TierEvent::Resumed => {
                // Epoch first: whoever sees that events are heard again sees the new epoch too.
                self.epoch.fetch_add(1, Ordering::SeqCst);
                self.heard(self.now());
                self.hearing.store(true, Ordering::SeqCst);
                self.counters
                    .incident(Incident::GapClosed, &"events are heard again");
                self.waits.wake_all();
            }
        }
    }
}

impl Engine {
    /// A sign of life. The first after a pause closes a gap: else it would hide that there was one.
    fn heard(&self, now: Moment) {
        if self.was_paused(now) {
            // Before the time: whoever no longer sees the pause sees the new epoch.
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
        self.alive.store(now.as_micros().max(1), Ordering::SeqCst);
    }

    /// The tier did not answer. If the subscription is silent too, nobody asks it any more about
    /// what is held, until a sign of life: it was not this process that stood still, and stale
    /// entries must not wait for the origin.
    ///
    /// A call that was `asked` before a pause of this process ends with it, and says nothing.
    pub(crate) fn unheard(&self, asked: Moment, now: Moment) {
        if self.was_paused(now) && now.since(asked) <= PAUSED {
            self.hearing.store(false, Ordering::SeqCst);
        }
    }
}

fn stamp(known: &Known) -> Option<&Stamp> {
    match known {
        Known::Record(record) => Some(&record.stamp),
        Known::Rule(rule) => Some(&rule.stamp),
        Known::Verdict(_) => None,
    }
}
