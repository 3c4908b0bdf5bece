//! The handle on a cache.

use std::sync::Arc;

use http::Uri;

use crate::clock::Clock;
use crate::config::rules::Rules;
use crate::config::{CacheBuilder, Scope, Settings};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Stats;
use crate::semantics::status;
use crate::shared::{PurgeKind, SharedTier};

/// A cache. Cheap to clone; all clones and all layers made from it share their entries.
///
/// ```
/// # fn main() -> Result<(), bellwether::Error> {
/// use bellwether::{Cache, MIB};
/// use std::time::Duration;
///
/// let cache = Cache::builder()
///     .local_capacity(64 * MIB)
///     .grace(Duration::from_secs(30))
///     .build()?;
/// let layer = cache.layer();
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// What holds where no rule says otherwise.
    pub(crate) scope: Arc<Scope>,
    /// What holds for which request.
    pub(crate) rules: Rules,
    /// The name for `Cache-Status`, ready to be written; `None` if it is switched off.
    pub(crate) name: Option<status::Name>,
}

impl Cache {
    /// Starts with the defaults.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    pub(crate) fn new(
        settings: &Settings,
        rules: Rules,
        tier: Option<Arc<dyn SharedTier>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let name = settings
            .cache_status
            .then(|| status::Name::of(&settings.name))
            .flatten();
        let engine = Engine::new(settings.tuning(), tier, clock);
        Self {
            shared: Arc::new(Shared {
                engine,
                scope: Arc::clone(rules.general()),
                rules,
                name,
            }),
        }
    }

    /// Takes a URL away, with all its variants, on every node. What is being fetched for it now is
    /// not stored, on any node.
    ///
    /// `uri` is absolute, with the host that clients send; its scheme does not matter. It is read
    /// by the [`Rule`](crate::Rule) that a GET of it gets, so that parameters which do not count do
    /// not count here either.
    ///
    /// When this returns, it is gone from this process and the shared tier. Other nodes hear of it
    /// within milliseconds; one that has lost its connection goes by the freshness that it knows
    /// until it is back.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): `uri` has no host.
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): the shared tier did not confirm
    /// it in time. In this process it is gone all the same; purge again for the fleet.
    ///
    /// # Cancellation
    /// Dropped early, it may have reached this process only.
    pub async fn purge(&self, uri: &Uri) -> Result<(), Error> {
        self.purge_by(uri, PurgeKind::Hard).await
    }

    /// Makes a URL stale from now on, with all its variants, on every node; the origin is spared
    /// the herd that [`purge`](Self::purge) lets loose. One request refreshes it; meanwhile the
    /// others are served what is there, where stale may be served (`stale-while-revalidate`, or
    /// your `grace`). Where it may not, it is confirmed first, by the validators that it has. Its
    /// age becomes that of a response whose freshness has run out, so caches behind this one do
    /// not take it for fresh either.
    ///
    /// What is being fetched now is not stored: it may be from before what made you purge.
    ///
    /// In all else, errors and cancellation included, it is as [`purge`](Self::purge).
    ///
    /// # Errors
    /// As those of [`purge`](Self::purge).
    pub async fn soft_purge(&self, uri: &Uri) -> Result<(), Error> {
        self.purge_by(uri, PurgeKind::Soft).await
    }

    /// Takes everything away, on every node, that was stored under the namespace of the shared tier;
    /// without one, all that this process holds. What is being fetched now is not stored.
    ///
    /// It costs the same however much there is: the entries are not looked for, but not counted any
    /// more, and their memory, here and in the shared tier, is given back as it is needed or as
    /// their time runs out. The origin gets all requests at once that were hits before, one per URL
    /// and fleet.
    ///
    /// When this returns, all is gone from this process, and for whoever looks into the shared
    /// tier. Other nodes hear of it within milliseconds; should the event be lost, within a second;
    /// one that has lost its connection, before it uses the next.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): the shared tier did not confirm
    /// it in time. In this process all is gone all the same; for the fleet it is delivered once the
    /// tier is in reach, as long as this process lives.
    ///
    /// # Cancellation
    /// Dropped early, it is as with an error, but in this process what is held may be left.
    pub async fn purge_all(&self) -> Result<(), Error> {
        self.shared.engine.purge_all().await
    }

    async fn purge_by(&self, uri: &Uri, kind: PurgeKind) -> Result<(), Error> {
        let key = |host: &str, path: &str| self.shared.rules.key(host, path);
        crate::purge::purge(&self.shared.engine, uri, kind, key).await
    }

    /// What it has done, and what it holds. Cheap enough to be asked every second.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let engine = &self.shared.engine;
        let (local_entries, local_bytes) = engine.local.usage();
        Stats {
            local_entries,
            local_bytes,
            filling_bytes: engine.fills.used(),
            ..engine.counters.snapshot()
        }
    }
}
