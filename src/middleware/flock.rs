//! A request that leads, or follows one that does.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_service::Service;

use crate::clock::Moment;
use crate::config::Shared;
use crate::engine::plan::Step;
use crate::engine::{By, Failure, Job, Landing, Task};
use crate::entry::{Phase, Record, Stamp, VaryRule, Windows};
use crate::event::{Incident, Outcome};
use crate::flight::Seat;
use crate::key::Key;
use crate::local::Known;
use crate::middleware::body::ResponseBody;
use crate::middleware::client::Client;
use crate::middleware::origin::{Back, Outbound};
use crate::middleware::pass::Passing;
use crate::middleware::respond::{Asked, BodyOf, forwarded_status, hit_report};
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
    shared: Arc<Shared>,
    client: Arc<Client>,
    /// The request and a service to send it to, once.
    own: Option<(S, Request<B>)>,
}

type Returned<S, B, RB> = oneshot::Receiver<Back<S, B, RB, <S as Service<Request<B>>>::Error>>;
type Answer<S, B, RB> = Result<Response<ResponseBody<RB>>, <S as Service<Request<B>>>::Error>;

impl<S, B> Flock<S, B> {
    pub(crate) fn new(shared: &Arc<Shared>, service: S, request: Request<B>, primary: Key) -> Self {
        let client = Arc::new(Client::of(&request, primary));
        Self {
            shared: Arc::clone(shared),
            client,
            own: Some((service, request)),
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
        if let Seat::Lead(lead) = self.shared.engine.join(&key, &self.client.primary) {
            self.depart(lead, key, sighted, task);
        }
    }

    /// Starts the flight that this request leads, with its own request.
    fn depart(
        &mut self,
        lead: crate::flight::Lead<Landing>,
        key: Key,
        sighted: Sighted,
        task: Task,
    ) -> Option<Returned<S, B, RB>> {
        let (service, request) = self.own.take()?;
        let authorized = self.client.authorized;
        let (origin, returned) =
            Outbound::new(service, request, Arc::clone(&self.shared), authorized);
        let job = Job {
            key,
            primary: self.client.primary.clone(),
            rule: sighted.rule,
            held: sighted.known,
            task,
            select: Arc::clone(&self.client) as _,
        };
        self.shared.engine.spawn(lead, job, Box::new(origin));
        Some(returned)
    }

    /// Leads or follows until there is an answer.
    pub(crate) async fn run(mut self, mut sighted: Sighted) -> Answer<S, B, RB> {
        let tuning = &self.shared.engine.tuning;
        let deadline = Instant::now() + tuning.lock_wait + tuning.fetch_timeout + SLACK;
        let mut remote = false;
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
                    let failure = Failure {
                        status: 504,
                        detail: "only-if-cached",
                    };
                    return Ok(self.shared.fail(failure, Report::default()));
                }
                (Step::Pass, _) => return self.pass("uncacheable").await,
                _ => Task::Refresh,
            };
            let fwd = forward_reason(&sighted);
            let key = sighted
                .variant
                .as_ref()
                .unwrap_or(&self.client.primary)
                .clone();
            let (wait, returned) = match self.shared.engine.join(&key, &self.client.primary) {
                Seat::Follow(_) if always_validated(&sighted) => {
                    return self.pass("revalidated-alone").await;
                }
                Seat::Follow(wait) => (wait, None),
                Seat::Lead(lead) => {
                    let wait = lead.wait();
                    match self.depart(lead, key.clone(), sighted, task) {
                        Some(returned) => (wait, Some(returned)),
                        // Its own attempt is spent, and nobody else leads.
                        None => break,
                    }
                }
            };
            let led = returned.is_some();
            let Ok(landing) = tokio::time::timeout_at(deadline, wait).await else {
                return Ok(self.shared.fail(Failure::WAIT_TIMEOUT, miss(fwd)));
            };
            match landing {
                None => {
                    if led {
                        self.shared
                            .engine
                            .counters
                            .incident(Incident::Abandoned, &key.id());
                    }
                    self.take_back(returned).await;
                }
                Some(Landing::LookAgain) => self.take_back(returned).await,
                Some(Landing::Refused {
                    reason,
                    authorized_only,
                }) => {
                    if let Some(returned) = returned {
                        return self
                            .own_answer(returned, miss(fwd), Some(reason), Failure::ABANDONED)
                            .await;
                    }
                    if !authorized_only || self.client.authorized {
                        return self.pass(reason).await;
                    }
                }
                Some(Landing::Failed(failure)) => {
                    if let Some(returned) = returned {
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
                Some(landing) => {
                    if let Some(response) = self.land(&landing, &key, fwd, led, now) {
                        return Ok(response);
                    }
                    if !self.may_wait_again(&landing) {
                        return self.pass("not-shareable").await;
                    }
                    remote = matches!(landing, Landing::Ready { by: By::Remote, .. });
                    self.take_back(returned).await;
                }
            }
            let now = self.shared.engine.now();
            sighted = self
                .shared
                .sight(&self.client.primary, &self.client.headers, now, true);
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

    /// The answer out of a flight's result, if it is this client's: another variant, or one that
    /// may not be shared, is not.
    fn land(
        &self,
        landing: &Landing,
        key: &Key,
        fwd: Fwd,
        led: bool,
        joined: Moment,
    ) -> Option<Response<ResponseBody<RB>>> {
        let now = self.shared.engine.now();
        let (record, body, by) = match landing {
            Landing::Ready { record, by } => (record, BodyOf::Record, *by),
            Landing::Filling {
                record,
                log,
                length,
                by,
            } => (record, BodyOf::Log(log.reader()?, *length), *by),
            _ => return None,
        };
        if !self.is_mine(record, key) {
            return None;
        }
        let phase = record.windows.phase(now);
        let usable = matches!(phase, Phase::Fresh | Phase::Stale);
        let outcome = match by {
            By::OnError if record.windows.usable_on_error(now) => Outcome::StaleOnError,
            By::Local if usable && phase == Phase::Fresh => Outcome::Hit,
            By::Local | By::OnError if usable => Outcome::Stale,
            By::Shared if phase == Phase::Fresh => Outcome::SharedHit,
            By::Remote if usable => Outcome::RemoteFollowed,
            By::Origin(_) if led => Outcome::Led,
            By::Origin(_) if usable => Outcome::Followed,
            By::Superseded { .. } if led => Outcome::Led,
            By::Superseded { before, .. } if usable && joined < before => Outcome::Followed,
            _ => return None,
        };
        let report = match outcome {
            Outcome::Led | Outcome::Followed | Outcome::RemoteFollowed => Report {
                fwd: Some(fwd),
                fwd_status: forwarded_status(landing)
                    .filter(|status| *status != record.head.status.as_u16()),
                ttl: Some(record.windows.ttl_secs(now)),
                stored: outcome == Outcome::Led,
                collapsed: outcome != Outcome::Led,
                detail: Some(outcome.as_str()),
                ..Report::default()
            },
            _ => hit_report(record, now, outcome),
        };
        self.shared.engine.counters.outcome(outcome);
        Some(
            self.shared
                .respond(self.asked(), record, body, now, &report),
        )
    }

    /// True if `record` answers this request: by its key, or by the rule that it brought along.
    fn is_mine(&self, record: &Record, key: &Key) -> bool {
        use crate::engine::origin::Select;
        *record.key == *key.text()
            || record.rule.as_ref().is_some_and(|rule| {
                *record.key == *self.client.variant(rule.generation, &rule.fields).text()
            })
    }

    /// False if waiting for the next flight would only put one client behind the other.
    fn may_wait_again(&self, landing: &Landing) -> bool {
        match landing {
            Landing::Ready {
                record,
                by: By::Origin(_),
            }
            | Landing::Filling {
                record,
                by: By::Origin(_),
                ..
            } => {
                let now = self.shared.engine.now();
                matches!(record.windows.phase(now), Phase::Fresh | Phase::Stale)
            }
            _ => true,
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            headers: &self.client.headers,
            head: self.client.head,
        }
    }

    fn serve(&self, record: &Record, now: Moment, outcome: Outcome) -> Response<ResponseBody<RB>> {
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
    async fn take_back(&mut self, returned: Option<Returned<S, B, RB>>) {
        if let Some(returned) = returned
            && let Ok(Back::Unspent(service, request)) = returned.await
        {
            self.own = Some((service, request));
        }
    }

    /// The answer that this client's own request got.
    async fn own_answer(
        &mut self,
        returned: Returned<S, B, RB>,
        report: Report,
        detail: Option<&'static str>,
        failure: Failure,
    ) -> Answer<S, B, RB> {
        let report = Report { detail, ..report };
        match returned.await {
            Ok(Back::Response(response)) => {
                let mut passing = Passing {
                    shared: Arc::clone(&self.shared),
                    report,
                    doubt: None,
                };
                let response = if self.client.head {
                    headless(response)
                } else {
                    Whole::Inner(response)
                };
                Ok(match response {
                    Whole::Inner(response) => passing.finish(response),
                    Whole::Headless(response) => {
                        let mut response = response;
                        self.shared.engine.counters.outcome(Outcome::Passed);
                        self.shared.sign(response.headers_mut(), &report);
                        response
                    }
                })
            }
            Ok(Back::Confirmed(head, body)) => {
                let now = self.shared.engine.now();
                let record = unstored(head, body, now);
                self.shared.engine.counters.outcome(Outcome::Passed);
                let report = Report {
                    fwd_status: Some(304),
                    ..report
                };
                Ok(self
                    .shared
                    .respond(self.asked(), &record, BodyOf::Record, now, &report))
            }
            Ok(Back::Error(error)) => {
                self.shared.engine.counters.outcome(Outcome::Failed);
                Err(error)
            }
            Ok(Back::Unspent(service, request)) => {
                self.own = Some((service, request));
                if failure == Failure::ABANDONED {
                    return self.pass(report.detail.unwrap_or("uncacheable")).await;
                }
                Ok(self.shared.fail(failure, report))
            }
            Err(_) => Ok(self.shared.fail(failure, report)),
        }
    }

    /// Straight to the origin, for this client alone.
    async fn pass(&mut self, detail: &'static str) -> Answer<S, B, RB> {
        let Some((service, request)) = self.own.take() else {
            return Ok(self.shared.fail(Failure::SPENT, miss(Fwd::Miss)));
        };
        let mut passing = Passing::new(&self.shared, Fwd::Miss, detail);
        let response = service.oneshot(request).await?;
        Ok(passing.finish(response))
    }
}

fn miss(fwd: Fwd) -> Report {
    Report {
        fwd: Some(fwd),
        ..Report::default()
    }
}

/// Why a request goes forward (RFC 9211 §2.2).
fn forward_reason(sighted: &Sighted) -> Fwd {
    match &sighted.known {
        Some(Known::Record(_)) => Fwd::Stale,
        _ if sighted.variant.is_some() => Fwd::VaryMiss,
        _ => Fwd::Miss,
    }
}

/// True for what is stored only to be validated each time (`no-cache`, `max-age=0`): its answers
/// are for one request each, so nobody gains by waiting for another's.
fn always_validated(sighted: &Sighted) -> bool {
    match &sighted.known {
        Some(Known::Record(record)) => record.lifetime.stale_left().is_zero(),
        _ => false,
    }
}

enum Whole<RB> {
    Inner(Response<RB>),
    Headless(Response<ResponseBody<RB>>),
}

/// A GET's response as that of a HEAD. Its body, unread, goes with the connection.
fn headless<RB: Body>(response: Response<RB>) -> Whole<RB> {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| ResponseBody::empty());
    if let Some(length) = length {
        response
            .headers_mut()
            .entry(http::header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    Whole::Headless(response)
}

/// A confirmed response that may not be stored any more, for the one client that it is for.
fn unstored(head: crate::entry::Head, body: Bytes, now: Moment) -> Record {
    let lifetime = crate::entry::Lifetime::default();
    Record {
        key: Box::default(),
        head,
        body,
        lifetime,
        windows: Windows::from_receipt(now, &lifetime),
        early: None,
        cost: Duration::ZERO,
        rule: None,
        stamp: Stamp::new(None, None, now, 0),
        retry: Default::default(),
    }
}
