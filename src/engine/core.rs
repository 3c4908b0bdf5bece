//! The engine's parts, and its look-ups.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::{Clock, Moment};
use crate::engine::origin::Origin;
use crate::engine::plan::{self, Sight, Situation, Step};
use crate::engine::wait::Waits;
use crate::engine::{By, Job, Landing, drive, publish};
use crate::entry::{Fence, Softened, Stamp, VaryRule};
use crate::error::Error;
use crate::event::{Counters, Incident};
use crate::flight::{Budget, Flights, Seat};
use crate::key::{EntryId, Key, KeyText};
use crate::local::{Known, Local};
use crate::lock::{Timing, Watch};
use crate::shared::{Ask, Listener, PurgeKind, SharedTier};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// The engine's numbers.
#[derive(Debug, Clone)]
pub(crate) struct Tuning {
    pub(crate) local_capacity: u64,
    pub(crate) max_body: u64,
    /// Bytes of all bodies under way together.
    pub(crate) fill_capacity: u64,
    pub(crate) shared_max_body: u64,
    pub(crate) fetch_timeout: Duration,
    pub(crate) lock_wait: Duration,
    pub(crate) lease: Timing,
    /// Most time that one flight's callers pay for the shared tier before they are answered.
    pub(crate) tier_budget: Duration,
    pub(crate) uncacheable_local: Duration,
    pub(crate) uncacheable_shared: Duration,
    pub(crate) back_off: Duration,
    pub(crate) back_off_longest: Duration,
    pub(crate) early_beta: f64,
    pub(crate) max_fetches: Option<usize>,
}

/// If no sign of life came from the subscription for so long, this process was paused: what it
/// holds may be outdated although nobody told it. They come every second; and a lease has at least
/// two thirds of its length left at any time, so whoever is paused past it notices.
pub(crate) const PAUSED: Duration = Duration::from_secs(2);

/// Everything that the requests of one process share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) tuning: Tuning,
    pub(crate) local: Local,
    pub(crate) tier: Option<Arc<dyn SharedTier>>,
    pub(crate) flights: Arc<Flights<Landing>>,
    pub(crate) waits: Waits,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fetches: Option<Arc<Semaphore>>,
    /// The memory of all bodies under way.
    pub(crate) fills: Arc<Budget>,
    /// Rises with each gap in the subscription.
    pub(crate) epoch: AtomicU64,
    /// True while events are heard.
    pub(crate) hearing: AtomicBool,
    /// Last sign of life of the subscription; zero before the first.
    pub(crate) alive: AtomicI64,
    /// The last purge of everything that was carried out here.
    emptied: Mutex<Option<Fence>>,
}

impl Engine {
    pub(crate) fn new(
        tuning: Tuning,
        tier: Option<Arc<dyn SharedTier>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let engine = Arc::new(Self {
            local: Local::new(tuning.local_capacity),
            flights: Flights::new(),
            waits: Waits::new(),
            counters: Counters::new(),
            clock,
            fetches: tuning
                .max_fetches
                .map(|most| Arc::new(Semaphore::new(most))),
            fills: Budget::new(tuning.fill_capacity),
            epoch: AtomicU64::new(1),
            hearing: AtomicBool::new(true),
            alive: AtomicI64::new(0),
            emptied: Mutex::new(None),
            tier,
            tuning,
        });
        if let Some(tier) = &engine.tier {
            let listener: Arc<dyn Listener> = Arc::clone(&engine) as _;
            let listener: Weak<dyn Listener> = Arc::downgrade(&listener);
            tier.subscribe(listener);
        }
        engine
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// True if events may have been missed since what bears `stamp` was checked, and the tier can
    /// be asked about it. On the hit path: two loads.
    pub(crate) fn suspects(&self, stamp: &Stamp, now: Moment) -> bool {
        if self.tier.is_none() || !self.hearing.load(Ordering::Relaxed) {
            return false;
        }
        // In this order: the sign of life that ends a pause raises the epoch first.
        self.was_paused(now) || stamp.epoch() != self.epoch()
    }

    /// The same for a rule, which also ends with what the tier keeps of it.
    pub(crate) fn suspects_rule(&self, rule: &VaryRule, now: Moment) -> bool {
        let ended =
            now >= rule.until && self.tier.is_some() && self.hearing.load(Ordering::Relaxed);
        ended || self.suspects(&rule.stamp, now)
    }

    pub(crate) fn was_paused(&self, now: Moment) -> bool {
        // Acquire: a new time comes with the new epoch that it may have needed.
        let alive = self.alive.load(Ordering::Acquire);
        alive != 0 && now.since(Moment::from_micros(alive)) > PAUSED
    }

    /// What to do with a request that sees `known` under its key.
    pub(crate) fn plan(
        &self,
        known: Option<&Known>,
        now: Moment,
        authorized: bool,
        only_if_cached: bool,
    ) -> Step {
        let sight = plan::sight(known, now, authorized);
        let (suspect, backing_off, unreachable) = match known {
            Some(Known::Record(record)) => (
                self.suspects(&record.stamp, now),
                record.retry.blocked(now),
                record.retry.unreachable(),
            ),
            _ => (false, false, false),
        };
        // With no fleet to have missed anything from, and nothing due, this is all of a hit.
        debug_assert!(sight != Sight::Fresh || matches!(known, Some(Known::Record(_))));
        plan::plan(
            sight,
            Situation {
                suspect,
                backing_off,
                unreachable,
                only_if_cached,
            },
        )
    }

    /// True if a follower that has come only now must not be given `landing`: its lease may be lost,
    /// or a purge or a later version has come since what it brings was fetched or looked up.
    ///
    /// `rule` is what led the follower there. Of a soft purge of the URL that alone knows, and nobody
    /// who asks about the `id` of a variant. What comes from the origin is looked up in the tier, if
    /// events were missed since its fetch began; what comes from there was just now.
    pub(crate) async fn came_too_late_for(
        &self,
        landing: &Landing,
        id: EntryId,
        rule: Option<&VaryRule>,
    ) -> bool {
        let (record, lease, fetched) = match landing {
            Landing::Filling { record, lease, .. } => (record, lease.as_ref(), true),
            Landing::Ready { record, by } => (record, None, matches!(by, By::Origin(_))),
            _ => return false,
        };
        let (softened, stamp) = (rule.and_then(|rule| rule.softened), &record.stamp);
        lease.is_some_and(Watch::has_lapsed)
            || softened
                .is_some_and(|purge| purge.covers(stamp) && record.windows.fresh_until > purge.at)
            || (fetched && self.suspects(stamp, self.now()) && self.is_overtaken(stamp, id).await)
    }

    async fn is_overtaken(&self, stamp: &Stamp, id: EntryId) -> bool {
        let Some(tier) = &self.tier else { return false };
        let (epoch, asked) = (self.epoch(), self.now());
        let look = Ask::look(id, stamp.fence, self.tuning.lease.call);
        let Ok(answer) = tier.acquire(look).await else {
            self.unheard(asked, self.now());
            return false;
        };
        let newest = answer.newest.max(answer.purged);
        let overtaken =
            newest.is_some_and(|newest| publish::is_older(stamp, newest, answer.now, self.now()));
        if !overtaken {
            stamp.checked(epoch);
        }
        overtaken
    }

    /// Takes a seat in the key's flight.
    pub(crate) fn join(&self, key: &Key, primary: &Key) -> Seat<Landing> {
        self.flights.join(key.id(), primary.id())
    }

    /// Brings a flight to its end, in a task of its own: no client can cancel it.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        lead: crate::flight::Lead<Landing>,
        job: Job,
        origin: Box<dyn Origin>,
    ) {
        tokio::spawn(drive::drive(Arc::clone(self), lead, job, origin));
    }

    /// Takes the entry and all its variants away in this process, and from every refresh under way.
    pub(crate) fn drop_local(&self, id: EntryId) {
        // In this order: see `Flight::purged`.
        self.flights.purge(id);
        self.local.remove(id);
        self.waits.wake(id);
    }

    /// Takes everything away in this process, and from every refresh under way; once for each purge,
    /// however often it is told of. Without a `fence`, always.
    pub(crate) fn drop_all(&self, fence: Option<Fence>) {
        // Held until it is done: who is told of the same purge meanwhile may take it for done then.
        let mut emptied = self.emptied.lock();
        if fence.is_some() && fence <= *emptied {
            return;
        }
        *emptied = fence.max(*emptied);
        self.counters.incident(Incident::Purged, &"everything");
        // In this order: see `Flight::purged`.
        self.flights.purge_all();
        self.local.clear();
        self.waits.wake_all();
    }

    /// Makes the entry and all its variants stale in this process, and what is being fetched for
    /// them not to be stored.
    pub(crate) fn soften_local(&self, id: EntryId, fence: Option<Fence>) {
        let at = self.now();
        // In this order: see `Flight::purged`.
        self.flights.purge(id);
        self.local.amend(id, |known| match known {
            Known::Record(record) => publish::stale_since(record, at).map(Known::Record),
            Known::Rule(rule) => {
                let softened = rule.softened(Softened { fence, at }, rule.until);
                Some(Known::Rule(Arc::new(softened)))
            }
            // It says nothing of what may be stored by now.
            Known::Verdict(_) => None,
        });
        self.waits.wake(id);
    }

    /// The key of a variant, and what is held under it, stale if a soft purge of its URL made it so.
    pub(crate) fn variant(&self, text: KeyText, rule: &VaryRule) -> (Key, Option<Known>) {
        let (key, known) = self.local.look_for(text);
        let known = known.map(|known| self.softened(&key, known, rule));
        (key, known)
    }

    /// `known`, which is held under the key of a variant, as a soft purge of its URL left it.
    fn softened(&self, key: &Key, known: Known, rule: &VaryRule) -> Known {
        let (Some(softened), Known::Record(record)) = (rule.softened, &known) else {
            return known;
        };
        if !softened.covers(&record.stamp) {
            return known;
        }
        let Some(stale) = publish::stale_since(record, softened.at) else {
            return known;
        };
        // Unless a newer one has come since; then the next look finds that.
        self.local
            .insert(key.id(), Known::Record(Arc::clone(&stale)));
        Known::Record(stale)
    }

    /// Takes away what is held under `id`, if its fetch began before that moment.
    pub(crate) fn drop_older(&self, id: EntryId, than: Moment) {
        let fetched = match self.local.get_by_id(id) {
            Some(Known::Record(record)) => record.stamp.fetched,
            Some(Known::Rule(rule)) => rule.stamp.fetched,
            Some(Known::Verdict(_)) | None => return,
        };
        if fetched <= than {
            self.local.remove(id);
        }
    }

    /// Takes the entry and all its variants away on every node, or makes them stale.
    ///
    /// # Errors
    /// The shared tier did not answer. It is gone in this process all the same.
    pub(crate) async fn purge(&self, id: EntryId, kind: PurgeKind) -> Result<(), Error> {
        self.counters.incident(Incident::Purged, &id);
        let purged = match &self.tier {
            Some(tier) => tier.purge(id, kind, self.tuning.lease.call).await.map(Some),
            None => Ok(None),
        };
        // Only now: taken away before, it could be read back from the tier, in an older version
        // than was held here. Whether or not the tier answered, it is gone here.
        match kind {
            PurgeKind::Hard => self.drop_local(id),
            PurgeKind::Soft => self.soften_local(id, purged.as_ref().ok().copied().flatten()),
        }
        purged.map(drop)
    }

    /// Takes everything away on every node.
    ///
    /// # Errors
    /// The shared tier did not answer. It is gone in this process all the same.
    pub(crate) async fn purge_all(&self) -> Result<(), Error> {
        let purged = match &self.tier {
            Some(tier) => tier.purge_all(self.tuning.lease.call).await.map(Some),
            None => Ok(None),
        };
        // Only now, as in `purge`.
        self.drop_all(purged.as_ref().ok().copied().flatten());
        purged.map(drop)
    }
}
