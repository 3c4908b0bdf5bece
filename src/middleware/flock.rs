//! A request that leads, or follows one that does.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower_service::Service;

use crate::clock::Moment;
use crate::config::{Scope, Shared};
use crate::engine::plan::Step;
use crate::engine::{By, Failure, Job, Landing, Task};
use crate::entry::{Record, VaryRule};
use crate::event::{Incident, Outcome};
use crate::flight::{Berth, Claim, Seat};
use crate::key::Key;
use crate::local::Known;
use crate::middleware::body::ResponseBody;
use crate::middleware::client::Client;
use crate::middleware::demand::demand;
use crate::middleware::origin::{Back, Outbound};
use crate::middleware::respond::{Asked, BodyOf, hit_report};
use crate::semantics::status::{Fwd, Report};

/// What is known of what is asked for.
pub(crate) struct Sighted {
    /// The key of the variant, if the URL is known to vary.
    pub(crate) variant: Option<Key>,
    pub(crate) rule: Option<Arc<VaryRule>>,
    pub(crate) known: Option<Known>,
    pub(crate) step: Step,
}

/// How often a request looks again after a flight that did not serve it.
const MOST_FLIGHTS: u32 = 6;
/// Beside the engine's own deadlines, before a request stops waiting for a flight.
const SLACK: Duration = Duration::from_secs(1);

/// One request that needs more than the local store.
pub(crate) struct Flock<S, B> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Arc<Client>,
    /// The request and a service to send it to, once.
    pub(crate) own: Option<(S, Request<B>)>,
    /// Time that it may still pay for the shared tier.
    budget: Duration,
}

pub(crate) type Returned<S, B, RB> =
    oneshot::Receiver<Back<S, B, RB, <S as Service<Request<B>>>::Error>>;
pub(crate) type Answer<S, B, RB> =
    Result<Response<ResponseBody<RB>>, <S as Service<Request<B>>>::Error>;

impl<S, B> Flock<S, B> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        scope: &Arc<Scope>,
        service: S,
        request: Request<B>,
        primary: Key,
    ) -> Self {
        let client = Arc::new(Client::of(&request, primary, scope));
        Self {
            shared: Arc::clone(shared),
            client,
            own: Some((service, request)),
            budget: shared.engine.tuning.tier_budget,
        }
    }
}

impl<S, B, RB> Flock<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Makes sure that one refresh is under way; nobody waits for it.
    pub(crate) fn refresh_behind(mut self, sighted: Sighted) {
        let Step::ServeAndRefresh(task) = sighted.step else {
            return;
        };
        let key = sighted
            .variant
            .as_ref()
            .unwrap_or(&self.client.primary)
            .clone();
        let Seat::Lead(lead) = self.shared.engine.join(&key, &self.client.primary) else {
            return;
        };
        // Between the look and the seat another flight may have ended, or a purge have passed.
        let again = self.sight();
        if again.step == Step::ServeAndRefresh(task) && again.variant == sighted.variant {
            self.depart(lead, key, again, task, None);
        }
    }

    fn sight(&self) -> Sighted {
        let (client, engine) = (&self.client, &self.shared.engine);
        let (now, known) = (engine.now(), engine.local.get(&client.primary));
        self.shared
            .sight(&client.scope, known, client.fields(), now)
    }

    fn sight_by(&self, rule: Option<Arc<VaryRule>>) -> Sighted {
        let (client, now) = (&self.client, self.shared.engine.now());
        match rule {
            Some(rule) => self
                .shared
                .sight_by(&client.scope, rule, client.fields(), now),
            None => self.sight(),
        }
    }

    /// Starts the flight that this request leads, with its own request.
    fn depart(
        &mut self,
        lead: crate::flight::Lead<Landing>,
        key: Key,
        sighted: Sighted,
        task: Task,
        berth: Option<Arc<Berth>>,
    ) -> Option<Returned<S, B, RB>> {
        let (service, request) = self.own.take()?;
        let authorized = self.client.seen.authorization();
        let (shared, scope) = (Arc::clone(&self.shared), Arc::clone(&self.client.scope));
        let (origin, returned) = Outbound::new(service, request, shared, scope, authorized);
        let job = Job {
            key,
            primary: self.client.primary.clone(),
            rule: sighted.rule,
            held: sighted.known,
            task,
            select: Arc::clone(&self.client) as _,
            budget: self.budget,
            berth,
        };
        self.shared.engine.spawn(lead, job, Box::new(origin));
        Some(returned)
    }

    /// Leads or follows until there is an answer.
    pub(crate) async fn run(mut self, mut sighted: Sighted) -> Answer<S, B, RB> {
        let tuning = &self.shared.engine.tuning;
        let deadline = Instant::now() + tuning.lock_wait + tuning.fetch_timeout + SLACK;
        let mut remote = false;
        // The rule that a flight brought along: without it, what is not held locally (because it
        // could not be kept, or did not fit) would be looked for again and again.
        let mut rule = None;
        for _ in 0..MOST_FLIGHTS {
            let now = self.shared.engine.now();
            let task = match (sighted.step, &sighted.known) {
                (Step::Join(task), _) => task,
                (Step::Serve | Step::ServeAndRefresh(_), Some(Known::Record(record))) => {
                    let outcome = if remote {
                        Outcome::RemoteFollowed
                    } else if now < record.windows.fresh_until {
                        Outcome::Hit
                    } else {
                        Outcome::Stale
                    };
                    return Ok(self.serve(record, now, outcome));
                }
                (Step::ServeOnError, Some(Known::Record(record))) => {
                    return Ok(self.serve(record, now, Outcome::StaleOnError));
                }
                (Step::Unavailable, _) => {
                    let (shared, client) = (Arc::clone(&self.shared), Arc::clone(&self.client));
                    return Ok(shared.consult(&client, sighted).await);
                }
                (Step::Pass, _) => return self.pass("uncacheable").await,
                _ => Task::Refresh,
            };
            let fwd = forward_reason(&sighted, now);
            let (held, by) = (sighted.known.clone(), sighted.rule.clone());
            let key = sighted
                .variant
                .as_ref()
                .unwrap_or(&self.client.primary)
                .clone();
            let (mut wait, mut own) = match self.shared.engine.join(&key, &self.client.primary) {
                Seat::Follow(_) if always_validated(&sighted) => {
                    let held = sighted.known;
                    return self.pass_or_serve("revalidated-alone", held).await;
                }
                Seat::Follow(wait) => {
                    if self.shared.is_doubted(&sighted, now) {
                        // Should the flight be at the origin: this one may not have to wait.
                        self.shared.engine.waits.wake(key.id());
                    }
                    (wait, None)
                }
                Seat::Lead(lead) => {
                    // Between the look and the seat another flight may have ended, or a purge have
                    // passed: what was seen then is not to be built on. From now on a purge sees us.
                    let again = self.sight_by(rule.clone());
                    let same =
                        matches!(again.step, Step::Join(_)) && again.variant == sighted.variant;
                    sighted = again;
                    if !same {
                        continue;
                    }
                    let wait = lead.wait();
                    let (berth, claim) = Berth::new();
                    match self.depart(lead, key.clone(), sighted, task, Some(berth)) {
                        Some(returned) => (wait, Some((returned, claim))),
                        // Its own attempt is spent, and nobody else leads.
                        None => break,
                    }
                }
            };
            let led = own.is_some();
            let Ok(landing) = tokio::time::timeout_at(deadline, &mut wait).await else {
                return Ok(self.shared.fail(Failure::WAIT_TIMEOUT, miss(fwd)));
            };
            rule = None;
            let engine = Arc::clone(&self.shared.engine);
            match landing {
                None => {
                    if led {
                        self.shared
                            .engine
                            .counters
                            .incident(Incident::Abandoned, &key.id());
                    }
                    self.take_back(own.take()).await;
                }
                Some(Landing::LookAgain {
                    rule: found,
                    budget,
                }) => {
                    rule = Some(found);
                    self.budget = budget;
                    self.take_back(own.take()).await;
                }
                Some(Landing::Refused {
                    reason,
                    authorized_only,
                }) => {
                    if let Some((returned, _)) = own {
                        return self
                            .own_answer(returned, miss(fwd), Some(reason), Failure::ABANDONED)
                            .await;
                    }
                    if !authorized_only || self.client.seen.authorization() {
                        return self.pass(reason).await;
                    }
                }
                Some(Landing::Failed(failure)) => {
                    if let Some(response) = self.tolerated(held.as_ref()) {
                        return Ok(response);
                    }
                    if let Some((returned, _)) = own {
                        return self
                            .own_answer(returned, miss(fwd), Some(failure.detail), failure)
                            .await;
                    }
                    return Ok(self.shared.fail(
                        failure,
                        Report {
                            collapsed: true,
                            ..miss(fwd)
                        },
                    ));
                }
                Some(landing)
                    if !led
                        && engine
                            .came_too_late_for(&landing, key.id(), by.as_deref())
                            .await =>
                {
                    engine.flights.forget(key.id(), &wait);
                }
                Some(landing) if self.demands_more_than(&landing) => {
                    let why = Some("request-directive");
                    let Some((returned, _)) = own else {
                        return self.pass("request-directive").await;
                    };
                    let failure = Failure::ABANDONED;
                    return self.own_answer(returned, miss(fwd), why, failure).await;
                }
                Some(landing) => {
                    if let Some(response) = self.land(&landing, &key, fwd, own.as_mut()) {
                        return Ok(response);
                    }
                    if !self.may_wait_again(&landing) {
                        return self.pass("not-shareable").await;
                    }
                    rule = self.brought(&landing, &key);
                    remote = matches!(landing, Landing::Ready { by: By::Remote, .. });
                    self.take_back(own.take()).await;
                }
            }
            sighted = self.sight_by(rule.clone());
        }
        Ok(self.shared.fail(
            if self.own.is_some() {
                Failure::ABANDONED
            } else {
                Failure::SPENT
            },
            miss(Fwd::Miss),
        ))
    }

    fn demands_more_than(&self, landing: &Landing) -> bool {
        let now = self.shared.engine.now();
        demand(&self.client.scope, &self.client.headers)
            .is_some_and(|demand| self.shared.fails_to_meet(&demand, landing, now))
    }

    /// The origin failed: what the client takes instead, if it said so.
    fn tolerated(&self, held: Option<&Known>) -> Option<Response<ResponseBody<RB>>> {
        let demand = demand(&self.client.scope, &self.client.headers)?;
        let Some(Known::Record(record)) = held else {
            return None;
        };
        let now = self.shared.engine.now();
        let helps = self.shared.helps(&self.client.scope, &demand, record, now);
        helps.then(|| self.serve(record, now, Outcome::StaleOnError))
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            headers: &self.client.headers,
            seen: self.client.seen,
            head: self.client.head,
        }
    }

    pub(crate) fn serve(
        &self,
        record: &Record,
        now: Moment,
        outcome: Outcome,
    ) -> Response<ResponseBody<RB>> {
        self.shared.engine.counters.outcome(outcome);
        let report = if outcome == Outcome::RemoteFollowed {
            Report {
                collapsed: true,
                detail: Some(outcome.as_str()),
                ..miss(Fwd::Miss)
            }
        } else {
            hit_report(record, now, outcome)
        };
        self.shared
            .respond(self.asked(), record, BodyOf::Record, now, &report)
    }

    /// Gets the request back from a flight that did not need it.
    async fn take_back(&mut self, own: Option<(Returned<S, B, RB>, Claim)>) {
        if let Some((returned, _)) = own
            && let Ok(Back::Unspent(service, request)) = returned.await
        {
            self.own = Some((service, request));
        }
    }
}

pub(crate) fn miss(fwd: Fwd) -> Report {
    Report {
        fwd: Some(fwd),
        ..Report::default()
    }
}

/// Why a request goes forward (RFC 9211 §2.2).
fn forward_reason(sighted: &Sighted, now: Moment) -> Fwd {
    match &sighted.known {
        Some(Known::Record(record))
            if sighted.step == Step::Join(Task::Early) && now < record.windows.fresh_until =>
        {
            Fwd::Request
        }
        Some(Known::Record(_)) => Fwd::Stale,
        _ if sighted.variant.is_some() => Fwd::VaryMiss,
        _ => Fwd::Miss,
    }
}

/// True for what is stored only to be validated each time (`no-cache`, `max-age=0`): its answers
/// are for one request each, so nobody gains by waiting for another's.
fn always_validated(sighted: &Sighted) -> bool {
    match &sighted.known {
        Some(Known::Record(record)) => {
            let lifetime = record.windows.lifetime();
            let served = lifetime
                .fresh
                .saturating_add(lifetime.stale_while_revalidate);
            served <= lifetime.age
        }
        _ => false,
    }
}
