//! Copies a body from the origin into the log that everyone reads.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep_until, timeout};

use crate::engine::origin::Source;
use crate::engine::{Engine, Landing};
use crate::event::Incident;
use crate::flight::{Broken, GivenUp, Item, Lead, Writer};
use crate::key::Key;
use crate::local::{Known, Proof, Verdict};
use crate::lock::Lease;
use crate::shared::BlockKind;

/// Time for those who wait to come and read, before the start of a body that will not be stored may
/// be forgotten, or it is taken for one that nobody wants.
const COMING: Duration = Duration::from_millis(50);
/// How long the slowest reader of a body that will not be stored may keep the others waiting for
/// its next read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is remembered that there was no room: that passes with the rush.
const NO_ROOM: Duration = Duration::from_secs(1);

/// How the copying of a body ended.
pub(crate) enum Copied {
    Whole(Option<HeaderMap>),
    /// The origin broke off, was silent for too long, or sent another length than it announced.
    Broken,
    /// Nobody reads it any more, and it will not be stored, or not soon.
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
    given_up: bool,
    sealed: bool,
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
        Self {
            engine,
            lead,
            key,
            lease,
            writer,
            length,
            began: Instant::now(),
            copied: 0,
            given_up: false,
            sealed: false,
            withdrawn: false,
        }
    }

    /// Copies to the end. `stored`: it will be kept if it comes whole and fits.
    pub(crate) async fn run(mut self, mut body: Pin<Box<dyn Source>>, stored: bool) -> Copied {
        let idle = self.engine.tuning.fetch_timeout;
        let mut deserted = pin!(deserted(self.writer, stored, idle));
        if stored {
            tokio::select! {
                biased;
                () = self.writer.admit(&self.engine.fills) => {}
                () = &mut deserted => return Copied::Deserted,
            }
        }
        if let Some(why) = self.writer.given_up() {
            self.give_up(why);
        }
        loop {
            let next = poll_fn(|cx| body.as_mut().poll_next(cx));
            let next = tokio::select! {
                biased;
                next = timeout(idle, next) => next.unwrap_or(Some(Err(Broken))),
                () = &mut deserted => return Copied::Deserted,
            };
            match next {
                Some(Ok(Item::Data(chunk))) => {
                    if let Some(end) = self.take(&chunk).await {
                        return end;
                    }
                }
                Some(Ok(Item::Trailers(trailers))) => return self.end(Some(trailers)),
                Some(Err(Broken)) => return Copied::Broken,
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

    async fn take(&mut self, chunk: &[u8]) -> Option<Copied> {
        self.copied += chunk.len() as u64;
        if self.length.is_some_and(|length| self.copied > length) {
            return Some(Copied::Broken);
        }
        self.writer.push(chunk);
        let Some(why) = self.writer.given_up() else {
            self.withdraw_if_late();
            return None;
        };
        if !self.given_up {
            self.give_up(why);
        }
        self.pace().await
    }

    /// It will not be stored: nobody can join any more, and whoever comes now goes alone, on every
    /// node.
    fn give_up(&mut self, why: GivenUp) {
        self.given_up = true;
        let (engine, key) = (self.engine, self.key);
        let (local, shared) = (
            engine.tuning.uncacheable_local,
            engine.tuning.uncacheable_shared,
        );
        let (incident, local, shared, proof) = match why {
            GivenUp::TooLarge => (Incident::BodyTooLarge, local, shared, Proof::Length),
            GivenUp::NoRoom => {
                let (local, shared) = (local.min(NO_ROOM), shared.min(NO_ROOM));
                (Incident::NoRoom, local, shared, Proof::Nothing)
            }
        };
        engine.counters.incident(incident, &key.id());
        self.lead.withdraw();
        let verdict = Verdict::new(key, engine.now().plus(local), false).until_proof(proof);
        let known = Known::Verdict(Arc::new(verdict));
        self.lead.store(|| engine.local.insert(key.id(), known));
        if let Some(lease) = self.lease {
            lease.give_up((BlockKind::Uncacheable, shared));
        }
    }

    /// The slowest reader sets the pace. One that stands still while others wait for it is left
    /// behind; one that is alone holds up nobody but the origin.
    async fn pace(&mut self) -> Option<Copied> {
        if !self.sealed {
            if self.writer.has_room() {
                return None;
            }
            // Those who were told of it may not have come yet.
            sleep_until(self.began + COMING).await;
            self.writer.seal();
            self.sealed = true;
        }
        while timeout(PATIENCE, self.writer.room()).await.is_err() {
            if self.writer.keeps_somebody_waiting() {
                self.writer.leave_slowest_behind();
            }
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

/// Completes once nobody reads, and the rest is not worth fetching for the store alone: it will not
/// be stored, or has not come `within` that time since. Its size is bounded by the limit of what
/// is stored; so an origin that drips keeps no connection for ever.
async fn deserted(writer: &Writer, stored: bool, within: Duration) {
    loop {
        writer.deserted().await;
        let worthwhile = stored && writer.given_up().is_none();
        let patience = if worthwhile { within } else { COMING };
        if timeout(patience, writer.read_again()).await.is_err() {
            return;
        }
    }
}
