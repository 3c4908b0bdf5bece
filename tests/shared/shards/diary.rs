//! What a node heard, held against what was purged.

use std::sync::{Arc, Mutex, Weak};

use bellwether::shared::*;
use tokio::time::Instant;

use crate::support::*;

/// What a node heard, and when.
#[derive(Default)]
pub(super) struct Diary(Mutex<Vec<(Instant, TierEvent)>>);

impl Listener for Diary {
    fn event(&self, event: TierEvent) {
        self.0.lock().unwrap().push((Instant::now(), event));
    }
}

impl Diary {
    pub(super) fn of(tier: &RedisTier) -> Arc<Self> {
        let diary = Arc::new(Self::default());
        let listener: Weak<dyn Listener> = Arc::<Self>::downgrade(&diary);
        tier.subscribe(listener);
        diary
    }

    /// When it heard such events.
    pub(super) fn times(&self, such: impl Fn(&TierEvent) -> bool) -> Vec<Instant> {
        let all = self.0.lock().unwrap();
        let times = all.iter().filter(|(_, event)| such(event));
        times.map(|(at, _)| *at).collect()
    }

    pub(super) fn hears(&self, id: EntryId, fence: Fence) -> bool {
        let ours = |event: &TierEvent| matches!(event, TierEvent::Purged { id: about, fence: by, .. } if *about == id && *by == fence);
        !self.times(ours).is_empty()
    }

    /// When it was told that something may have been missed.
    pub(super) fn resumed(&self) -> Vec<Instant> {
        self.times(|event| *event == TierEvent::Resumed)
    }
}

pub(super) struct Purge {
    pub(super) id: EntryId,
    pub(super) fence: Fence,
    pub(super) sent: Instant,
    pub(super) answered: Instant,
}

pub(super) async fn purge(tier: &RedisTier, id: EntryId) -> Option<Purge> {
    let sent = Instant::now();
    let fence = tier.purge(id, PurgeKind::Hard, SECOND).await.ok()?;
    let answered = Instant::now();
    Some(Purge {
        id,
        fence,
        sent,
        answered,
    })
}

/// Each purge was heard, or the node was told afterwards that it may have missed something. How
/// many were missed.
pub(super) fn none_is_lost_without_a_word(diary: &Diary, purges: &[Purge]) -> usize {
    let resumed = diary.resumed();
    let missed: Vec<_> = purges
        .iter()
        .filter(|purge| !diary.hears(purge.id, purge.fence))
        .collect();
    for purge in &missed {
        let told = resumed.iter().any(|at| *at > purge.sent);
        assert!(
            told,
            "a purge that was sent {:?} and answered {:?} ago was missed, and nothing was said \
             since",
            purge.sent.elapsed(),
            purge.answered.elapsed()
        );
    }
    missed.len()
}
