//! The answer to a client that wants nothing fetched (RFC 9111 §5.2.1.7).

use std::sync::Arc;

use http::Response;

use crate::config::Shared;
use crate::engine::Failure;
use crate::engine::origin::Select;
use crate::engine::plan::Step;
use crate::event::Outcome;
use crate::local::Known;
use crate::middleware::ResponseBody;
use crate::middleware::client::Client;
use crate::middleware::demand::demand;
use crate::middleware::flock::Sighted;
use crate::middleware::respond::{Asked, BodyOf, hit_report};
use crate::semantics::status::Report;

impl Shared {
    /// What the fleet holds, or 504. `sighted`: nothing here will do.
    pub(crate) async fn consult<B>(
        &self,
        client: &Client,
        sighted: Sighted,
    ) -> Response<ResponseBody<B>> {
        let engine = &self.engine;
        let mut known = match &sighted.variant {
            Some(variant) => engine.consult(variant, sighted.rule.clone()).await,
            None => engine.consult(&client.primary, None).await,
        };
        if let (Some(Known::Rule(rule)), None) = (&known, &sighted.variant) {
            let variant = client.variant(rule.generation, &rule.fields);
            let rule = Arc::clone(rule);
            known = engine.consult(&variant, Some(rule)).await;
        }
        let now = engine.now();
        let step = engine.plan(known.as_ref(), now, client.seen.authorization(), true);
        let step = match demand(&client.scope, &client.headers) {
            Some(demand) => self.heed(&client.scope, step, &demand, known.as_ref(), now),
            None => step,
        };
        let (Step::Serve, Some(Known::Record(record))) = (step, &known) else {
            let failure = Failure {
                status: 504,
                detail: "only-if-cached",
            };
            return self.fail(failure, Report::default());
        };
        let outcome = if now < record.windows.fresh_until {
            Outcome::SharedHit
        } else {
            Outcome::Stale
        };
        engine.counters.outcome(outcome);
        let asked = Asked {
            headers: &client.headers,
            seen: client.seen,
            head: client.head,
        };
        let report = hit_report(record, now, outcome);
        self.respond(asked, record, BodyOf::Record, now, &report)
    }
}
