//! The operations of the contract: bounded in time, and remembered where that matters.

use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::Call;
use super::debts::Ghost;
use super::failure::{Elsewhere, Failure, NOT_HERE};
use super::link::Links;
use super::way::Way;
use super::{Inner, RedisTier, reply, wire};
use crate::clock::{Clock, SystemClock};
use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;
use crate::shared::limits::GRACE;
use crate::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, Content, Listener, PurgeKind, Release, Renew,
    SharedTier, View,
};

/// How often a question is put again because the entry changed between its two halves.
const ROUNDS: usize = 3;
/// How often an entry is followed from node to node of a cluster.
const HOPS: usize = 4;
/// How long to wait for the second key of an entry to follow the first one to another node.
const BETWEEN: Duration = Duration::from_millis(10);

impl SharedTier for RedisTier {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        let inner = &*self.inner;
        Box::pin(async move {
            inner.debts.wanted(ask.id, ask.token);
            let mut ghost = GhostGuard {
                inner,
                ask: (!ask.peek).then_some(&ask),
            };
            let act = |links| inner.ask(links, &ask);
            let result = inner.call(ask.id, Call::Question, ask.within, act).await;
            if matches!(result, Ok(_) | Err(Failure::Held)) {
                ghost.ask = None;
            }
            Ok(result?)
        })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        let inner = &*self.inner;
        Box::pin(async move {
            let commit = &commit;
            if Some(commit.fence) < inner.space.era.fence() {
                return Ok(Committed::Superseded);
            }
            let act = |mut links: Links| async move {
                inner.deliver_purge_of(&mut links, commit.id).await?;
                wire::commit(&mut links.bulk, &inner.space, commit).await
            };
            Ok(inner
                .call(commit.id, Call::Followup, commit.within, act)
                .await?)
        })
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        let inner = &*self.inner;
        Box::pin(async move {
            if Some(renew.fence) < inner.space.era.fence() {
                return Ok(false);
            }
            let act = |mut links: Links| async move {
                wire::renew(&mut links.control, &inner.space, &renew).await
            };
            Ok(inner
                .call(renew.id, Call::Followup, renew.within, act)
                .await?)
        })
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        let inner = &*self.inner;
        Box::pin(async move {
            let act = |mut links: Links| async move {
                wire::release(&mut links.control, &inner.space, &release, GRACE).await
            };
            Ok(inner
                .call(release.id, Call::Followup, release.within, act)
                .await?)
        })
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        let inner = &*self.inner;
        Box::pin(async move { Ok(inner.purge(id, kind, within).await?) })
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        let inner = &*self.inner;
        Box::pin(async move { Ok(inner.purge_everything(within).await?) })
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.inner.hub.add(listener);
    }
}

impl Inner {
    /// One call about an entry, whose name depends on the era.
    async fn call<T, F>(
        &self,
        id: EntryId,
        call: Call,
        within: Duration,
        act: impl Fn(Links) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let until = Instant::now() + within.min(self.timeout);
        self.know_era(until).await?;
        self.reach(id, call, until - Instant::now(), act).await
    }

    /// One call: refused at once if the gate is shut, else bounded by the shorter of `within` and
    /// the tier's own limit, and its outcome noted. In a cluster it follows the entry, within the
    /// same bound; so `act` may be called again, from its beginning.
    pub(super) async fn reach<T, F>(
        &self,
        id: EntryId,
        call: Call,
        within: Duration,
        act: impl Fn(Links) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let limit = within.min(self.timeout);
        if limit.is_zero() {
            return Err(Failure::Held);
        }
        let until = Instant::now() + limit;
        let way = self.topology.way_to(&self.space, id);
        let mut way = way.ok_or(Failure::Held)?;
        let mut asking = false;
        let mut hops = 0;
        loop {
            let result = {
                let mut shutting = pin!(way.gate.shutting());
                shutting.as_mut().enable();
                let (links, generation) = way.gate.enter(SystemClock.now(), call)?;
                let links = if asking { links.asking() } else { links };
                tokio::select! {
                    biased;
                    result = timeout_at(until, act(links)) => {
                        let result = result.unwrap_or(Err(Failure::Late));
                        self.note(&way, generation, limit, result.as_ref().err());
                        result
                    }
                    // Others have waited long enough for this server. What it does about this
                    // call is not known, as if it had been waited for.
                    () = shutting => Err(Failure::Late),
                }
            };
            hops += 1;
            let (Err(Failure::Elsewhere(elsewhere)), true) = (&result, hops < HOPS) else {
                return result;
            };
            let Some(next) = self.topology.follow(&way, elsewhere) else {
                return result;
            };
            way = next;
            match elsewhere {
                Elsewhere::Moved { .. } => asking = false,
                Elsewhere::Asked { .. } => asking = true,
                // The same again, at whichever end of the move this was.
                Elsewhere::Between => sleep(BETWEEN.mul_f64(0.5 + fastrand::f64())).await,
            }
        }
    }

    /// Tells the gate how a call went.
    pub(super) fn note(
        &self,
        way: &Way,
        generation: u64,
        limit: Duration,
        failure: Option<&Failure>,
    ) {
        let now = SystemClock.now();
        match failure {
            None | Some(Failure::Foreign(_)) => way.gate.answered(generation, now),
            Some(Failure::Elsewhere(_)) if way.node.is_some() => {
                way.gate.answered(generation, now);
            }
            Some(Failure::Elsewhere(_)) => way.lost(generation, NOT_HERE),
            // A caller in a hurry is not the server's fault.
            Some(Failure::Late) if limit * 2 < self.timeout => {}
            Some(Failure::Late | Failure::Refused(_)) => {
                if way.gate.failed(generation, now) {
                    way.wake();
                }
            }
            Some(Failure::Dead(_)) => way.lost(generation, "the connection was closed"),
            Some(Failure::Held | Failure::Nowhere(_)) => {}
        }
    }

    async fn ask(&self, mut links: Links, ask: &Ask) -> Result<Answer, Failure> {
        for _ in 0..ROUNDS {
            // Before the look at what is owed: who goes over to an era owes it there by then.
            let era = self.space.era.current();
            self.deliver_purge_of(&mut links, ask.id).await?;
            let Links { control, bulk } = &mut links;
            let names = self.space.names_in(era, ask.id);
            // Without anything at hand the content is wanted in any case, and one round trip is
            // half the wait. It comes from another command than the verdict: 100 KiB through Lua
            // cost Redis five times as much.
            let (said, found) = if ask.have.is_none() {
                let asked = wire::acquire(control, &names, ask, GRACE, era);
                let (said, found) = tokio::join!(asked, wire::fetch(bulk, &names));
                (said?, found?)
            } else {
                (wire::acquire(control, &names, ask, GRACE, era).await?, None)
            };
            if self.space.era.current() != era {
                // Everything was purged meanwhile. A lease of before is nobody's.
                continue;
            }
            let answer = |said, content| answer(said, content, era);
            let Some((version, ..)) = said.view else {
                return Ok(answer(said, None));
            };
            if ask.have == Some(version) {
                return Ok(answer(said, None));
            }
            let of_version = |found: Option<(Fence, Content)>| {
                found.and_then(|(found, content)| (found == version).then_some(content))
            };
            let content = match of_version(found) {
                Some(content) => Some(content),
                // The two commands met different versions. Now the newer one may be there.
                None => of_version(wire::fetch(bulk, &names).await?),
            };
            if content.is_some() && self.space.era.current() == era {
                return Ok(answer(said, content));
            }
            // It was replaced or purged since: the verdict is out of date too. The same token
            // makes it the same question.
        }
        Err(Failure::Late)
    }
}

/// `era`: the one that was asked about.
fn answer(said: reply::Said, content: Option<Content>, era: u64) -> Answer {
    let all_purged = (era > 0).then(|| Fence::new(era));
    Answer {
        now: said.now,
        newest: said.newest,
        purged: said.purged.max(all_purged),
        view: said.view.map(|(version, body_version, fresh_ms)| View {
            version,
            body_version,
            fresh_ms,
            content,
        }),
        grant: said.grant,
    }
}

/// Remembers a lease that may have been granted without an answer: the call failed, or its caller
/// was dropped.
struct GhostGuard<'a> {
    inner: &'a Inner,
    ask: Option<&'a Ask>,
}

impl Drop for GhostGuard<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.ask {
            self.inner.debts.owe_release(Ghost {
                id: ask.id,
                token: ask.token,
                is_lock: false,
            });
            self.inner.topology.wake_for(&self.inner.space, ask.id);
        }
    }
}
