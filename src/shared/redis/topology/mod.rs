//! Which servers there are, and which of them an entry is on.

pub(super) mod slots;

mod cluster;
pub(super) mod known;
mod sentinel;

use std::sync::{Arc, Weak};

use redis::{Client, RedisResult};
use tokio::sync::oneshot;

use self::cluster::Cluster;
use self::sentinel::Sentinels;
use super::Inner;
use super::failure::{Elsewhere, Failure};
use super::names::Space;
use super::shards;
use super::supervisor;
use super::tls::Tls;
use super::url::{Place, Target};
use super::way::Way;
use crate::key::EntryId;

/// How many random entries are looked at to find one in a given slot. With a single slot of all,
/// this fails in one of fifty cases, which costs a probe.
const TRIES: usize = 65_536;

/// All ways there are.
pub(super) enum Topology {
    /// One server, always the same.
    Server(Arc<Way>, Client),
    /// One server, whichever is the master.
    Sentinel(Arc<Way>, Sentinels),
    /// Many, each with its share.
    Cluster(Cluster),
}

impl Topology {
    /// # Errors
    /// If the client cannot make anything of it.
    pub(super) fn new(target: &Target, tls: &Tls) -> RedisResult<Self> {
        let way = Way::new(None);
        Ok(match &target.place {
            Place::Server(host) => {
                let client = target.client(host, &target.login, target.db, tls)?;
                Self::Server(way, client)
            }
            Place::Socket(path) => Self::Server(way, target.client_at(path)?),
            Place::Sentinels { .. } => {
                let sentinels = Sentinels::new(target, tls, &way)?;
                Self::Sentinel(way, sentinels)
            }
            Place::Cluster(hosts) => Self::Cluster(Cluster::new(target, hosts, tls)?),
        })
    }

    /// Starts the tasks, and waits until each server was tried once.
    pub(super) async fn start(&self, inner: &Weak<Inner>) {
        let (first, tried) = oneshot::channel();
        let inner = Weak::clone(inner);
        match self {
            Self::Server(way, _) => {
                tokio::spawn(supervisor::run(inner, Arc::clone(way), first));
            }
            Self::Sentinel(way, sentinels) => {
                sentinels.listen();
                tokio::spawn(supervisor::run(inner, Arc::clone(way), first));
            }
            Self::Cluster(_) => {
                tokio::spawn(cluster::run(inner, first));
            }
        }
        // An error would mean that the runtime is shutting down.
        let _ = tried.await;
    }

    fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Server(..) | Self::Sentinel(..) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }

    /// Whether any server is in use.
    pub(super) fn is_up(&self) -> bool {
        self.ways().iter().any(|way| !way.gate.is_shut())
    }

    /// All ways.
    pub(super) fn ways(&self) -> Vec<Arc<Way>> {
        match self {
            Self::Server(way, _) | Self::Sentinel(way, _) => vec![Arc::clone(way)],
            Self::Cluster(cluster) => cluster.ways(),
        }
    }

    /// The way to an entry.
    pub(super) fn way_to(&self, space: &Space, id: EntryId) -> Option<Arc<Way>> {
        match self {
            Self::Server(way, _) | Self::Sentinel(way, _) => Some(Arc::clone(way)),
            Self::Cluster(cluster) => cluster.way_to(space.slot(id)),
        }
    }

    /// Whether it is this one.
    pub(super) fn leads_to(&self, way: &Way, space: &Space, id: EntryId) -> bool {
        match self {
            Self::Server(..) | Self::Sentinel(..) => true,
            Self::Cluster(cluster) => cluster.leads_to(way, space.slot(id)),
        }
    }

    /// An entry that nobody uses, at the end of this way. `None` if there can be none.
    pub(super) fn sample(&self, way: &Way, space: &Space) -> Option<EntryId> {
        let mut ids = (0..TRIES).map(|_| EntryId::from_bytes(fastrand::u128(..).to_be_bytes()));
        let some = self.cluster().is_none_or(|cluster| cluster.owns_any(way));
        ids.find(|id| some && self.leads_to(way, space, *id))
    }

    /// Which of the shard channels are at the end of this way.
    pub(super) fn shards_at(&self, way: &Way) -> Vec<usize> {
        let Some(cluster) = self.cluster() else {
            return Vec::new();
        };
        let all = shards::all_slots().enumerate();
        let here = all.filter(|(_, slot)| cluster.leads_to(way, *slot));
        here.map(|(number, _)| number).collect()
    }

    /// Has the table of slots looked up anew.
    pub(super) fn doubt(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.wake();
        }
    }

    /// The way on from a node that does not serve the entry. `None`: there is none.
    pub(super) fn follow(&self, way: &Arc<Way>, elsewhere: &Elsewhere) -> Option<Arc<Way>> {
        self.cluster()?.follow(way, elsewhere)
    }

    /// Where a way leads now.
    pub(super) async fn find(&self, way: &Way) -> Result<Client, Failure> {
        match self {
            Self::Server(_, client) => Ok(client.clone()),
            Self::Sentinel(_, sentinels) => sentinels.find().await,
            Self::Cluster(cluster) => cluster.find(way),
        }
    }

    /// Wakes the tasks of all ways.
    pub(super) fn wake(&self) {
        self.ways().iter().for_each(|way| way.wake());
    }

    /// Wakes the task that pays what is owed about an entry.
    pub(super) fn wake_for(&self, space: &Space, id: EntryId) {
        if let Some(way) = self.way_to(space, id) {
            way.wake();
        }
    }

    /// Wakes all tasks, which find that they have to end.
    pub(super) fn end(&self) {
        self.wake();
        self.doubt();
    }
}
