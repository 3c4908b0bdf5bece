//! Asks the shared tier who may refresh, until it is clear what to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Moment;
use crate::engine::drive::{Drive, leads_on};
use crate::engine::landing::{By, Failure, Landing, Task};
use crate::engine::plan::{self, Hand, Next};
use crate::engine::refresh::Keep;
use crate::error::ErrorKind;
use crate::event::Incident;
use crate::local::{Proof, Verdict};
use crate::lock::Lease;
use crate::shared::{Answer, Ask, Grant, Token};

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

pub(crate) enum Asked {
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

impl Drive {
    /// True if what is held is stale by a soft purge of its URL, which the tier does not know of its
    /// variants: fresh by its word is not good enough.
    fn is_softened(&self) -> bool {
        let softened = self.job.rule.as_ref().and_then(|rule| rule.softened);
        let record = self.record.as_ref();
        softened.is_some_and(|purge| record.is_some_and(|record| purge.covers(&record.stamp)))
    }

    /// Asks until it is clear what to do.
    pub(crate) async fn ask(&mut self) -> Asked {
        let engine = Arc::clone(&self.engine);
        let tier = engine.tier.as_ref().expect("only asked with a tier");
        let id = self.job.key.id();
        let give_up = Instant::now() + engine.tuning.lock_wait;
        let mut question = Question::of(self.job.task);
        question.force |= self.is_softened();
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
                    return self.out_of_reach(asked_at);
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
            if self.rule.is_some() && leads_on(&answer) {
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
                Next::BackOff {
                    left,
                    failures,
                    unreachable,
                } => {
                    self.back_off(left, failures, unreachable, None);
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
                    // A look has said nothing about who may refresh: another may just have done so.
                    question = Question {
                        force: !question.peek || question.corrupt,
                        peek: false,
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
                    // Why, only those know who left the mark.
                    self.judge(
                        Verdict::new(&self.job.key, self.now().plus(left), false)
                            .until_proof(Proof::Length),
                    );
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
    fn out_of_reach(&mut self, asked: Moment) -> Asked {
        self.engine.unheard(asked, self.now());
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
}
