//! Copies a body from the origin to those who wait for it, and into the stores.

use std::pin::Pin;
use std::sync::Arc;

use crate::engine::copy::{Copied, Copying};
use crate::engine::drive::Drive;
use crate::engine::landing::{By, Landing};
use crate::engine::origin::{Draft, Source};
use crate::engine::refresh::{Keep, Refresh};
use crate::engine::store::Place;
use crate::entry::{Record, StoredBody};
use crate::event::Incident;
use crate::flight::{Log, Writer};
use crate::local::Known;
use crate::lock::Lease;
use crate::semantics::fields;

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
            StoredBody::empty(),
            place.rule.clone(),
            place.key.text(),
        );
        let record = Arc::new(record);
        let (mut writer, log) = Log::new(engine.tuning.max_body, length);
        let stored = self.keep != Keep::Nothing;
        if place.new_rule && stored {
            // Whoever learns the rule looks for its variant at once, so this flight goes by that
            // name before the rule is known.
            self.drive.lead.also_under(place.key.id());
            if let Some(rule) = place.rule.clone() {
                let primary = self.drive.job.primary.id();
                self.drive
                    .lead
                    .store(|| engine.local.insert(primary, Known::Rule(rule)));
            }
        }
        if let (Some(berth), Some(reader)) = (&self.drive.job.berth, log.reader()) {
            berth.keep(reader);
        }
        let by = By::Origin(status);
        self.drive.lead.announce(Landing::Filling {
            record: Arc::clone(&record),
            log,
            length,
            by,
            stored,
            lease: self.lease.as_ref().map(Lease::watch),
        });
        match self.copy(&writer, body, length, stored).await {
            Copied::Whole(trailers) => {
                let whole = writer.collect();
                writer.finish(trailers);
                // Too large, it is nothing: the marks are set already.
                if let Some(body) = whole {
                    self.store_whole(place, &record, body).await;
                }
            }
            Copied::Broken => {
                // First: whoever comes now leads anew, and is given nothing of this.
                self.drive.lead.withdraw();
                drop(writer);
                engine
                    .counters
                    .incident(Incident::BodyBroken, &self.drive.job.key.id());
                self.drop_new_rule(&place);
                self.broken().await;
            }
            Copied::Deserted => {
                engine
                    .counters
                    .incident(Incident::Deserted, &self.drive.job.key.id());
                self.drop_new_rule(&place);
            }
        }
    }

    async fn copy(
        &mut self,
        writer: &Writer,
        body: Pin<Box<dyn Source>>,
        length: Option<u64>,
        stored: bool,
    ) -> Copied {
        let Drive {
            engine, lead, job, ..
        } = &mut self.drive;
        let lease = self.lease.as_ref();
        let copying = Copying::new(engine, lead, &job.key, lease, writer, length).run(body, stored);
        match lease {
            Some(lease) => lease.hold(copying).await,
            None => copying.await,
        }
    }

    async fn store_whole(self, place: Place, record: &Record, body: StoredBody) {
        let cost = self.drive.now().since(self.started);
        let beta = self.drive.engine.tuning.early_beta;
        let early = super::publish::early(
            &record.windows,
            record.windows.lifetime().stale_while_revalidate,
            cost,
            beta,
        );
        let mut head = record.head.head();
        fields::without_trailers(&mut head.headers);
        let whole = Arc::new(Record {
            head: head.into(),
            body,
            cost,
            early,
            ..super::publish::copy(record)
        });
        self.store(place, &whole, false).await;
    }
}
