//! Copies a body from the origin to those who wait for it, and into the stores.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::engine::landing::Landing;
use crate::engine::origin::{Draft, Source};
use crate::engine::refresh::{Keep, Refresh};
use crate::engine::store::Place;
use crate::entry::Record;
use crate::event::Incident;
use crate::flight::{Item, Log, Writer};
use crate::local::Known;
use crate::lock::Lease;
use crate::shared::BlockKind;

/// How the copying of a body ended.
enum Copied {
    Whole(Option<HeaderMap>),
    /// The origin broke off, was silent for too long, or sent another length than it announced.
    Broken,
    /// Too large to be stored, and nobody reads it any more.
    Deserted,
}

impl Refresh {
    /// Storable: everyone who waits reads along while it is copied; then it is stored.
    pub(crate) async fn fill(mut self, draft: Draft) {
        let engine = Arc::clone(&self.drive.engine);
        let Draft {
            head,
            lifetime,
            vary,
            length,
            body,
        } = draft;
        let place = self.place(&vary);
        let status = head.status.as_u16();
        let record = self.record(
            head,
            lifetime,
            Bytes::new(),
            place.rule.clone(),
            place.key.text(),
        );
        let record = Arc::new(record);
        let (mut writer, log) = Log::new(engine.tuning.max_body);
        if place.new_rule && self.keep != Keep::Nothing {
            // From here on whoever asks for this URL knows what to ask for, and joins this flight
            // if it is for the same variant.
            if let Some(rule) = place.rule.clone() {
                let primary = self.drive.job.primary.id();
                self.drive
                    .lead
                    .store(|| engine.local.insert(primary, Known::Rule(rule)));
            }
            self.drive.lead.also_under(place.key.id());
        }
        let by = self.by(status);
        self.drive.lead.announce(Landing::Filling {
            record: Arc::clone(&record),
            log,
            length,
            by,
        });
        match self.copy(&mut writer, body, length).await {
            Copied::Whole(trailers) => {
                let whole = writer.assemble();
                writer.finish(trailers);
                match whole {
                    Some(body) => self.store_whole(place, &record, body).await,
                    None => self.give_up().await,
                }
            }
            Copied::Broken => {
                drop(writer);
                engine
                    .counters
                    .incident(Incident::BodyBroken, &self.drive.job.key.id());
                self.drop_new_rule(&place);
                if let Some(lease) = self.lease.take() {
                    lease.release(None).await;
                }
            }
            Copied::Deserted => self.give_up().await,
        }
    }

    async fn copy(
        &mut self,
        writer: &mut Writer,
        mut body: Pin<Box<dyn Source>>,
        length: Option<u64>,
    ) -> Copied {
        let idle = self.drive.engine.tuning.fetch_timeout;
        let lead = &mut self.drive.lead;
        let lapsed = || self.lease.as_ref().is_some_and(Lease::has_lapsed);
        let copying = copy(writer, &mut body, length, idle, lapsed, || lead.withdraw());
        match &self.lease {
            Some(lease) => lease.hold(copying).await,
            None => copying.await,
        }
    }

    async fn store_whole(self, place: Place, record: &Record, body: Bytes) {
        let cost = self.drive.now().since(self.started);
        let beta = self.drive.engine.tuning.early_beta;
        let early = super::publish::early(
            &record.windows,
            record.lifetime.stale_while_revalidate,
            cost,
            beta,
        );
        let whole = Arc::new(Record {
            body,
            cost,
            early,
            ..super::publish::copy(record)
        });
        self.store(place, &whole, false).await;
    }

    /// It outgrew `max_body_size`: nothing is stored, and the next ones go alone.
    async fn give_up(mut self) {
        let engine = Arc::clone(&self.drive.engine);
        engine
            .counters
            .incident(Incident::BodyTooLarge, &self.drive.job.key.id());
        self.drive
            .judge_uncacheable(engine.tuning.uncacheable_local, false);
        if let Some(lease) = self.lease.take() {
            lease
                .release(Some((
                    BlockKind::Uncacheable,
                    engine.tuning.uncacheable_shared,
                )))
                .await;
        }
    }
}

async fn copy(
    writer: &mut Writer,
    body: &mut Pin<Box<dyn Source>>,
    length: Option<u64>,
    idle: Duration,
    lapsed: impl Fn() -> bool,
    mut close: impl FnMut(),
) -> Copied {
    let (mut copied, mut over, mut closed) = (0_u64, false, false);
    loop {
        let next = poll_fn(|cx| body.as_mut().poll_next(cx));
        let Ok(next) = tokio::time::timeout(idle, next).await else {
            return Copied::Broken;
        };
        if !closed && lapsed() {
            closed = true;
            // Another may have refreshed while this process stood still: who comes now is not to
            // get the rest of this.
            close();
        }
        match next {
            Some(Ok(Item::Data(chunk))) => {
                copied += chunk.len() as u64;
                if length.is_some_and(|length| copied > length) {
                    return Copied::Broken;
                }
                writer.push(chunk).await;
                if !over && writer.is_over() {
                    over = true;
                    // Its start is forgotten: nobody can join any more.
                    close();
                }
                if over && !writer.has_readers() {
                    return Copied::Deserted;
                }
            }
            Some(Ok(Item::Trailers(trailers))) => return Copied::Whole(Some(trailers)),
            Some(Err(_)) => return Copied::Broken,
            None if length.is_some_and(|length| copied != length) => return Copied::Broken,
            None => return Copied::Whole(None),
        }
    }
}
