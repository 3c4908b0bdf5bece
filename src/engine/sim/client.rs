//! A request, as the Tower face makes it: what `CacheService::look_up` and `Flock::run` do, without
//! HTTP. Keep in step with `src/middleware/{service,flock}.rs`.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::history::{How, Reply, Serve};
use super::origin::{Back, Caller, fetch_of};
use super::site::Site;
use super::world::Node;
use crate::engine::origin::Select;
use crate::engine::plan::Step;
use crate::engine::{By, Failure, Job, Landing, Task, drive};
use crate::entry::{Phase, Record, VaryRule};
use crate::flight::{Item, Lead, Log, Reader, Seat};
use crate::key::{Key, KeyText};
use crate::local::{Known, Verdict};

const MOST_FLIGHTS: u32 = 6;
const SLACK: Duration = Duration::from_secs(1);

/// One request.
pub(super) struct Client {
    pub(super) node: Arc<Node>,
    pub(super) site: Arc<Site>,
    pub(super) key: usize,
    pub(super) asks: Arc<Asks>,
    /// It has not been sent to the origin yet.
    own: bool,
}

/// What it asks for.
pub(super) struct Asks {
    pub(super) primary: Key,
    pub(super) kind: u8,
}

impl Asks {
    pub(super) fn of(key: usize, kind: u8) -> Arc<Self> {
        let primary = Key::primary("site.test", &format!("/{key}"));
        Arc::new(Self { primary, kind })
    }
}

impl Select for Asks {
    fn variant(&self, generation: u64, fields: &[HeaderName]) -> Key {
        let value = |field: &HeaderName| {
            (field.as_str() == "x-kind").then(|| SmallVec::from_slice(&[b'0' + self.kind]))
        };
        self.primary.variant(
            generation,
            fields.iter().map(|field| (field.as_str(), value(field))),
        )
    }
}

struct Sighted {
    variant: Option<Key>,
    rule: Option<Arc<VaryRule>>,
    known: Option<Known>,
    step: Step,
}

/// How it was answered.
struct Answer {
    how: How,
    record: Option<Arc<Record>>,
    fetch: Option<usize>,
    body: Source,
}

enum Source {
    None,
    Whole,
    Log(Reader),
}

impl Answer {
    fn held(how: How, record: &Arc<Record>) -> Self {
        Self {
            how,
            record: Some(Arc::clone(record)),
            fetch: Some(fetch_of(record)),
            body: Source::Whole,
        }
    }

    fn failed(failure: Failure) -> Self {
        Self {
            how: How::Failed(failure),
            record: None,
            fetch: None,
            body: Source::None,
        }
    }

    fn own(fetch: usize) -> Self {
        Self {
            how: How::Own,
            record: None,
            fetch: Some(fetch),
            body: Source::None,
        }
    }
}

type Returned = oneshot::Receiver<Back>;

impl Client {
    pub(super) fn new(node: &Arc<Node>, site: &Arc<Site>, key: usize, kind: u8) -> Self {
        Self {
            node: Arc::clone(node),
            site: Arc::clone(site),
            key,
            asks: Asks::of(key, kind),
            own: true,
        }
    }

    /// Makes the request, reads the body, and notes what was served.
    pub(super) async fn request(mut self) -> Serve {
        let history = Arc::clone(&self.site.history);
        let asked = history.now();
        history.note(|notes, _| notes.open.push((self.node.index, self.key, asked)));
        let failures = self.node.tier.failures();
        let answer = self.answer().await;
        let answered = history.now();
        let stale = answer
            .record
            .as_ref()
            .is_some_and(|record| record.windows.phase(self.node.engine.now()) != Phase::Fresh);
        let reachable = self.node.tier.failures() == failures;
        let body = match (answer.body, &answer.record) {
            (Source::Whole, Some(record)) => {
                Some(self.is_right(answer.fetch, &record.body.whole()))
            }
            (Source::Log(reader), _) => read(reader)
                .await
                .map(|body| self.is_right(answer.fetch, &body)),
            _ => None,
        };
        let serve = Serve {
            node: self.node.index,
            key: self.key,
            kind: self.asks.kind,
            asked,
            answered,
            how: answer.how,
            fetch: answer.fetch,
            stale,
            reachable,
            body,
        };
        history.note(|notes, _| {
            let this = (self.node.index, self.key, asked);
            let at = notes
                .open
                .iter()
                .position(|open| *open == this)
                .expect("it was noted");
            notes.open.swap_remove(at);
            notes.serves.push(serve.clone());
        });
        serve
    }

    fn is_right(&self, fetch: Option<usize>, body: &[u8]) -> bool {
        let fetch = fetch.expect("what is stored was fetched");
        let version = self
            .site
            .history
            .note(|notes, _| notes.fetches[fetch].version);
        body == self.site.body(self.key, self.asks.kind, version).as_bytes()
    }

    async fn answer(&mut self) -> Answer {
        let sighted = self.sight(false);
        match (sighted.step, &sighted.known) {
            (Step::Serve | Step::ServeOnError, Some(Known::Record(record))) => {
                Answer::held(How::Held, record)
            }
            (Step::ServeAndRefresh(task), Some(Known::Record(record))) => {
                let answer = Answer::held(How::Held, record);
                let key = sighted
                    .variant
                    .clone()
                    .unwrap_or_else(|| self.asks.primary.clone());
                if let Seat::Lead(lead) = self.node.engine.join(&key, &self.asks.primary) {
                    self.depart(lead, key, sighted, task);
                }
                answer
            }
            (Step::Pass, Some(Known::Verdict(verdict))) => {
                let verdict = Arc::clone(verdict);
                self.pass(Some(verdict)).await
            }
            _ => self.run(sighted).await,
        }
    }

    fn sight(&self, trusting: bool) -> Sighted {
        let engine = &self.node.engine;
        let now = engine.now();
        let known = engine.local.get(&self.asks.primary);
        let Some(Known::Rule(rule)) = known else {
            let step = engine.plan(known.as_ref(), now, false, false);
            return Sighted {
                variant: None,
                rule: None,
                known,
                step,
            };
        };
        if !trusting && engine.suspects(&rule.stamp, now) {
            return Sighted {
                variant: None,
                rule: None,
                known: Some(Known::Rule(rule)),
                step: Step::Join(Task::Check),
            };
        }
        let variant = self.asks.variant(rule.generation, &rule.fields);
        let (variant, known) = engine.variant(KeyText::from_slice(variant.text()), &rule);
        let step = engine.plan(known.as_ref(), now, false, false);
        Sighted {
            variant: Some(variant),
            rule: Some(rule),
            known,
            step,
        }
    }

    fn depart(
        &mut self,
        lead: Lead<Landing>,
        key: Key,
        sighted: Sighted,
        task: Task,
    ) -> Option<Returned> {
        if !std::mem::take(&mut self.own) {
            return None;
        }
        let (back, returned) = oneshot::channel();
        let origin = Caller {
            site: Arc::clone(&self.site),
            node: self.node.index,
            key: self.key,
            kind: self.asks.kind,
            back: Some(back),
        };
        let job = Job {
            key,
            primary: self.asks.primary.clone(),
            rule: sighted.rule,
            held: sighted.known,
            task,
            select: Arc::clone(&self.asks) as _,
            budget: self.node.engine.tuning.tier_budget,
            berth: None,
        };
        let node = Arc::clone(&self.node);
        tokio::spawn(async move {
            let flight = drive::drive(Arc::clone(&node.engine), lead, job, Box::new(origin));
            node.life.run(flight).await
        });
        Some(returned)
    }

    async fn run(&mut self, mut sighted: Sighted) -> Answer {
        let tuning = self.node.engine.tuning.clone();
        let deadline = Instant::now() + tuning.lock_wait + tuning.fetch_timeout + SLACK;
        for _ in 0..MOST_FLIGHTS {
            let task = match (sighted.step, &sighted.known) {
                (Step::Join(task), _) => task,
                (
                    Step::Serve | Step::ServeAndRefresh(_) | Step::ServeOnError,
                    Some(Known::Record(record)),
                ) => {
                    return Answer::held(How::Flight, record);
                }
                (Step::Pass, _) => return self.pass(None).await,
                _ => Task::Refresh,
            };
            let key = sighted
                .variant
                .clone()
                .unwrap_or_else(|| self.asks.primary.clone());
            let by = sighted.rule.clone();
            let (mut wait, returned) = match self.node.engine.join(&key, &self.asks.primary) {
                Seat::Follow(wait) => (wait, None),
                Seat::Lead(lead) => {
                    let wait = lead.wait();
                    match self.depart(lead, key.clone(), sighted, task) {
                        Some(returned) => (wait, Some(returned)),
                        None => break,
                    }
                }
            };
            let led = returned.is_some();
            let Ok(landing) = tokio::time::timeout_at(deadline, &mut wait).await else {
                return Answer::failed(Failure::WAIT_TIMEOUT);
            };
            let engine = Arc::clone(&self.node.engine);
            // A rule that a flight brought was asked for just now.
            let mut trusting = true;
            match landing {
                None | Some(Landing::LookAgain { .. }) => self.take_back(returned).await,
                Some(Landing::Refused { .. }) => {
                    return match returned {
                        Some(returned) => self.own_answer(returned, Failure::ABANDONED).await,
                        None => self.pass(None).await,
                    };
                }
                Some(Landing::Failed(failure)) => {
                    return match returned {
                        Some(returned) => self.own_answer(returned, failure).await,
                        None => Answer::failed(failure),
                    };
                }
                Some(landing)
                    if !led
                        && engine
                            .came_too_late_for(&landing, key.id(), by.as_deref())
                            .await =>
                {
                    engine.flights.forget(key.id(), &wait);
                    trusting = false;
                }
                Some(landing) => {
                    if let Some(answer) = self.land(&landing, &key, led) {
                        return answer;
                    }
                    if !self.may_wait_again(&landing) {
                        return self.pass(None).await;
                    }
                    self.take_back(returned).await;
                }
            }
            sighted = self.sight(trusting);
        }
        Answer::failed(if self.own {
            Failure::ABANDONED
        } else {
            Failure::SPENT
        })
    }

    fn land(&self, landing: &Landing, key: &Key, led: bool) -> Option<Answer> {
        let now = self.node.engine.now();
        let (record, log, by) = match landing {
            Landing::Ready { record, by } => (record, None, *by),
            Landing::Filling {
                record, log, by, ..
            } => (record, Some(Log::reader(log)?), *by),
            _ => return None,
        };
        let mine = *record.key == *key.text()
            || record.rule.as_ref().is_some_and(|rule| {
                *record.key == *self.asks.variant(rule.generation, &rule.fields).text()
            });
        let phase = record.windows.phase(now);
        let usable = matches!(phase, Phase::Fresh | Phase::Stale);
        let good = match by {
            By::OnError(_) if record.windows.usable_on_error(now, true) => true,
            By::Local | By::OnError(_) | By::Remote => usable,
            By::Shared => phase == Phase::Fresh,
            By::Origin(_) => led || usable,
        };
        (mine && good).then(|| Answer {
            body: log.map_or(Source::Whole, Source::Log),
            ..Answer::held(How::Flight, record)
        })
    }

    fn may_wait_again(&self, landing: &Landing) -> bool {
        match landing {
            Landing::Ready {
                record,
                by: By::Origin(_),
            }
            | Landing::Filling { record, .. } => {
                let now = self.node.engine.now();
                matches!(record.windows.phase(now), Phase::Fresh | Phase::Stale)
            }
            _ => true,
        }
    }

    async fn take_back(&mut self, returned: Option<Returned>) {
        if let Some(returned) = returned
            && let Ok(Back::Unspent) = returned.await
        {
            self.own = true;
        }
    }

    async fn own_answer(&mut self, returned: Returned, failure: Failure) -> Answer {
        match returned.await {
            Ok(Back::Own(_, Reply::Failed)) => Answer::failed(failure),
            Ok(Back::Own(fetch, _)) => Answer::own(fetch),
            Ok(Back::Unspent) => {
                self.own = true;
                if failure == Failure::ABANDONED {
                    return self.pass(None).await;
                }
                Answer::failed(failure)
            }
            Err(_) => Answer::failed(failure),
        }
    }

    async fn pass(&mut self, doubt: Option<Arc<Verdict>>) -> Answer {
        if !std::mem::take(&mut self.own) {
            return Answer::failed(Failure::SPENT);
        }
        let (fetch, reply) = self
            .site
            .pass(self.node.index, self.key, self.asks.kind)
            .await;
        if let (Some(verdict), Reply::Storable) = (doubt, reply) {
            verdict.overrule();
        }
        match reply {
            Reply::Failed => Answer::failed(Failure::UNREACHABLE),
            _ => Answer::own(fetch),
        }
    }
}

/// The whole of a body; `None` if it breaks off.
async fn read(mut reader: Reader) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match poll_fn(|cx| reader.poll_next(cx)).await {
            Some(Ok(Item::Data(chunk))) => body.extend_from_slice(&chunk),
            Some(Ok(Item::Trailers(_))) => {}
            Some(Err(_)) => return None,
            None => return Some(body),
        }
    }
}
