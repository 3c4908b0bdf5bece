//! Which node of a cluster a slot is on.
//!
//! Each master has a way of its own, with its own gate and breaker: one that is down fails the
//! calls about its own entries, at once after the first few, and no other's. A table says which way
//! leads to which slot. One task looks after it: it asks a node every second, sooner while one is
//! out of reach; and a node that says `MOVED` corrects it on the spot.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::Inner;
use super::super::breaker::Call;
use super::super::failure::{Elsewhere, Failure};
use super::super::tls::Tls;
use super::super::url::{Host, Target};
use super::super::way::Way;
use super::super::{shards, supervisor};
use super::slots::{self, Owned, SLOTS};
use crate::clock::{Clock, Moment, SystemClock};
use crate::sync::Mutex;

/// How often the table is compared with what a node says.
const EVERY: Duration = Duration::from_secs(1);
/// The same while a master is out of reach: another one may be taking over.
const SOON: Duration = Duration::from_millis(200);
/// The shortest time between two questions.
const AT_ONCE: Duration = Duration::from_millis(30);
/// Most time for a node to answer that has no connection yet.
const ANSWER: Duration = Duration::from_millis(500);
/// A node that owns nothing, but was named as the owner, is kept this long: a slot may be about to
/// arrive there.
const UNOWNED: Duration = Duration::from_secs(10);

/// The nodes of a cluster.
pub(in super::super) struct Cluster {
    target: Target,
    tls: Tls,
    seeds: Vec<(Host, Client)>,
    table: Mutex<Table>,
    /// Wakes the task: the table is known to be wrong, or all this is dropped.
    wrong: Arc<Notify>,
}

struct Table {
    slots: Vec<Option<Arc<Way>>>,
    ways: BTreeMap<Host, Known>,
}

struct Known {
    way: Arc<Way>,
    /// When it was named last.
    named: Moment,
    /// Whether its task was started.
    attended: bool,
}

impl Cluster {
    pub(super) fn new(target: &Target, hosts: &[Host], tls: &Tls) -> RedisResult<Self> {
        let seed = |host: &Host| {
            let client = target.client(host, &target.login, 0, tls)?;
            Ok((host.clone(), client))
        };
        Ok(Self {
            target: target.clone(),
            tls: tls.clone(),
            seeds: hosts.iter().map(seed).collect::<RedisResult<_>>()?,
            table: Mutex::new(Table {
                slots: vec![None; SLOTS.into()],
                ways: BTreeMap::new(),
            }),
            wrong: Arc::new(Notify::new()),
        })
    }

    pub(super) fn way_to(&self, slot: u16) -> Option<Arc<Way>> {
        self.table.lock().slots[usize::from(slot)].clone()
    }

    pub(super) fn leads_to(&self, way: &Way, slot: u16) -> bool {
        let table = self.table.lock();
        let owner = &table.slots[usize::from(slot)];
        (owner.as_deref()).is_some_and(|owner| std::ptr::eq(owner, way))
    }

    /// Whether any slot is at the end of this way.
    pub(super) fn owns_any(&self, way: &Way) -> bool {
        let table = self.table.lock();
        let mut owners = table.slots.iter().flatten();
        owners.any(|owner| std::ptr::eq(&raw const **owner, way))
    }

    pub(super) fn ways(&self) -> Vec<Arc<Way>> {
        let table = self.table.lock();
        let ways = table.ways.values();
        ways.map(|known| Arc::clone(&known.way)).collect()
    }

    pub(super) fn find(&self, way: &Way) -> Result<Client, Failure> {
        let nowhere = || Failure::Nowhere("it is no node".into());
        let host = way.node.as_ref().ok_or_else(nowhere)?;
        Ok((self.target).client(host, &self.target.login, 0, &self.tls)?)
    }

    /// The way on from a node that does not serve an entry.
    pub(super) fn follow(&self, way: &Arc<Way>, elsewhere: &Elsewhere) -> Option<Arc<Way>> {
        let to = match elsewhere {
            Elsewhere::Between => return Some(Arc::clone(way)),
            Elsewhere::Moved { to, .. } | Elsewhere::Asked { to } => to,
        };
        let mut host = to.clone();
        if host.name.is_empty() {
            // The same host, by whatever name we know it.
            host.name.clone_from(&way.node.as_ref()?.name);
        }
        let mut table = self.table.lock();
        let next = table.way(&host);
        if let Elsewhere::Moved { slot, .. } = elsewhere
            && let Some(owner) = table.slots.get_mut(usize::from(*slot))
        {
            *owner = Some(Arc::clone(&next));
            self.wrong.notify_one();
            // It may be the slot of a channel, which is to be listened to there.
            next.wake();
        }
        drop(table);
        if next.gate.is_shut() {
            // It may be a new one, whose task has to be started.
            self.wrong.notify_one();
        }
        Some(next)
    }

    pub(super) fn wake(&self) {
        self.wrong.notify_one();
    }

    /// Takes over what a node says.
    fn learn(&self, owned: &[Owned]) {
        let mut gone = Vec::new();
        let mut table = self.table.lock();
        let mut slots = vec![None; SLOTS.into()];
        for part in owned {
            let way = table.way(&part.host);
            for slot in part.slots.clone() {
                slots[usize::from(slot)] = Some(Arc::clone(&way));
            }
        }
        // What was there before is dropped outside the lock: it may end tasks.
        let before = std::mem::replace(&mut table.slots, slots);
        // Channels that are at another way now are to be listened to there.
        for slot in shards::all_slots().map(usize::from) {
            let same = |before: &Arc<Way>, now: &Arc<Way>| Arc::ptr_eq(before, now);
            if let Some(now) = &table.slots[slot]
                && !before[slot]
                    .as_ref()
                    .is_some_and(|before| same(before, now))
            {
                now.wake();
            }
        }
        let now = SystemClock.now();
        table.ways.retain(|_, known| {
            let kept = now.since(known.named) < UNOWNED;
            if !kept {
                gone.push(Arc::clone(&known.way));
            }
            kept
        });
        drop(table);
        drop(before);
        gone.iter().for_each(|way| way.retire());
    }

    /// Starts the tasks of new ways; each one tells when its first attempt has ended.
    fn attend(&self, inner: &Weak<Inner>) -> Vec<oneshot::Receiver<()>> {
        let mut tried = Vec::new();
        for known in self.table.lock().ways.values_mut() {
            if !std::mem::replace(&mut known.attended, true) {
                let (first, told) = oneshot::channel();
                let way = Arc::clone(&known.way);
                tokio::spawn(supervisor::run(Weak::clone(inner), way, first));
                tried.push(told);
            }
        }
        tried
    }

    /// Asks a node in use, one after the other, else all that the URL names.
    async fn refresh(&self, limit: Duration) -> Result<(), Failure> {
        let mut ways = self.ways();
        // One that owns nothing may have been out of touch for long.
        ways.retain(|way| self.owns_any(way));
        fastrand::shuffle(&mut ways);
        for way in ways {
            let Ok((mut links, _)) = way.gate.enter(SystemClock.now(), Call::Followup) else {
                continue;
            };
            let Some(host) = &way.node else { continue };
            let said = timeout(limit, slots::ask(&mut links.control, host)).await;
            if let Ok(Ok(owned)) = said {
                self.learn(&owned);
                return Ok(());
            }
        }
        let mut asked = JoinSet::new();
        for (host, seed) in &self.seeds {
            let (host, seed) = (host.clone(), seed.clone());
            let answer = async move { ask_seed(&host, &seed).await };
            asked.spawn(timeout(ANSWER, answer));
        }
        let mut failure = Failure::Late;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(Ok(owned))) => {
                    self.learn(&owned);
                    return Ok(());
                }
                Ok(Ok(Err(why))) => failure = why,
                // Late, or the runtime is shutting down.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(failure)
    }
}

impl Table {
    /// The way to a node, which may be a new one.
    fn way(&mut self, host: &Host) -> Arc<Way> {
        let now = SystemClock.now();
        if let Some(known) = self.ways.get_mut(host) {
            known.named = now;
            return Arc::clone(&known.way);
        }
        let way = Way::new(Some(host.clone()));
        let known = Known {
            way: Arc::clone(&way),
            named: now,
            attended: false,
        };
        self.ways.insert(host.clone(), known);
        way
    }
}

async fn ask_seed(host: &Host, seed: &Client) -> Result<Vec<Owned>, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(Some(ANSWER));
    let link = seed.get_multiplexed_async_connection_with_config(&config);
    slots::ask(&mut link.await?, host).await
}

/// Keeps the table right until the tier is dropped. `first` is told when each node that the first
/// answer names was tried once.
pub(super) async fn run(inner: Weak<Inner>, first: oneshot::Sender<()>) {
    let mut first = Some(first);
    let mut told = String::new();
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        let Some(cluster) = strong.topology.cluster() else {
            return;
        };
        let refreshed = cluster.refresh(strong.timeout).await;
        match refreshed {
            Ok(()) => told.clear(),
            Err(failure) => {
                let words = failure.words();
                // One line per reason, not per attempt.
                if words != told {
                    tracing::warn!(
                        target: "bellwether::redis",
                        "no node of {} says where its slots are ({words}): trying again",
                        strong.target
                    );
                    told = words;
                }
            }
        }
        let tried = cluster.attend(&inner);
        let well = told.is_empty() && cluster.ways().iter().all(|way| !way.gate.is_shut());
        if let Some(first) = first.take() {
            for tried in tried {
                // An error would mean that the runtime is shutting down.
                let _ = tried.await;
            }
            // Nobody waits if the call to connect was dropped.
            let _ = first.send(());
        }
        let wrong = Arc::clone(&cluster.wrong);
        drop(strong);
        rest(&wrong, if well { EVERY } else { SOON }).await;
    }
}

async fn rest(wrong: &Notify, pause: Duration) {
    // However many calls meet a moved slot, a node is not asked without a pause.
    sleep(AT_ONCE).await;
    let _ = timeout(pause, wrong.notified()).await;
}
