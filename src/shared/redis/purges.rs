//! Purges of single entries: each holds in whichever era this node goes by, and what the store may
//! not have heard of is owed.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Call;
use super::debts::Done;
use super::failure::Failure;
use super::link::Links;
use super::{Inner, wire};
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::PurgeKind;

impl Inner {
    /// Purges in the era that the store knows. Unless that succeeds, it is owed.
    pub(super) async fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> Result<Fence, Failure> {
        let mut owed = PurgeGuard {
            inner: self,
            purge: Some((id, kind)),
        };
        let result = self
            .purge_by(id, kind, Instant::now() + within.min(self.timeout))
            .await;
        // What is not ours cannot be purged, ever.
        if matches!(result, Ok(_) | Err(Failure::Foreign(_))) {
            owed.purge = None;
        }
        result
    }

    async fn purge_by(
        &self,
        id: EntryId,
        kind: PurgeKind,
        until: Instant,
    ) -> Result<Fence, Failure> {
        let act = |mut links: Links| async move {
            self.deliver_purge_of(&mut links, id).await?;
            self.purge_for(&mut links, id, kind).await
        };
        self.know_era(until).await?;
        let within = until - Instant::now();
        // Both at once: an era that begins only now holds nothing of before.
        let (looked, fence) = tokio::join!(
            self.look_until(until),
            self.reach(id, Call::Followup, within, act)
        );
        let fence = fence?;
        looked?;
        // If that told of another era, it is owed there.
        let act = |mut links: Links| async move { self.deliver_purge_of(&mut links, id).await };
        if self.debts.purge_of(id).is_some() {
            self.reach(id, Call::Followup, until - Instant::now(), act)
                .await?;
        }
        Ok(fence)
    }

    /// A purge that the store has not heard of comes before anything else about its entry: this
    /// node never reads back, nor stores over, what it has purged.
    pub(super) async fn deliver_purge_of(
        &self,
        links: &mut Links,
        id: EntryId,
    ) -> Result<(), Failure> {
        if let Some(owed) = self.debts.purge_of(id) {
            self.purge_for(links, id, owed.kind).await?;
            self.debts.purge_paid(owed);
        }
        Ok(())
    }

    /// Purges, and again for as long as the era was over before it was done.
    pub(super) async fn purge_for(
        &self,
        links: &mut Links,
        id: EntryId,
        kind: PurgeKind,
    ) -> Result<Fence, Failure> {
        loop {
            let era = self.space.era.current();
            let fence = wire::purge(&mut links.control, &self.space, era, id, kind).await?;
            if self.purge_counts(Done { id, kind, fence }, era) {
                return Ok(fence);
            }
        }
    }

    /// Writes down a purge that the store may not have heard of, and has it delivered soon.
    pub(super) fn owe_purge(&self, id: EntryId, kind: PurgeKind) {
        if self.debts.owe_purge(id, kind) {
            tracing::warn!(
                target: "bellwether::redis",
                "too many purges could not be delivered: the oldest one is given up"
            );
        }
        self.topology.wake_for(&self.space, id);
    }
}

/// Remembers a purge until it is known to have been done.
struct PurgeGuard<'a> {
    inner: &'a Inner,
    purge: Option<(EntryId, PurgeKind)>,
}

impl Drop for PurgeGuard<'_> {
    fn drop(&mut self) {
        if let Some((id, kind)) = self.purge {
            self.inner.owe_purge(id, kind);
        }
    }
}
