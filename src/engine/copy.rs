//! Copies a body from the origin into the log that everyone reads.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Instant, sleep_until, timeout};

use crate::engine::origin::Source;
use crate::engine::{Engine, Landing};
use crate::event::Incident;
use crate::flight::{Item, Lead, Writer};
use crate::key::Key;
use crate::local::{Known, Verdict};
use crate::lock::Lease;
use crate::shared::BlockKind;

/// Time for those who wait to come and read, before the start of a body that is too large to be
/// stored may be forgotten.
const COMING: Duration = Duration::from_millis(50);

/// How the copying of a body ended.
pub(crate) enum Copied {
    Whole(Option<HeaderMap>),
    /// The origin broke off, was silent for too long, or sent another length than it announced.
    Broken,
    /// Too large to be stored, and nobody reads it any more.
    Deserted,
}

/// One body under way.
pub(crate) struct Copying<'a> {
    engine: &'a Arc<Engine>,
    lead: &'a mut Lead<Landing>,
    key: &'a Key,
    lease: Option<&'a Lease>,
    writer: &'a Writer,
    /// Bytes that were announced.
    length: Option<u64>,
    began: Instant,
    copied: u64,
    outgrown: bool,
    withdrawn: bool,
}

impl<'a> Copying<'a> {
    pub(crate) fn new(
        engine: &'a Arc<Engine>,
        lead: &'a mut Lead<Landing>,
        key: &'a Key,
        lease: Option<&'a Lease>,
        writer: &'a Writer,
        length: Option<u64>,
    ) -> Self {
        let began = Instant::now();
        Self {
            engine,
            lead,
            key,
            lease,
            writer,
            length,
            began,
            copied: 0,
            outgrown: false,
            withdrawn: false,
        }
    }

    /// Copies to the end.
    pub(crate) async fn run(mut self, mut body: Pin<Box<dyn Source>>) -> Copied {
        let idle = self.engine.tuning.fetch_timeout;
        loop {
            let next = poll_fn(|cx| body.as_mut().poll_next(cx));
            let Ok(next) = timeout(idle, next).await else {
                return Copied::Broken;
            };
            match next {
                Some(Ok(Item::Data(chunk))) => {
                    if let Some(end) = self.take(chunk).await {
                        return end;
                    }
                }
                Some(Ok(Item::Trailers(trailers))) => return self.end(Some(trailers)),
                Some(Err(_)) => return Copied::Broken,
                None => return self.end(None),
            }
        }
    }

    fn end(&self, trailers: Option<HeaderMap>) -> Copied {
        match self.length {
            Some(length) if self.copied != length => Copied::Broken,
            _ => Copied::Whole(trailers),
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Option<Copied> {
        self.copied += chunk.len() as u64;
        if self.length.is_some_and(|length| self.copied > length) {
            return Some(Copied::Broken);
        }
        self.writer.push(chunk);
        if self.writer.is_over() && !self.outgrown {
            self.outgrow().await;
        }
        if self.outgrown {
            return self.pace().await;
        }
        self.withdraw_if_late();
        None
    }

    /// Too large: nobody can join any more, and whoever comes now goes alone, on every node.
    async fn outgrow(&mut self) {
        self.outgrown = true;
        let (engine, key) = (self.engine, self.key);
        engine.counters.incident(Incident::BodyTooLarge, &key.id());
        self.lead.withdraw();
        let until = engine.now().plus(engine.tuning.uncacheable_local);
        let verdict = Known::Verdict(Arc::new(Verdict::new(key, until, false)));
        self.lead.store(|| engine.local.insert(key.id(), verdict));
        if let Some(lease) = self.lease {
            lease.give_up((BlockKind::Uncacheable, engine.tuning.uncacheable_shared));
        }
        // Those who were told of it may not have come yet.
        sleep_until(self.began + COMING).await;
        self.writer.seal();
    }

    /// The slowest reader sets the pace; one that stands still is left behind.
    async fn pace(&self) -> Option<Copied> {
        let patience = self.engine.tuning.fetch_timeout;
        while timeout(patience, self.writer.room()).await.is_err() {
            self.writer.leave_slowest_behind();
        }
        (!self.writer.has_readers()).then_some(Copied::Deserted)
    }

    /// Whoever comes from now on starts anew: behind a pause that outlived the lease there may be
    /// a newer response by now, and behind an origin that drips there is nothing to wait for.
    fn withdraw_if_late(&mut self) {
        let late = self.began.elapsed() > self.engine.tuning.fetch_timeout;
        if !self.withdrawn && (late || self.lease.is_some_and(Lease::has_lapsed)) {
            self.withdrawn = true;
            self.lead.withdraw();
        }
    }
}
