//! One fetch from the origin, and what follows from its head.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::clock::Moment;
use crate::engine::drive::Drive;
use crate::engine::landing::{By, Failure, Landing, Task};
use crate::engine::origin::{Fetched, Origin};
use crate::engine::plan::{self, Hand};
use crate::engine::store::Place;
use crate::entry::{Head, Lifetime, Phase, Record, Stamp, StoredBody, Windows};
use crate::event::Incident;
use crate::local::Verdict;
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
    /// Its place among the concurrent fetches, until its body has come too.
    place_taken: Option<OwnedSemaphorePermit>,
    /// What the origin was asked to confirm. The record in hand may be another one by then.
    pub(crate) basis: Option<Arc<Record>>,
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
            place_taken: None,
            basis: None,
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
        // One who insists has seen that conditions lead nowhere, or nothing to compare with.
        let basis = basis.filter(|record| {
            record.windows.phase(now) != Phase::Dead && self.drive.job.task != Task::Insist
        });
        self.basis.clone_from(&basis);
        let fetch = async {
            let place = match &engine.fetches {
                Some(fetches) => Arc::clone(fetches).acquire_owned().await.ok(),
                None => None,
            };
            engine.counters.origin_request();
            (origin.fetch(basis).await, place)
        };
        let fetch = tokio::time::timeout(engine.tuning.fetch_timeout, fetch);
        let Self {
            drive,
            lease,
            place_taken,
            ..
        } = self;
        let held = hold(lease.as_ref(), fetch);
        tokio::pin!(held);
        let fetched = loop {
            let asked = async {
                drive.signal.woken().await;
                drive.reassure().await;
            };
            tokio::select! {
                biased;
                fetched = &mut held => break fetched,
                () = asked => {}
            }
        };
        let (fetched, place) = fetched.ok()?;
        *place_taken = place;
        Some(fetched)
    }

    /// Looks, if this process was paused past its lease, whether another has refreshed meanwhile.
    /// Then that is what everyone gets: no client may see an older response after a newer one.
    async fn is_still_wanted(&mut self) -> bool {
        let engine = Arc::clone(&self.drive.engine);
        let Some(lease) = &self.lease else {
            return true;
        };
        if !lease.may_be_lost() {
            return true;
        }
        engine
            .counters
            .incident(Incident::LeaseLost, &self.drive.job.key.id());
        let fence = lease.fence();
        let Some(looked) = self.drive.look(engine.tuning.lease.call).await else {
            self.keep = Keep::Nothing;
            self.drive.lead.withdraw();
            return true;
        };
        if looked.newest == Some(fence) {
            // Nobody took over. The fence will tell if someone still does.
            return true;
        }
        if looked.held.is_some_and(|theirs| theirs > fence) {
            match self.drive.hand() {
                Hand::Fresh | Hand::Stale => {
                    self.drive.land(By::Remote, None);
                    return false;
                }
                Hand::OnError | Hand::IfUnreachable | Hand::Empty => {}
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
        let Some(basis) = self.basis.clone() else {
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
        body: StoredBody,
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
            head: head.into(),
            body,
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
        // Who sends a credential must not take away what others are served from.
        if !authorized_only || self.drive.record.is_none() {
            let until = self.drive.now().plus(tuning.uncacheable_local);
            let verdict = Verdict::new(&self.drive.job.key, until, authorized_only);
            self.drive.judge(verdict);
        }
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

    /// The body broke off: nobody tries again for a while who has something to serve meanwhile.
    /// Who has nothing elects a successor at once.
    pub(crate) async fn broken(self) {
        let (failures, left) = self.next_back_off();
        if let Some(record) = &self.drive.record {
            let until = self.drive.now().plus(left);
            record.retry.block(failures, false, until);
        }
        match self.drive.hand() {
            Hand::Fresh | Hand::Stale | Hand::OnError => {
                self.release_failing(failures, left, BROKEN).await;
            }
            // With a mark, the origin's error would be everyone's, unasked. The lease that comes
            // next still lets one at a time find out.
            Hand::IfUnreachable | Hand::Empty => {
                if let Some(lease) = self.lease {
                    lease.release(None).await;
                }
            }
        }
    }

    /// The origin gave no usable answer: what is stale serves, as far as it may.
    pub(crate) async fn failed(mut self, failure: Failure) {
        let counters = &self.drive.engine.counters;
        counters.incident(Incident::OriginFailed, &failure.detail);
        let (failures, left) = self.next_back_off();
        self.check_before_serving().await;
        let unreachable = failure.is_unreachable();
        let serves = match self.drive.hand() {
            Hand::Fresh | Hand::Stale | Hand::OnError => true,
            Hand::IfUnreachable => unreachable,
            Hand::Empty => false,
        };
        if serves {
            self.drive
                .back_off(left, failures, unreachable, Some(failure));
        } else {
            self.drive.lead.announce(Landing::Failed(failure));
        }
        self.release_failing(failures, left, failure).await;
    }

    fn next_back_off(&self) -> (u32, Duration) {
        let record = self.drive.record.as_ref();
        let before = record.map_or(0, |record| record.retry.failures());
        let failures = before.saturating_add(1);
        let tuning = &self.drive.engine.tuning;
        let (base, longest) = (tuning.back_off, tuning.back_off_longest);
        (
            failures,
            plan::back_off(failures, base, longest, fastrand::f64()),
        )
    }

    async fn release_failing(self, failures: u32, left: Duration, failure: Failure) {
        if let Some(lease) = self.lease {
            let kind = BlockKind::Failing {
                failures,
                status: failure.status,
                unreachable: failure.is_unreachable(),
            };
            lease.release(Some((kind, left))).await;
        }
    }

    /// What is in hand is about to be served instead of what the origin did not give. Has it been
    /// checked? The gap that made it suspect may have ended while the origin was asked, and those
    /// who came since expect that nothing purged is served. What is left of the budget pays for it.
    async fn check_before_serving(&mut self) {
        let engine = Arc::clone(&self.drive.engine);
        let now = self.drive.now();
        let Some(record) = &self.drive.record else {
            return;
        };
        let unchecked = self.lease.is_none() || engine.suspects(&record.stamp, now);
        if engine.tier.is_some() && unchecked && self.drive.hand() != Hand::Empty {
            let call = engine.tuning.lease.call;
            let within = engine.tuning.tier_budget.saturating_sub(call).min(call);
            self.drive.look(within).await;
        }
    }
}

/// The body broke off.
const BROKEN: Failure = Failure {
    status: 502,
    detail: "origin-broke-off",
};

/// Runs `work`, keeping the lease alive if there is one.
async fn hold<F: Future>(lease: Option<&Lease>, work: F) -> F::Output {
    match lease {
        Some(lease) => lease.hold(work).await,
        None => work.await,
    }
}
