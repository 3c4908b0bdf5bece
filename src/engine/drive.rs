//! Brings one flight to its end: asks the shared tier who may refresh, and acts on the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Moment;
use crate::engine::landing::{By, Failure, Job, Landing, Task};
use crate::engine::origin::Origin;
use crate::engine::plan::{self, Hand, Next};
use crate::engine::refresh::{Keep, Refresh};
use crate::engine::wait::Signal;
use crate::engine::{Engine, publish};
use crate::entry::codec::Flaw;
use crate::entry::{Fence, Record, VaryRule};
use crate::error::ErrorKind;
use crate::event::Incident;
use crate::flight::Lead;
use crate::local::{Known, Verdict};
use crate::lock::Lease;
use crate::shared::{Answer, Ask, Grant, Token};

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

/// Most times that the tier is asked again for another reason than a wait.
const MOST_TURNS: u32 = 4;

/// Less time than that is not worth a call.
const LEAST_CALL: Duration = Duration::from_millis(5);

/// How the tier is asked next.
#[derive(Clone, Copy)]
struct Question {
    token: Token,
    peek: bool,
    force: bool,
    insist: bool,
    /// What the tier holds could not be read: ask for it to be replaced.
    corrupt: bool,
}

impl Question {
    fn of(task: Task) -> Self {
        Self {
            token: Token::random(),
            peek: task == Task::Check,
            force: task == Task::Early,
            insist: task == Task::Insist,
            corrupt: false,
        }
    }
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

enum Asked {
    /// The flight is over.
    Landed,
    /// Refresh under this lease.
    Leased(Lease),
    /// Refresh for this node alone.
    Alone(Keep),
}

/// Names the mark that an answer tells of: its end, in milliseconds of the shared clock.
fn mark_of(answer: &Answer) -> Option<u128> {
    match answer.grant {
        Grant::Blocked { left, .. } => Some(u128::from(answer.now / 1_000) + left.as_millis()),
        _ => None,
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

    /// Asks until it is clear what to do.
    async fn ask(&mut self) -> Asked {
        let engine = Arc::clone(&self.engine);
        let tier = engine.tier.as_ref().expect("only asked with a tier");
        let id = self.job.key.id();
        let give_up = Instant::now() + engine.tuning.lock_wait;
        let mut question = Question::of(self.job.task);
        let mut waited = false;
        // The mark that we insisted against.
        let mut defied = None;
        let mut turns = 0;
        while turns <= MOST_TURNS {
            // Read before asking: an answer says nothing about a gap that closes after it.
            let epoch = engine.epoch();
            let (asked, asked_at) = (Instant::now(), self.now());
            let had = self.version();
            let ask = Ask {
                id,
                token: question.token,
                lease: engine.tuning.lease.lease,
                have: if question.corrupt { None } else { had },
                peek: question.peek,
                force: question.force,
                insist: question.insist,
                within: engine.tuning.lease.call.min(self.budget),
            };
            let answer = tier.acquire(ask).await;
            if !waited {
                // Looking again while another refreshes is part of the wait, which has its own
                // deadline.
                self.budget = self.budget.saturating_sub(asked.elapsed()).max(LEAST_CALL);
            }
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    let incident = match error.kind() {
                        ErrorKind::Corrupt => Incident::CorruptEntry,
                        _ => Incident::SharedUnavailable,
                    };
                    engine.counters.incident(incident, &error);
                    return self.out_of_reach();
                }
            };
            let lease = match answer.grant {
                Grant::Lease { fence, ttl } => {
                    let timing = engine.tuning.lease;
                    Some(Lease::new(
                        Arc::clone(tier),
                        id,
                        question.token,
                        fence,
                        asked,
                        ttl,
                        timing,
                    ))
                }
                _ => None,
            };
            self.forget_purged(&answer);
            if let Err(flaw) = self.take(&answer, asked_at, epoch) {
                // Asked again for the lease, the tier shows the same entry again.
                if !std::mem::replace(&mut question.corrupt, true) {
                    engine
                        .counters
                        .incident(Incident::CorruptEntry, &flaw.as_str());
                }
            }
            self.confirm(&answer, epoch);
            // A rule that the tier does not have (any more) is nobody else's: each node would keep
            // variants of its own. It has to be made anew, by one for all.
            if self.rule.is_some() && holds_fresh(&answer) {
                self.land_rule();
                return Asked::Landed;
            }
            match plan::answered(answer.grant, self.hand(), self.job.task, waited) {
                Next::Use => {
                    self.land(if waited { By::Remote } else { By::Shared }, had);
                    return Asked::Landed;
                }
                Next::Refresh => {
                    self.serve_stale_meanwhile();
                    return lease.map_or(Asked::Alone(Keep::Local), Asked::Leased);
                }
                Next::RefreshAlone => {
                    self.serve_stale_meanwhile();
                    return Asked::Alone(Keep::Local);
                }
                Next::Wait(ttl) => {
                    waited = true;
                    self.serve_stale_meanwhile();
                    if Instant::now() >= give_up {
                        return self.waited_too_long();
                    }
                    question = Question {
                        force: false,
                        // Only against the mark that we found: if the other fails as well, that
                        // is the answer of all who waited for it.
                        insist: self.job.task == Task::Insist,
                        ..question
                    };
                    self.signal.worth_asking(ttl, give_up).await;
                    continue;
                }
                Next::BackOff(left, failures) => {
                    self.back_off(left, failures);
                    return Asked::Landed;
                }
                Next::Fail(_)
                    if !question.insist && defied.is_some() && defied == mark_of(&answer) =>
                {
                    // No more than the mark that we insisted against: the other is still at it.
                    question.insist = true;
                    continue;
                }
                Next::Fail(status) => {
                    self.lead.announce(Landing::Failed(Failure {
                        status,
                        detail: "origin-failed",
                    }));
                    return Asked::Landed;
                }
                Next::Ask => {
                    question = Question {
                        peek: false,
                        force: true,
                        ..question
                    }
                }
                Next::Insist => {
                    defied = mark_of(&answer);
                    question = Question {
                        peek: false,
                        insist: true,
                        ..question
                    }
                }
                Next::PassFor(left) => {
                    self.judge_uncacheable(left, false);
                    self.lead.announce(Landing::Refused {
                        reason: "uncacheable",
                        authorized_only: false,
                    });
                    return Asked::Landed;
                }
            }
            turns += 1;
        }
        Asked::Alone(Keep::Local)
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

    /// Another node has been refreshing for longer than anyone here should wait. If somebody does,
    /// one request of this node goes to the origin, for those who are here: the other may store
    /// any moment, so nothing of it is kept.
    fn waited_too_long(&self) -> Asked {
        self.engine
            .counters
            .incident(Incident::WaitedTooLong, &self.job.key.id());
        if self.lead.is_awaited() {
            Asked::Alone(Keep::Nothing)
        } else {
            Asked::Landed
        }
    }

    /// The tier gave no answer: at most one request of this node goes to the origin, unless what is
    /// in hand is good still.
    fn out_of_reach(&mut self) -> Asked {
        self.engine.unheard(self.now());
        if self.rule.is_some() {
            // Unchecked, but all there is to go by.
            self.land_rule();
            return Asked::Landed;
        }
        if self.hand() == Hand::Fresh && self.job.task == Task::Check {
            self.land(By::Local, self.version());
            return Asked::Landed;
        }
        // Unchecked, and it stays so: whoever comes next asks again, through this flight.
        self.serve_stale_meanwhile();
        Asked::Alone(Keep::Local)
    }

    /// The version in hand, if it ever reached the tier.
    pub(crate) fn version(&self) -> Option<Fence> {
        match (&self.record, &self.rule) {
            (Some(record), _) => record.stamp.fence,
            (None, Some(rule)) => rule.stamp.fence,
            (None, None) => None,
        }
    }

    /// Drops what is in hand if it was fetched before the last purge.
    pub(crate) fn forget_purged(&mut self, answer: &Answer) {
        let Some(purged) = answer.purged else { return };
        let stamp = match (&self.record, &self.rule) {
            (Some(record), _) => &record.stamp,
            (None, Some(rule)) => &rule.stamp,
            (None, None) => return,
        };
        if publish::is_older(stamp, purged, answer.now, self.now()) {
            (self.record, self.rule) = (None, None);
            self.engine.local.remove(self.job.key.id());
        }
    }

    /// Takes what the tier holds, if it is newer than what is in hand.
    pub(crate) fn take(&mut self, answer: &Answer, asked: Moment, epoch: u64) -> Result<(), Flaw> {
        self.shared = answer.view.as_ref().map(|view| view.version);
        let Some(view) = &answer.view else {
            return Ok(());
        };
        let Some(content) = &view.content else {
            if let Some(record) = self.record.take() {
                self.record = Some(publish::agreeing(record, view, asked));
            }
            return Ok(());
        };
        let in_hand = self.record.as_ref().map(|record| &record.stamp);
        let in_hand = in_hand.or_else(|| self.rule.as_ref().map(|rule| &rule.stamp));
        if in_hand
            .is_some_and(|stamp| !publish::is_older(stamp, view.version, answer.now, self.now()))
        {
            return Ok(());
        }
        match publish::read(
            &self.job,
            view,
            content,
            asked,
            epoch,
            self.engine.tuning.early_beta,
        )? {
            Known::Rule(rule) => (self.record, self.rule) = (None, Some(rule)),
            Known::Record(record) => (self.record, self.rule) = (Some(record), None),
            Known::Verdict(_) => {}
        }
        Ok(())
    }

    /// What is in hand was compared with the shared tier in `epoch`. A rule that the tier does not
    /// hold is not confirmed by that: it is nobody else's.
    fn confirm(&self, answer: &Answer, epoch: u64) {
        if let Some(record) = &self.record {
            record.stamp.checked(epoch);
        }
        if let Some(rule) = self.rule.as_ref().filter(|_| holds_fresh(answer)) {
            rule.stamp.checked(epoch);
        }
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
        let epoch = engine.epoch();
        let answer = tier.acquire(self.peek()).await;
        match answer {
            Ok(answer) => {
                let view = answer.view.as_ref().map(|view| view.version);
                let newest = answer.purged.max(view);
                let outdated = newest.is_some_and(|newest| {
                    publish::is_older(&record.stamp, newest, answer.now, self.now())
                });
                if outdated {
                    return;
                }
                record.stamp.checked(epoch);
            }
            // Unchecked, but all there is to go by.
            Err(_) => engine.unheard(self.now()),
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
    pub(crate) fn back_off(&self, left: Duration, failures: u32) {
        let Some(record) = self.record.clone() else {
            return;
        };
        record.retry.block(failures, self.now().plus(left));
        let known = Known::Record(Arc::clone(&record));
        self.lead
            .store(|| self.engine.local.insert(self.job.key.id(), known));
        self.lead.announce(Landing::Ready {
            record,
            by: By::OnError,
        });
    }

    /// Remembers here that the key's responses cannot be stored.
    pub(crate) fn judge_uncacheable(&self, length: Duration, authorized_only: bool) {
        let key = &self.job.key;
        let verdict = Verdict::new(key, self.now().plus(length), authorized_only);
        self.lead.store(|| {
            self.engine
                .local
                .insert(key.id(), Known::Verdict(Arc::new(verdict)))
        });
    }
}

fn holds_fresh(answer: &Answer) -> bool {
    answer.view.as_ref().is_some_and(|view| view.fresh_ms > 0)
}
