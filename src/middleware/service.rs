//! The service.

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::clock::Moment;
use crate::config::{Cache, Scope, Shared};
use crate::engine::Task;
use crate::engine::plan::Step;
use crate::entry::VaryRule;
use crate::event::Outcome;
use crate::key::Key;
use crate::local::Known;
use crate::middleware::client::{rewrite, target, targets};
use crate::middleware::demand::demand;
use crate::middleware::flock::{Flock, Sighted};
use crate::middleware::pass::{Doubt, Passing};
use crate::middleware::respond::{Asked, BodyOf, hit_report};
use crate::middleware::{ResponseBody, ResponseFuture};
use crate::semantics::request::{self, Bypass, Class};
use crate::semantics::seen::Seen;
use crate::semantics::status::{Fwd, Report};
use crate::semantics::storable::RequestTraits;
use crate::semantics::vary;

/// A service behind a [`Cache`]. See the [module](crate::middleware) for what it does.
#[derive(Debug, Clone)]
pub struct CacheService<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> CacheService<S> {
    pub(crate) fn new(cache: Cache, inner: S) -> Self {
        Self {
            shared: cache.shared,
            inner,
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, RB> Service<Request<B>> for CacheService<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<ResponseBody<RB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, RB>;

    /// Always ready: a hit needs no origin. What does, readies a clone of its own.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        let scope = self.shared.scope_of(&request);
        let seen = Seen::of(request.headers());
        match request::classify(request.method(), request.headers(), seen, has_body) {
            Class::Lookup if scope.requests.is_idle() => self.look_up(request, seen, scope),
            Class::Lookup => match scope.requests.bypass(request.headers()) {
                Some(why) => self.pass(request, Fwd::Bypass, why),
                None => {
                    // From here on, the origin is asked as the key is made.
                    rewrite(&mut request, scope);
                    self.look_up(request, seen, scope)
                }
            },
            Class::Bypass(why) => {
                let fwd = if why == Bypass::Method {
                    Fwd::Method
                } else {
                    Fwd::Bypass
                };
                self.pass(request, fwd, why.as_str())
            }
            Class::Invalidate if scope.requests.invalidate_nothing => {
                self.pass(request, Fwd::Method, "method")
            }
            Class::Invalidate => {
                let targets = targets(&request);
                let passing = Passing::new(&self.shared, Fwd::Method, "method");
                ResponseFuture::flock(passing.invalidating(self.inner.clone(), request, targets))
            }
        }
    }
}

impl<S> CacheService<S> {
    fn look_up<B, RB>(
        &self,
        request: Request<B>,
        seen: Seen,
        scope: &Arc<Scope>,
    ) -> ResponseFuture<S, B, RB>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: Body + Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Some((host, path)) = target(&request) else {
            return self.pass(request, Fwd::Bypass, "ambiguous-host");
        };
        let now = self.shared.engine.now();
        let (known, key) = self.shared.engine.local.look(host, path);
        let fields = (request.headers(), seen);
        let sighted = self.shared.sight(scope, known, fields, now);
        match (sighted.step, &sighted.known) {
            (Step::Serve, Some(Known::Record(record))) => {
                let outcome = if now < record.windows.fresh_until {
                    Outcome::Hit
                } else {
                    Outcome::Stale
                };
                let response = self.shared.serve(&request, seen, record, now, outcome);
                return ResponseFuture::hit(response);
            }
            (Step::ServeOnError, Some(Known::Record(record))) => {
                let response =
                    self.shared
                        .serve(&request, seen, record, now, Outcome::StaleOnError);
                return ResponseFuture::hit(response);
            }
            (Step::ServeAndRefresh(_), Some(Known::Record(record))) => {
                let outcome = if now < record.windows.fresh_until {
                    Outcome::Hit
                } else {
                    Outcome::Stale
                };
                let response = self.shared.serve(&request, seen, record, now, outcome);
                let primary = key.unwrap_or_else(|| Key::of(host, path));
                Flock::new(&self.shared, scope, self.inner.clone(), request, primary)
                    .refresh_behind(sighted);
                return ResponseFuture::hit(response);
            }
            (Step::Pass, Some(Known::Verdict(verdict))) => {
                let verdict = verdict.clone();
                let mut passing = Passing::new(&self.shared, Fwd::Miss, "uncacheable");
                let traits = RequestTraits {
                    authorization: seen.authorization(),
                    method_get: *request.method() == Method::GET,
                };
                let sent = self.shared.engine.clock.wall();
                passing.doubt = Some(Doubt {
                    verdict,
                    traits,
                    scope: Arc::clone(scope),
                    sent,
                });
                return ResponseFuture::pass(self.inner.clone(), request, passing);
            }
            // What has such bytes could not be stored: no need to fetch all that is before them.
            (Step::Join(_), None) if self.shared.is_beyond_bodies(&request) => {
                return self.pass(request, Fwd::Miss, "range-beyond");
            }
            _ => {}
        }
        let primary = key.unwrap_or_else(|| Key::of(host, path));
        let flock = Flock::new(&self.shared, scope, self.inner.clone(), request, primary);
        ResponseFuture::flock(Box::pin(flock.run(sighted)))
    }

    fn pass<B, RB>(
        &self,
        request: Request<B>,
        fwd: Fwd,
        detail: &'static str,
    ) -> ResponseFuture<S, B, RB>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone,
    {
        let passing = Passing::new(&self.shared, fwd, detail);
        ResponseFuture::pass(self.inner.clone(), request, passing)
    }
}

impl Shared {
    /// What is known of what is asked for, and what to do. `known` is what is held under its URL.
    pub(crate) fn sight(
        &self,
        scope: &Scope,
        known: Option<Known>,
        (headers, seen): (&HeaderMap, Seen),
        now: Moment,
    ) -> Sighted {
        let engine = &self.engine;
        let authorized = seen.authorization();
        let only_if_cached = request::only_if_cached(headers, seen);
        let Some(Known::Rule(rule)) = known else {
            let step = engine.plan(known.as_ref(), now, authorized, only_if_cached);
            let step = self.heeding(scope, step, headers, known.as_ref(), now);
            return Sighted {
                variant: None,
                rule: None,
                known,
                step,
            };
        };
        if engine.suspects_rule(&rule, now) {
            let step = if only_if_cached {
                Step::Unavailable
            } else {
                Step::Join(Task::Check)
            };
            return Sighted {
                variant: None,
                rule: None,
                known: Some(Known::Rule(rule)),
                step,
            };
        }
        self.sight_by(scope, rule, (headers, seen), now)
    }

    /// The same, with the rule given: it has just been looked up, and need not be held locally.
    pub(crate) fn sight_by(
        &self,
        scope: &Scope,
        rule: Arc<VaryRule>,
        (headers, seen): (&HeaderMap, Seen),
        now: Moment,
    ) -> Sighted {
        let authorized = seen.authorization();
        let only_if_cached = request::only_if_cached(headers, seen);
        let values = vary::selecting(&rule.fields, headers);
        let variant = Key::variant_text(&rule.key, rule.generation, values);
        let (variant, known) = self.engine.variant(variant, &rule);
        let step = self
            .engine
            .plan(known.as_ref(), now, authorized, only_if_cached);
        let step = self.heeding(scope, step, headers, known.as_ref(), now);
        Sighted {
            variant: Some(variant),
            rule: Some(rule),
            known,
            step,
        }
    }

    fn heeding(
        &self,
        scope: &Scope,
        step: Step,
        headers: &HeaderMap,
        known: Option<&Known>,
        now: Moment,
    ) -> Step {
        match demand(scope, headers) {
            None => step,
            Some(demand) => self.heed(scope, step, &demand, known, now),
        }
    }

    /// True if what is known could be served, but events were missed since it was checked.
    pub(crate) fn is_doubted(&self, sighted: &Sighted, now: Moment) -> bool {
        match &sighted.known {
            Some(Known::Record(record)) => self.engine.suspects(&record.stamp, now),
            _ => false,
        }
    }

    /// Answers from what is stored.
    fn serve<B, RB>(
        &self,
        request: &Request<B>,
        seen: Seen,
        record: &crate::entry::Record,
        now: Moment,
        outcome: Outcome,
    ) -> Response<ResponseBody<RB>> {
        self.engine.counters.outcome(outcome);
        let asked = Asked {
            headers: request.headers(),
            seen,
            head: *request.method() == Method::HEAD,
        };
        let report: Report = hit_report(record, now, outcome);
        self.respond(asked, record, BodyOf::Record, now, &report)
    }
}
