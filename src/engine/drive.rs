//! Brings one flight to its end: asks the shared tier who may refresh, and acts on the answer.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::engine::ask::Asked;
use crate::engine::landing::{By, Failure, Job, Landing};
use crate::engine::origin::Origin;
use crate::engine::plan::{self, Hand};
use crate::engine::refresh::{Keep, Refresh};
use crate::engine::wait::Signal;
use crate::engine::{Engine, publish};
use crate::entry::codec::Flaw;
use crate::entry::{Fence, Record, Stamp, VaryRule};
use crate::flight::Lead;
use crate::local::{Known, Verdict};

use crate::shared::{Answer, Ask};

/// One flight under way.
pub(crate) struct Drive {
    pub(crate) engine: Arc<Engine>,
    pub(crate) lead: Lead<Landing>,
    pub(crate) job: Job,
    /// The best response in hand: local, or what the tier gave.
    pub(crate) record: Option<Arc<Record>>,
    /// The rule in hand, where the key is that of a URL which varies.
    pub(crate) rule: Option<Arc<VaryRule>>,
    /// The version that the tier held when it was asked last.
    pub(crate) shared: Option<Fence>,
    /// Wakes this flight: an event of its entry, or somebody who needs to know more.
    pub(crate) signal: Signal,
    /// Time that the clients of this flight may still pay for the tier.
    pub(crate) budget: Duration,
}

/// Brings a flight to its end. Runs in a task of its own; a panic in it ends the flight as
/// abandoned, by the drop of `lead`.
pub(crate) async fn drive(
    engine: Arc<Engine>,
    lead: Lead<Landing>,
    job: Job,
    origin: Box<dyn Origin>,
) {
    let (record, rule) = match job.held.clone() {
        Some(Known::Record(record)) => (Some(record), None),
        Some(Known::Rule(rule)) => (None, Some(rule)),
        Some(Known::Verdict(_)) | None => (None, None),
    };
    let budget = job.budget;
    // Before the tier is asked: an event between its answer and a wait is then kept for the wait.
    let signal = engine.waits.register(job.key.id());
    let mut drive = Drive {
        engine,
        lead,
        job,
        record,
        rule,
        shared: None,
        budget,
        signal,
    };
    if drive.engine.tier.is_none() {
        return Refresh::alone(drive, Keep::Local).run(origin).await;
    }
    match drive.ask().await {
        Asked::Landed => {}
        Asked::Leased(lease) => Refresh::leased(drive, lease).run(origin).await,
        Asked::Alone(keep) => Refresh::alone(drive, keep).run(origin).await,
    }
}

/// What a look at the tier showed.
pub(crate) struct Looked {
    /// The newest fence issued.
    pub(crate) newest: Option<Fence>,
    /// The version that it holds, if that can be read.
    pub(crate) held: Option<Fence>,
}

impl Drive {
    pub(crate) fn now(&self) -> Moment {
        self.engine.now()
    }

    pub(crate) fn hand(&self) -> Hand {
        plan::hand(self.record.as_deref(), self.now())
    }

    /// Looks what the tier holds, and brings what is in hand in line with that. `None`: no answer.
    pub(crate) async fn look(&mut self, within: Duration) -> Option<Looked> {
        let tier = Arc::clone(self.engine.tier.as_ref()?);
        let (epoch, asked) = (self.engine.epoch(), self.now());
        let ask = Ask::look(self.job.key.id(), self.version(), within);
        let answer = tier.acquire(ask).await.ok()?;
        self.forget_purged(&answer);
        let read = self.take(&answer, asked, epoch);
        if read.is_ok() {
            self.confirm(&answer, epoch);
        }
        Some(Looked {
            newest: answer.newest,
            held: answer
                .view
                .filter(|_| read.is_ok())
                .map(|view| view.version),
        })
    }

    /// The version in hand, if it ever reached the tier.
    pub(crate) fn version(&self) -> Option<Fence> {
        match (&self.record, &self.rule) {
            (Some(record), _) => record.stamp.fence,
            (None, Some(rule)) => rule.stamp.fence,
            (None, None) => None,
        }
    }

    /// Takes its fence from what is in hand, if the tier has issued only smaller ones: it lost the
    /// entry, and its clock stepped back. Else nothing stored from now on would ever look newer. By
    /// the time of its fetch it is compared rightly.
    fn forget_regressed(&mut self, answer: &Answer) {
        let Some(newest) = answer.newest else { return };
        if self.version().is_none_or(|ours| ours <= newest) {
            return;
        }
        self.record = self.record.take().map(|record| {
            let stamp = Stamp::new(None, None, record.stamp.fetched, record.stamp.epoch());
            Arc::new(Record {
                stamp,
                ..publish::copy(&record)
            })
        });
        self.rule = None;
        self.engine.local.remove(self.job.key.id());
    }

    /// Drops what is in hand if it was fetched before the last purge; makes it stale if that was a soft
    /// one, and it is newer than what the tier holds.
    pub(crate) fn forget_purged(&mut self, answer: &Answer) {
        self.forget_regressed(answer);
        let Some(purged) = answer.purged else { return };
        let stamp = match (&self.record, &self.rule) {
            (Some(record), _) => &record.stamp,
            (None, Some(rule)) => &rule.stamp,
            (None, None) => return,
        };
        // What the tier holds still was purged softly: it is stale, which the view says.
        let held = answer.view.as_ref().map(|view| view.version);
        if stamp.fence.is_some() && stamp.fence == held {
            return;
        }
        let now = self.now();
        if !publish::is_older(stamp, purged, answer.now, now) {
            return;
        }
        let softened = publish::softened(answer, now);
        if let (Some(record), Some(held), Some(softened)) = (&self.record, held, softened)
            && !publish::is_older(stamp, held, answer.now, now)
        {
            // Were it dropped, the tier's would be served in its place, which is older still.
            if let Some(stale) = publish::stale_since(record, softened.at) {
                let known = Known::Record(Arc::clone(&stale));
                self.lead
                    .store(|| self.engine.local.insert(self.job.key.id(), known));
                self.record = Some(stale);
            }
            return;
        }
        (self.record, self.rule) = (None, None);
        self.engine.local.remove(self.job.key.id());
    }

    /// Takes what the tier holds, if it is newer than what is in hand.
    pub(crate) fn take(&mut self, answer: &Answer, asked: Moment, epoch: u64) -> Result<(), Flaw> {
        self.take_newer(answer, asked, epoch)?;
        self.trust_rule(answer);
        Ok(())
    }

    fn take_newer(&mut self, answer: &Answer, asked: Moment, epoch: u64) -> Result<(), Flaw> {
        self.shared = answer.view.as_ref().map(|view| view.version);
        let Some(view) = &answer.view else {
            return Ok(());
        };
        let Some(content) = &view.content else {
            if let Some(record) = self.record.take() {
                let rule = self.job.rule.as_deref();
                self.record = Some(publish::agreeing(record, rule, view, asked));
            }
            return Ok(());
        };
        let now = self.now();
        let is_newer = |stamp| !publish::is_older(stamp, view.version, answer.now, now);
        let record = self.record.as_ref().map(|record| &record.stamp);
        if record.is_some_and(is_newer) {
            return Ok(());
        }
        let rule = self.rule.as_ref().map(|rule| &rule.stamp);
        let newer_rule = rule.is_some_and(is_newer);
        match publish::read(
            &self.job.key,
            self.job.rule.clone(),
            view,
            content,
            asked,
            epoch,
            self.engine.tuning.early_beta,
        )? {
            // Whatever its age: a rule is of use only if all nodes go by the same.
            Known::Rule(rule) => (self.record, self.rule) = (None, Some(rule)),
            Known::Record(_) if newer_rule => {}
            Known::Record(record) => (self.record, self.rule) = (Some(record), None),
            Known::Verdict(_) => {}
        }
        Ok(())
    }

    /// What is in hand was compared with the shared tier in `epoch`. A rule that the tier does not
    /// hold is not confirmed by that: it is nobody else's.
    pub(crate) fn confirm(&self, answer: &Answer, epoch: u64) {
        if let Some(record) = &self.record {
            record.stamp.checked(epoch);
        }
        if let Some(rule) = self.rule.as_ref().filter(|_| leads_on(answer)) {
            rule.stamp.checked(epoch);
        }
    }

    /// The rule in hand, if it is the one that the tier holds, is good for a while, and learns of a
    /// soft purge. The tier keeps it past its time then.
    fn trust_rule(&mut self, answer: &Answer) {
        let received = self.now();
        let (Some(rule), Some(view)) = (&self.rule, &answer.view) else {
            return;
        };
        if rule.stamp.fence != Some(view.version) {
            return;
        }
        let until = received.plus(TRUSTED_RULE);
        self.rule = Some(Arc::new(match publish::softened(answer, received) {
            Some(softened) => rule.softened(softened, until),
            None => rule.trusted(until.min(received.plus_millis(view.fresh_ms))),
        }));
    }

    /// The key is that of a URL which varies: keeps the rule, and lets all look for their variant.
    pub(crate) fn land_rule(&self) {
        let rule = self.rule.clone().expect("a rule is in hand");
        let known = Known::Rule(Arc::clone(&rule));
        self.lead
            .store(|| self.engine.local.insert(self.job.key.id(), known));
        let budget = self.budget;
        self.lead.announce(Landing::LookAgain { rule, budget });
    }

    /// Keeps the record in hand locally, if it is news, and gives it to all who wait.
    pub(crate) fn land(&self, by: By, had: Option<Fence>) {
        let record = self.record.clone().expect("something usable is in hand");
        let by = if record.stamp.fence == had {
            By::Local
        } else {
            by
        };
        let known = Known::Record(Arc::clone(&record));
        self.lead
            .store(|| self.engine.local.insert(self.job.key.id(), known));
        self.lead.announce(Landing::Ready { record, by });
    }

    /// Those who wait so far are served from what is stale, if that is permitted; the flight goes
    /// on without them.
    pub(crate) fn serve_stale_meanwhile(&mut self) {
        let now = self.now();
        let Some(record) = self.record.clone() else {
            return;
        };
        if plan::hand(Some(&record), now) == Hand::Stale {
            let known = Known::Record(Arc::clone(&record));
            self.lead
                .store(|| self.engine.local.insert(self.job.key.id(), known));
            self.lead.announce_and_continue(Landing::Ready {
                record,
                by: By::Local,
            });
            // They have paid what they had to; who comes from now on has not paid anything yet.
            self.budget = self.engine.tuning.tier_budget;
        }
    }

    /// Somebody joined this flight, which is at the origin, only since events may have been missed
    /// that concern what is held: finds out, so that nobody waits for the origin who need not.
    ///
    /// What is in hand stays as it is, whatever the tier holds.
    ///
    /// # Cancellation
    /// Nothing has happened yet, or all.
    pub(crate) async fn reassure(&mut self) {
        let engine = Arc::clone(&self.engine);
        let (Some(tier), Some(record)) = (&engine.tier, self.record.clone()) else {
            return;
        };
        if !matches!(self.hand(), Hand::Fresh | Hand::Stale) {
            return;
        }
        let (epoch, asked) = (engine.epoch(), self.now());
        let answer = tier.acquire(self.peek()).await;
        let mut record = record;
        match answer {
            Ok(answer) => {
                let held = answer.view.as_ref();
                if let Some(view) = held.filter(|view| Some(view.version) == record.stamp.fence) {
                    // A purge since then was a soft one.
                    let rule = self.job.rule.as_deref();
                    record = publish::agreeing(record, rule, view, asked);
                } else {
                    let newest = answer.purged.max(held.map(|view| view.version));
                    let outdated = newest.is_some_and(|newest| {
                        publish::is_older(&record.stamp, newest, answer.now, self.now())
                    });
                    if outdated {
                        return;
                    }
                }
                let hand = plan::hand(Some(&record), self.now());
                if !matches!(hand, Hand::Fresh | Hand::Stale) {
                    return;
                }
                record.stamp.checked(epoch);
            }
            // Unchecked, but all there is to go by.
            Err(_) => engine.unheard(asked, self.now()),
        }
        self.lead.announce_and_continue(Landing::Ready {
            record,
            by: By::Local,
        });
    }

    fn peek(&self) -> Ask {
        let within = self.engine.tuning.lease.call.min(self.budget);
        Ask::look(self.job.key.id(), self.version(), within)
    }

    /// The origin fails: what is in hand serves until it is tried again.
    /// `failure`: what it did just now; `None` if it was not asked.
    pub(crate) fn back_off(
        &self,
        left: Duration,
        failures: u32,
        unreachable: bool,
        failure: Option<Failure>,
    ) {
        let Some(record) = self.record.clone() else {
            return;
        };
        let until = self.now().plus(left);
        record.retry.block(failures, unreachable, until);
        let known = Known::Record(Arc::clone(&record));
        self.lead
            .store(|| self.engine.local.insert(self.job.key.id(), known));
        self.lead.announce(Landing::Ready {
            record,
            by: By::OnError(failure),
        });
    }

    /// Remembers here that the key's responses cannot be stored.
    pub(crate) fn judge(&self, verdict: Verdict) {
        let known = Known::Verdict(Arc::new(verdict));
        self.lead
            .store(|| self.engine.local.insert(self.job.key.id(), known));
    }
}

/// How long a rule is used before the tier is asked about it again. It may have lost the rule, to
/// an eviction for example, since who knows it does not ask; then whoever does not know it has made
/// another one, and all is fetched twice.
pub(crate) const TRUSTED_RULE: Duration = Duration::from_secs(60);

/// True if a rule that the tier holds may be gone by: it is in its time, or was purged softly.
pub(crate) fn leads_on(answer: &Answer) -> bool {
    let is_fresh = answer.view.as_ref().is_some_and(|view| view.fresh_ms > 0);
    is_fresh || publish::is_softened(answer)
}
