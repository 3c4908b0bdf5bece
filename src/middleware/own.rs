//! A request's own answer: the one that its own trip to the origin brought, shared with nobody.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use crate::clock::Moment;
use crate::engine::Failure;
use crate::entry::{Record, Stamp, StoredBody, Windows};
use crate::event::Outcome;
use crate::local::Known;
use crate::middleware::body::ResponseBody;
use crate::middleware::flock::{Answer, Flock, Returned, miss};
use crate::middleware::origin::{self, Back};
use crate::middleware::partial;
use crate::middleware::pass::Passing;
use crate::middleware::respond::BodyOf;
use crate::semantics::status::{Fwd, Report};

impl<S, B, RB> Flock<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// The answer that this client's own request got.
    pub(crate) async fn own_answer(
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
                    Whole::Inner(response) => {
                        let furthest = self.shared.engine.tuning.max_body;
                        match partial::of_own(self.asked(), &response, furthest) {
                            Some(span) => {
                                passing.report.fwd_status = Some(response.status().as_u16());
                                partial::cut(passing.finish(response), &span)
                            }
                            None => passing.finish(response),
                        }
                    }
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
            Ok(Back::Withheld(_)) | Err(_) => Ok(self.shared.fail(failure, report)),
        }
    }

    /// The same, but if the origin fails, what is held is served as far as it may.
    pub(crate) async fn pass_or_serve(
        &mut self,
        detail: &'static str,
        held: Option<Known>,
    ) -> Answer<S, B, RB> {
        let answer = self.pass(detail).await;
        let failing = match &answer {
            Err(_) => Some(true),
            Ok(response) => origin::is_failing(response.status()).then_some(false),
        };
        let now = self.shared.engine.now();
        match (failing, held) {
            (Some(unreachable), Some(Known::Record(record)))
                if record.windows.usable_on_error(now, unreachable)
                    && !self.shared.engine.suspects(&record.stamp, now) =>
            {
                Ok(self.serve(&record, now, Outcome::StaleOnError))
            }
            _ => answer,
        }
    }

    /// Straight to the origin, for this client alone.
    pub(crate) async fn pass(&mut self, detail: &'static str) -> Answer<S, B, RB> {
        let Some((service, request)) = self.own.take() else {
            return Ok(self.shared.fail(Failure::SPENT, miss(Fwd::Miss)));
        };
        let mut passing = Passing::new(&self.shared, Fwd::Miss, detail);
        let response = service.oneshot(request).await?;
        Ok(passing.finish(response))
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
    if let Some(length) = length
        && response.status() != http::StatusCode::NO_CONTENT
    {
        response
            .headers_mut()
            .entry(http::header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    Whole::Headless(response)
}

/// A confirmed response that may not be stored any more, for the one client that it is for.
fn unstored(head: crate::entry::Head, body: StoredBody, now: Moment) -> Record {
    let lifetime = crate::entry::Lifetime::default();
    Record {
        key: Box::default(),
        head: head.into(),
        body,
        windows: Windows::from_receipt(now, &lifetime),
        early: None,
        cost: Duration::ZERO,
        rule: None,
        stamp: Stamp::new(None, None, now, 0),
        retry: Default::default(),
    }
}
