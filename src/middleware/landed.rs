//! What a flight's result is to one client.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::engine::origin::Select;
use crate::engine::{By, Landing};
use crate::entry::{Phase, Record, VaryRule};
use crate::event::Outcome;
use crate::flight::Claim;
use crate::key::Key;
use crate::middleware::body::ResponseBody;
use crate::middleware::flock::{Flock, Returned};
use crate::middleware::origin::Back;
use crate::middleware::respond::{BodyOf, forwarded_status, hit_report};
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
    /// The answer out of a flight's result, if it is this client's: another variant, or one that
    /// may not be shared, is not.
    pub(crate) fn land(
        &self,
        landing: &Landing,
        key: &Key,
        fwd: Fwd,
        own: Option<&mut (Returned<S, B, RB>, Claim)>,
    ) -> Option<Response<ResponseBody<RB>>> {
        let now = self.shared.engine.now();
        let (record, body, by) = match landing {
            Landing::Ready { record, by } => (record, BodyOf::Record, *by),
            Landing::Filling {
                record,
                log,
                length,
                by,
                ..
            } => {
                let kept = own.as_ref().and_then(|(_, claim)| claim.take());
                let reader = kept.or_else(|| log.reader())?;
                (record, BodyOf::Log(reader, *length), *by)
            }
            _ => return None,
        };
        if !self.is_mine(record, key) {
            return None;
        }
        let phase = record.windows.phase(now);
        let usable = matches!(phase, Phase::Fresh | Phase::Stale);
        let outcome = match by {
            By::OnError(_) if record.windows.usable_on_error(now, true) => Outcome::StaleOnError,
            By::Local if usable && phase == Phase::Fresh => Outcome::Hit,
            By::Local | By::OnError(_) if usable => Outcome::Stale,
            By::Shared if phase == Phase::Fresh => Outcome::SharedHit,
            By::Remote if usable => Outcome::RemoteFollowed,
            By::Origin(_) if own.is_some() => Outcome::Led,
            By::Origin(_) if usable => Outcome::Followed,
            _ => return None,
        };
        let report = match outcome {
            Outcome::Led | Outcome::Followed | Outcome::RemoteFollowed => Report {
                fwd: Some(fwd),
                fwd_status: forwarded_status(landing),
                ttl: Some(record.windows.ttl_secs(now)),
                stored: outcome == Outcome::Led && will_be_stored(landing),
                collapsed: outcome != Outcome::Led,
                detail: Some(outcome.as_str()),
                ..Report::default()
            },
            // RFC 9211 §2.1: what was forwarded is no hit, whatever came of it.
            _ if matches!(by, By::OnError(Some(_))) => Report {
                hit: false,
                fwd: Some(fwd),
                fwd_status: forwarded_status(landing),
                ..hit_report(record, now, outcome)
            },
            _ => hit_report(record, now, outcome),
        };
        self.shared.engine.counters.outcome(outcome);
        let mut response = self
            .shared
            .respond(self.asked(), record, body, now, &report);
        if let Some((returned, _)) = own
            && let Ok(Back::Withheld(fields)) = returned.try_recv()
        {
            // What `private` or `no-cache` keeps from the others is this client's own.
            for (name, value) in &fields {
                response.headers_mut().append(name, value.clone());
            }
        }
        Some(response)
    }

    /// The rule by which a landing that is for another variant was chosen.
    pub(crate) fn brought(&self, landing: &Landing, key: &Key) -> Option<Arc<VaryRule>> {
        match landing {
            Landing::Ready { record, .. } | Landing::Filling { record, .. } => {
                record.rule.clone().filter(|_| !self.is_mine(record, key))
            }
            _ => None,
        }
    }

    /// True if `record` answers this request: by its key, or by the rule that it brought along.
    fn is_mine(&self, record: &Record, key: &Key) -> bool {
        *record.key == *key.text()
            || record.rule.as_ref().is_some_and(|rule| {
                *record.key == *self.client.variant(rule.generation, &rule.fields).text()
            })
    }

    /// False if waiting for the next flight would only put one client behind the other.
    pub(crate) fn may_wait_again(&self, landing: &Landing) -> bool {
        match landing {
            Landing::Ready {
                record,
                by: By::Origin(_),
            }
            | Landing::Filling { record, .. } => {
                let now = self.shared.engine.now();
                matches!(record.windows.phase(now), Phase::Fresh | Phase::Stale)
            }
            _ => true,
        }
    }
}

fn will_be_stored(landing: &Landing) -> bool {
    !matches!(landing, Landing::Filling { stored: false, .. })
}
