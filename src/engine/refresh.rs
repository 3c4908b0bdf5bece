//! One fetch from the origin, and what follows from its head.

use std::sync::Arc;

use crate::clock::Moment;
use crate::engine::drive::Drive;
use crate::engine::landing::{By, Failure, Landing};
use crate::engine::origin::{Fetched, Origin};
use crate::engine::plan::{self, Hand};
use crate::engine::store::Place;
use crate::entry::{Head, Lifetime, Phase, Record, Stamp, Windows};
use crate::event::Incident;
use crate::lock::Lease;
use crate::shared::BlockKind;

/// How much of a fetch is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// For the fleet and here, as far as the lease's fence permits.
    Shared,
    /// Here only: the tier is out of reach.
    Local,
    /// Nothing: it may be older than what others have stored.
    Nothing,
}

/// A flight that goes to the origin.
pub(crate) struct Refresh {
    pub(crate) drive: Drive,
    pub(crate) lease: Option<Lease>,
    pub(crate) keep: Keep,
    /// When the fetch began, and in which epoch: what it gives is as old as that.
    pub(crate) started: Moment,
    pub(crate) epoch: u64,
}

impl Refresh {
    pub(crate) fn leased(drive: Drive, lease: Lease) -> Self {
        Self::new(drive, Some(lease), Keep::Shared)
    }

    pub(crate) fn alone(drive: Drive, keep: Keep) -> Self {
        Self::new(drive, None, keep)
    }

    fn new(drive: Drive, lease: Option<Lease>, keep: Keep) -> Self {
        let (started, epoch) = (drive.now(), drive.engine.epoch());
        Self {
            drive,
            lease,
            keep,
            started,
            epoch,
        }
    }

    /// Fetches, and brings the flight to its end.
    pub(crate) async fn run(mut self, origin: Box<dyn Origin>) {
        let fetched = self.fetch(origin).await;
        if !self.is_still_wanted().await {
            return;
        }
        match fetched {
            Some(Fetched::Storable(draft)) => self.fill(draft).await,
            Some(Fetched::Confirmed { head, lifetime }) => self.confirmed(head, lifetime).await,
            Some(Fetched::Refused {
                reason,
                authorized_only,
            }) => self.refused(reason, authorized_only).await,
            Some(Fetched::Failed(failure)) => self.failed(failure).await,
            None => self.failed(Failure::TIMEOUT).await,
        }
    }

    /// `None`: `fetch_timeout` passed. Time spent waiting for a place among the concurrent fetches
    /// counts.
    async fn fetch(&mut self, origin: Box<dyn Origin>) -> Option<Fetched> {
        let engine = Arc::clone(&self.drive.engine);
        let now = self.drive.now();
        let basis = self.drive.record.clone();
        let basis = basis.filter(|record| record.windows.phase(now) != Phase::Dead);
        let fetch = async {
            let _place = match &engine.fetches {
                Some(fetches) => fetches.acquire().await.ok(),
                None => None,
            };
            engine.counters.origin_request();
            origin.fetch(basis).await
        };
        let fetch = tokio::time::timeout(engine.tuning.fetch_timeout, fetch);
        let Self { drive, lease, .. } = self;
        let held = hold(lease.as_ref(), fetch);
        tokio::pin!(held);
        loop {
            let asked = async {
                drive.signal.woken().await;
                drive.reassure().await;
            };
            tokio::select! {
                biased;
                fetched = &mut held => return fetched.ok(),
                () = asked => {}
            }
        }
    }

    /// Looks, if this process was paused past its lease, whether another has refreshed meanwhile.
    /// Then that is what everyone gets: no client may see an older response after a newer one.
    async fn is_still_wanted(&mut self) -> bool {
        let engine = Arc::clone(&self.drive.engine);
        let (Some(lease), Some(tier)) = (&self.lease, &engine.tier) else {
            return true;
        };
        if !lease.may_be_lost() {
            return true;
        }
        engine
            .counters
            .incident(Incident::LeaseLost, &self.drive.job.key.id());
        let epoch = engine.epoch();
        let asked = self.drive.now();
        let answer = tier.acquire(self.drive.look()).await;
        let Ok(answer) = answer else {
            self.keep = Keep::Nothing;
            return true;
        };
        if answer.newest == Some(lease.fence()) {
            // Nobody took over. The fence will tell if someone still does.
            return true;
        }
        let (ours, theirs) = (lease.fence(), answer.view.as_ref().map(|view| view.version));
        self.drive.forget_purged(&answer, asked);
        let read = self.drive.take(&answer, asked, epoch);
        if read.is_ok() && theirs.is_some_and(|theirs| theirs > ours) {
            self.drive.confirm(epoch);
            match self.drive.hand() {
                Hand::Fresh | Hand::Stale => {
                    self.drive.land(By::Remote, None);
                    return false;
                }
                Hand::OnError | Hand::Empty => {}
            }
            if self.drive.rule.is_some() {
                self.drive.land_rule();
                return false;
            }
        }
        // Somebody is at it, or it was purged. Those who wait here came before; who comes now must
        // not join them.
        self.keep = Keep::Nothing;
        self.drive.lead.withdraw();
        true
    }

    /// The origin confirmed what we hold (304): a new head and new windows, the same body.
    async fn confirmed(self, head: Head, lifetime: Lifetime) {
        let Some(basis) = self.drive.record.clone() else {
            // Confirmed without having been asked: there is nothing to serve.
            return self
                .failed(Failure {
                    status: 502,
                    detail: "unexpected-304",
                })
                .await;
        };
        let record = self.record(
            head,
            lifetime,
            basis.body.clone(),
            basis.rule.clone(),
            &basis.key,
        );
        let shown = Arc::new(record);
        self.drive.lead.announce(Landing::Ready {
            record: Arc::clone(&shown),
            by: By::Origin(304),
        });
        let place = Place {
            key: self.drive.job.key.clone(),
            rule: basis.rule.clone(),
            new_rule: false,
        };
        self.store(place, &shown, true).await;
    }

    /// A record of what this refresh fetched; received now.
    pub(crate) fn record(
        &self,
        head: Head,
        lifetime: Lifetime,
        body: bytes::Bytes,
        rule: Option<Arc<crate::entry::VaryRule>>,
        key: &[u8],
    ) -> Record {
        let now = self.drive.now();
        let windows = Windows::from_receipt(now, &lifetime);
        let cost = now.since(self.started);
        let beta = self.drive.engine.tuning.early_beta;
        let fence = self.lease.as_ref().map(Lease::fence);
        Record {
            key: key.into(),
            head,
            body,
            lifetime,
            windows,
            early: super::publish::early(&windows, lifetime.stale_while_revalidate, cost, beta),
            cost,
            rule,
            stamp: Stamp::new(fence, fence, self.started, self.epoch),
            retry: Default::default(),
        }
    }

    /// It cannot be stored: everyone on their own, at once, and the fleet remembers.
    pub(crate) async fn refused(self, reason: &'static str, authorized_only: bool) {
        let tuning = &self.drive.engine.tuning;
        self.drive
            .judge_uncacheable(tuning.uncacheable_local, authorized_only);
        self.drive.lead.announce(Landing::Refused {
            reason,
            authorized_only,
        });
        let mark = (BlockKind::Uncacheable, tuning.uncacheable_shared);
        // Stored by a node that waits no longer, or for others than those with `Authorization`.
        let mark = (!authorized_only).then_some(mark);
        if let Some(lease) = self.lease {
            lease.release(mark).await;
        }
    }

    /// The origin gave no usable answer: what is stale serves, as far as it may.
    pub(crate) async fn failed(mut self, failure: Failure) {
        let engine = Arc::clone(&self.drive.engine);
        engine
            .counters
            .incident(Incident::OriginFailed, &failure.detail);
        let before = self
            .drive
            .record
            .as_ref()
            .map_or(0, |record| record.retry.failures());
        let failures = before.saturating_add(1);
        let tuning = &engine.tuning;
        let left = plan::back_off(
            failures,
            tuning.back_off,
            tuning.back_off_longest,
            fastrand::f64(),
        );
        if self.drive.hand() == Hand::Empty {
            self.drive.lead.announce(Landing::Failed(failure));
        } else {
            self.drive.back_off(left, failures);
        }
        if let Some(lease) = self.lease.take() {
            let kind = BlockKind::Failing {
                failures,
                status: failure.status,
            };
            lease.release(Some((kind, left))).await;
        }
    }
}

/// Runs `work`, keeping the lease alive if there is one.
async fn hold<F: Future>(lease: Option<&Lease>, work: F) -> F::Output {
    match lease {
        Some(lease) => lease.hold(work).await,
        None => work.await,
    }
}
