//! Puts what was fetched where it belongs: the shared tier first, whose fence judges, then L1.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;

use crate::engine::drive::TRUSTED_RULE;
use crate::engine::refresh::{Keep, Refresh};
use crate::entry::codec::{self, BodyDigest};
use crate::entry::{Record, Stamp, VaryRule};
use crate::error::Error;
use crate::event::Incident;
use crate::key::Key;
use crate::local::Known;
use crate::lock::Lease;
use crate::semantics::vary;
use crate::shared::{Ask, Commit, Committed, Fence, Grant, Token};

/// Where a response belongs.
pub(crate) struct Place {
    pub(crate) key: Key,
    /// The rule that leads to it, if the URL varies.
    pub(crate) rule: Option<Arc<VaryRule>>,
    /// The rule is made by this response: it has to be stored too.
    pub(crate) new_rule: bool,
}

/// How long a rule is kept: past it, its variants are fetched anew.
const RULE_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// What the tier made of a commit.
enum Verdict {
    /// Stored, as far as known, under that fence; its body under the second.
    Stored(Fence, Fence),
    /// Something newer was there first. Nothing of it may be used any more.
    Refused,
    /// It has no room.
    Full,
}

impl Refresh {
    /// Where a response belongs that varies on `vary`.
    ///
    /// A rule only ever grows: a variant chosen by more fields than its response names is merely
    /// narrower than it need be.
    pub(crate) fn place(&self, vary: &[HeaderName]) -> Place {
        let job = &self.drive.job;
        let known = job.rule.as_ref().or(self.drive.rule.as_ref());
        match known {
            Some(rule)
                if job.rule.is_some() && vary.iter().all(|field| rule.fields.contains(field)) =>
            {
                Place {
                    key: job.key.clone(),
                    rule: Some(Arc::clone(rule)),
                    new_rule: false,
                }
            }
            None if vary.is_empty() => Place {
                key: job.key.clone(),
                rule: None,
                new_rule: false,
            },
            _ => {
                let fields = vary::union(known.map_or(&[], |rule| &rule.fields), vary);
                let generation = fastrand::u64(..);
                let key = job.select.variant(generation, &fields);
                let stamp = Stamp::new(None, None, self.started, self.epoch);
                let until = self.started.plus(TRUSTED_RULE);
                let rule = VaryRule {
                    until,
                    generation,
                    fields,
                    key: job.primary.text().into(),
                    stamp,
                    softened: None,
                };
                Place {
                    key,
                    rule: Some(Arc::new(rule)),
                    new_rule: true,
                }
            }
        }
    }

    /// Stores `record`; `confirmed` if its body is the one that is stored already.
    pub(crate) async fn store(mut self, place: Place, record: &Arc<Record>, confirmed: bool) {
        let engine = Arc::clone(&self.drive.engine);
        let Some(mut lease) = self.lease.take() else {
            if self.keep == Keep::Local {
                self.keep_local(&place, record, None);
            }
            return;
        };
        if self.keep != Keep::Shared {
            return lease.release(None).await;
        }
        let small = record.body.len() <= engine.tuning.shared_max_body;
        let verdict = if !small {
            self.claim(lease).await
        } else if place.new_rule {
            return self.store_with_rule(place, record, lease).await;
        } else {
            let body_there = confirmed && record_version_shared(&self);
            self.commit(&mut lease, record, place.key.text(), body_there)
                .await
        };
        match verdict {
            Verdict::Stored(fence, body) => self.keep_local(&place, record, Some((fence, body))),
            Verdict::Full => self.keep_local(&place, record, None),
            Verdict::Refused => self.refused_late(&place),
        }
    }

    /// Too large to be shared: it is kept here if nobody superseded it, and the lease goes back.
    async fn claim(&self, lease: Lease) -> Verdict {
        let fence = lease.fence();
        let ours = lease.confirm().await;
        lease.release(None).await;
        match ours {
            Ok(true) => Verdict::Stored(fence, fence),
            Ok(false) => Verdict::Refused,
            Err(_) => Verdict::Full,
        }
    }

    async fn commit(
        &self,
        lease: &mut Lease,
        record: &Record,
        key: &[u8],
        body_there: bool,
    ) -> Verdict {
        let body = record.body.whole();
        let meta = codec::encode_response(
            key,
            &record.head.head(),
            &record.windows.lifetime(),
            record.cost,
            &BodyDigest::of(&body),
        );
        let now = self.drive.now();
        let mut commit = Commit {
            fresh: record.windows.fresh_until.since(now),
            keep: record.windows.keep_until.since(now),
            ..lease.commit_of(meta, (!body_there).then(|| body.clone()))
        };
        let fence = lease.fence();
        let mut answer = lease.commit(commit.clone()).await;
        if matches!(answer, Ok(Committed::Bodiless)) {
            commit.body = Some(body);
            answer = lease.commit(commit).await;
        }
        self.judge(answer, fence)
    }

    fn judge(&self, answer: Result<Committed, Error>, fence: Fence) -> Verdict {
        let counters = &self.drive.engine.counters;
        let id = self.drive.job.key.id();
        match answer {
            Ok(Committed::Stored { body_version }) => Verdict::Stored(fence, body_version),
            Ok(Committed::Superseded | Committed::Lost | Committed::Bodiless) => {
                counters.incident(Incident::CommitRefused, &id);
                Verdict::Refused
            }
            Ok(Committed::NoMemory) => {
                counters.incident(Incident::StoreFull, &id);
                Verdict::Full
            }
            Err(error) => {
                // It may have been stored. Here it bears its fence, so that it is compared rightly
                // once the tier answers again.
                counters.incident(Incident::SharedUnavailable, &error);
                Verdict::Stored(fence, fence)
            }
        }
    }

    /// The response tells that its URL varies: first its variant, then the rule that leads to it,
    /// whose commit is fenced by a lease on the URL. Until that, nobody can reach the variant.
    async fn store_with_rule(self, place: Place, record: &Arc<Record>, lease: Lease) {
        let rule_lease = if self.drive.job.key == self.drive.job.primary {
            Some(lease)
        } else {
            // The fetch was for a variant under an outdated rule. The URL's own lease is taken
            // only now, so a purge since the fetch began must be ruled out: the rule must be there
            // still, in the version that led us here.
            lease.release(None).await;
            self.lease_on_unchanged_rule().await
        };
        let Some(mut rule_lease) = rule_lease else {
            return self.refused_late(&place);
        };
        let Some(mut variant_lease) = self.lease_on(&place.key).await else {
            return self.keep_local(&place, record, None);
        };
        // The fence of that is as of now, and the response may be older than a purge that has one
        // in between. A purge takes the lease on the URL away. So: first the fence, then a look at
        // that lease; a purge from here on has a later fence.
        match rule_lease.confirm().await {
            Ok(true) => {}
            Ok(false) => return self.refused_late(&place),
            Err(_) => return self.keep_local(&place, record, None),
        }
        let stored = self
            .commit(&mut variant_lease, record, place.key.text(), false)
            .await;
        let Verdict::Stored(fence, body) = stored else {
            return self.refused_late(&place);
        };
        let Some(rule) = &place.rule else { return };
        let meta = codec::encode_rule(self.drive.job.primary.text(), rule.generation, &rule.fields);
        let commit = Commit {
            fresh: RULE_LIFE,
            keep: RULE_LIFE,
            ..rule_lease.commit_of(meta, Some(Bytes::new()))
        };
        let rule_fence = rule_lease.fence();
        let answer = rule_lease.commit(commit).await;
        match self.judge(answer, rule_fence) {
            Verdict::Stored(rule_fence, rule_body) => {
                let stamp = Stamp::new(Some(rule_fence), Some(rule_body), self.started, self.epoch);
                let rule = VaryRule {
                    until: rule.until,
                    generation: rule.generation,
                    fields: rule.fields.clone(),
                    key: rule.key.clone(),
                    stamp,
                    softened: None,
                };
                let place = Place {
                    rule: Some(Arc::new(rule)),
                    ..place
                };
                self.keep_local(&place, record, Some((fence, body)));
            }
            Verdict::Full => self.keep_local(&place, record, None),
            Verdict::Refused => self.refused_late(&place),
        }
    }

    async fn lease_on_unchanged_rule(&self) -> Option<Lease> {
        let known = self.drive.job.rule.as_ref()?.stamp.fence?;
        let primary = self.drive.job.primary.clone();
        self.acquire(&primary, Some(known)).await
    }

    async fn lease_on(&self, key: &Key) -> Option<Lease> {
        self.acquire(key, None).await
    }

    /// A lease on `key` although it may be fresh; with `have`, only if that is the version there.
    async fn acquire(&self, key: &Key, have: Option<Fence>) -> Option<Lease> {
        let engine = &self.drive.engine;
        let tier = engine.tier.as_ref()?;
        let timing = engine.tuning.lease;
        let token = Token::random();
        let asked = tokio::time::Instant::now();
        let ask = Ask {
            id: key.id(),
            token,
            lease: timing.lease,
            have,
            peek: false,
            force: true,
            insist: true,
            within: timing.call,
        };
        let answer = tier.acquire(ask).await.ok()?;
        let Grant::Lease { fence, ttl } = answer.grant else {
            return None;
        };
        let lease = Lease::new(Arc::clone(tier), key.id(), token, fence, asked, ttl, timing);
        // Dropping it gives it back.
        let unchanged = have.is_none() || answer.view.map(|view| view.version) == have;
        unchanged.then_some(lease)
    }

    /// L1, unless a purge struck the flight off.
    fn keep_local(&self, place: &Place, record: &Arc<Record>, fences: Option<(Fence, Fence)>) {
        let engine = &self.drive.engine;
        let stamp = Stamp::new(
            fences.map(|(fence, _)| fence),
            fences.map(|(_, body)| body),
            self.started,
            self.epoch,
        );
        let rule = place.rule.clone();
        if let (None, true, Some(rule)) = (fences, place.new_rule, &rule) {
            // Nobody else knows it: it is looked up, and made for all, once the tier can be asked.
            rule.stamp.doubt();
        }
        let record = Arc::new(Record {
            stamp,
            rule: rule.clone(),
            ..super::publish::copy(record)
        });
        self.drive.lead.store(|| {
            if let Some(rule) = rule.filter(|_| place.new_rule) {
                engine
                    .local
                    .insert(self.drive.job.primary.id(), Known::Rule(rule));
            }
            engine.local.insert(place.key.id(), Known::Record(record));
        });
    }

    /// The store refused: there is something newer than this, and than what is here.
    fn refused_late(&self, place: &Place) {
        for id in [place.key.id(), self.drive.job.key.id()] {
            self.drive.engine.drop_older(id, self.started);
        }
        self.drop_new_rule(place);
    }

    /// Takes a rule away that was made known here and did not come to be stored.
    pub(crate) fn drop_new_rule(&self, place: &Place) {
        if let (true, Some(rule)) = (place.new_rule, &place.rule) {
            let primary = self.drive.job.primary.id();
            if let Some(Known::Rule(known)) = self.drive.engine.local.get_by_id(primary)
                && known.generation == rule.generation
            {
                let engine = &self.drive.engine;
                engine.local.remove(primary);
                if let Some(before) = self.drive.job.rule.clone() {
                    let before = Known::Rule(before);
                    self.drive
                        .lead
                        .store(|| engine.local.insert(primary, before));
                }
            }
        }
    }
}

/// True if the body that was confirmed is the one which the tier holds.
fn record_version_shared(refresh: &Refresh) -> bool {
    let held = refresh.basis.as_ref().and_then(|record| record.stamp.fence);
    held.is_some() && held == refresh.drive.shared
}
