//! Which servers there are, and which of them an entry is on.

pub(super) mod slots;

mod sentinel;

use std::sync::Arc;

use redis::{Client, RedisResult};

use self::sentinel::Sentinels;
use super::failure::{Elsewhere, Failure};
use super::names::Space;
use super::tls::Tls;
use super::url::{Place, Target};
use super::way::Way;
use crate::key::EntryId;

/// All ways there are.
pub(super) enum Topology {
    /// One server, always the same.
    Server(Arc<Way>, Client),
    /// One server, whichever is the master.
    Sentinel(Arc<Way>, Sentinels),
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
            Place::Cluster(_) => {
                let kind = redis::ErrorKind::InvalidClientConfig;
                return Err((kind, "not supported yet").into());
            }
        })
    }

    /// Starts whatever finds out about changes.
    pub(super) fn watch(&self) {
        match self {
            Self::Server(..) => {}
            Self::Sentinel(_, sentinels) => sentinels.listen(),
        }
    }

    /// All ways.
    pub(super) fn ways(&self) -> Vec<Arc<Way>> {
        match self {
            Self::Server(way, _) | Self::Sentinel(way, _) => vec![Arc::clone(way)],
        }
    }

    /// The way to an entry.
    pub(super) fn way_to(&self, space: &Space, id: EntryId) -> Option<Arc<Way>> {
        match self {
            Self::Server(way, _) | Self::Sentinel(way, _) => Some(Arc::clone(way)),
        }
    }

    /// Whether it is this one.
    pub(super) fn leads_to(&self, way: &Way, space: &Space, id: EntryId) -> bool {
        match self {
            Self::Server(..) | Self::Sentinel(..) => true,
        }
    }

    /// An entry that nobody uses, at the end of this way. `None` if there can be none.
    pub(super) fn sample(&self, way: &Way, space: &Space) -> Option<EntryId> {
        Some(EntryId::from_bytes(fastrand::u128(..).to_be_bytes()))
    }

    /// The way on from a node that does not serve the entry. `None`: there is none.
    pub(super) fn follow(&self, way: &Arc<Way>, elsewhere: &Elsewhere) -> Option<Arc<Way>> {
        None
    }

    /// Where a way leads now.
    pub(super) async fn find(&self, way: &Way) -> Result<Client, Failure> {
        match self {
            Self::Server(_, client) => Ok(client.clone()),
            Self::Sentinel(_, sentinels) => sentinels.find().await,
        }
    }

    /// Wakes all tasks: something is owed, or they have to end.
    pub(super) fn wake(&self) {
        self.ways().iter().for_each(|way| way.wake());
    }
}
