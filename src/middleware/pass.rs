//! Requests that go straight to the inner service, and what is learned on the way.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use crate::config::{Scope, Shared};
use crate::event::{Incident, Outcome};
use crate::key::EntryId;
use crate::local::Verdict;
use crate::middleware::body::ResponseBody;
use crate::semantics::invalidate;
use crate::semantics::status::{Fwd, Report};
use crate::semantics::storable::{self, RequestTraits};
use crate::shared::{BoxFuture, PurgeKind};

/// What is to be done with the response of a request that passes.
pub(crate) struct Passing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) report: Report,
    /// It passes because of this verdict: see whether that still holds.
    pub(crate) doubt: Option<Doubt>,
}

/// A verdict under review.
pub(crate) struct Doubt {
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) traits: RequestTraits,
    pub(crate) scope: Arc<Scope>,
    pub(crate) sent: SystemTime,
}

impl Passing {
    pub(crate) fn new(shared: &Arc<Shared>, fwd: Fwd, detail: &'static str) -> Self {
        let report = Report {
            fwd: Some(fwd),
            detail: Some(detail),
            ..Report::default()
        };
        Self {
            shared: Arc::clone(shared),
            report,
            doubt: None,
        }
    }

    pub(crate) fn finish<B: Body>(&mut self, response: Response<B>) -> Response<ResponseBody<B>> {
        let shared = &self.shared;
        if let Some(doubt) = self.doubt.take() {
            let received = shared.engine.clock.wall();
            let (status, headers) = (response.status(), response.headers());
            let judged = storable::judge(
                &doubt.traits,
                status,
                headers,
                &doubt.scope.policy,
                doubt.sent,
                received,
            );
            // These are about the conditions of one request, as 206 and 304 are.
            let own = [
                StatusCode::PRECONDITION_FAILED,
                StatusCode::RANGE_NOT_SATISFIABLE,
            ];
            let fits = shared.proves(&response, doubt.verdict.overruled_by);
            if judged.is_ok() && !own.contains(&status) && fits {
                // Hit-for-miss, not hit-for-pass: what has become storable is led again at once.
                doubt.verdict.overrule();
            }
        }
        shared.engine.counters.outcome(Outcome::Passed);
        let mut response = response.map(ResponseBody::inner);
        shared.sign(response.headers_mut(), &self.report);
        response
    }
}

impl Passing {
    /// Sends an unsafe request, and invalidates what it changed if it succeeds (RFC 9111 §4.4).
    ///
    /// The client is answered once that is done, so that what it asks for next is new; the shared
    /// tier gets its usual deadline.
    pub(crate) fn invalidating<S, B, RB>(
        mut self,
        inner: S,
        request: Request<B>,
        named: Vec<(String, String)>,
    ) -> BoxFuture<'static, Result<Response<ResponseBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>> + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: Send + 'static,
        RB: Body + Send + 'static,
    {
        Box::pin(async move {
            // Should the client leave now: the origin may have done it all the same.
            let unsure = Unsure {
                shared: Arc::clone(&self.shared),
                targets: named
                    .iter()
                    .map(|(host, path)| self.shared.rules.key(host, path).id())
                    .collect(),
            };
            let response = inner.oneshot(request).await?;
            let (status, headers) = (response.status(), response.headers());
            let targets: Vec<_> = named
                .iter()
                .flat_map(|(host, path)| invalidate::targets(host, path, status, headers))
                .collect();
            unsure.settled();
            // Each in a task of its own: all within one deadline, and none ends with the client.
            let purges: Vec<_> = targets
                .iter()
                .take(MOST_TARGETS)
                .map(|(host, path)| {
                    let key = self.shared.rules.key(host, path);
                    self.shared.purge_behind(key.id())
                })
                .collect();
            for purge in purges {
                let _ = purge.await;
            }
            Ok(self.finish(response))
        })
    }
}

/// The target itself, and what `Location` and `Content-Location` may reasonably name.
const MOST_TARGETS: usize = 8;

impl Shared {
    fn purge_behind(self: &Arc<Self>, id: EntryId) -> tokio::task::JoinHandle<()> {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = shared.engine.purge(id, PurgeKind::Hard).await {
                let counters = &shared.engine.counters;
                counters.incident(Incident::SharedUnavailable, &error);
            }
        })
    }
}

/// An unsafe request under way, of which nobody may ever learn how it ended.
struct Unsure {
    shared: Arc<Shared>,
    targets: Vec<EntryId>,
}

impl Unsure {
    fn settled(mut self) {
        self.targets.clear();
    }
}

impl Drop for Unsure {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        for target in self.targets.drain(..) {
            // It goes on by itself.
            drop(self.shared.purge_behind(target));
        }
    }
}
