//! Finds out which servers there are, and has each looked at, all at once.

mod cluster;
mod sentinels;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::names::Space;
use super::super::tls::Tls;
use super::super::url::{Place as Places, Target};
use super::facts::{Facts, Place, Server, Whole};
use super::visit::Visitor;
use crate::key::EntryId;

/// Most time for all of it.
const LIMIT: Duration = Duration::from_secs(2);
/// What is needed for a survey. It keeps nothing of the tier alive.
#[derive(Clone)]
pub(in super::super) struct Survey {
    pub(in super::super) target: Target,
    pub(in super::super) tls: Tls,
    pub(in super::super) space: Arc<Space>,
    pub(in super::super) namespace: String,
    pub(in super::super) timeout: Duration,
}

impl Survey {
    /// Takes two seconds at most, whatever the servers do.
    pub(super) async fn run(&self) -> Facts {
        let start = Instant::now();
        let visitor = Visitor {
            target: self.target.clone(),
            tls: self.tls.clone(),
            space: Arc::clone(&self.space),
            in_cluster: matches!(self.target.place, Places::Cluster(_)),
            until: start + LIMIT,
        };
        // Who is asked the way must leave time for the visit.
        let guide = Visitor {
            until: start + LIMIT / 2,
            ..visitor.clone()
        };
        let (whole, servers) = match &self.target.place {
            Places::Server(host) => {
                let place = Place::Host(host.clone());
                (
                    Whole::Single,
                    visit_all(visitor, vec![(place, random())]).await,
                )
            }
            Places::Socket(path) => {
                let place = Place::Socket(path.clone());
                (
                    Whole::Single,
                    visit_all(visitor, vec![(place, random())]).await,
                )
            }
            Places::Sentinels {
                hosts,
                master,
                login,
            } => {
                let sentinels = sentinels::ask_all(guide, hosts, master, login).await;
                let places = sentinels::named(&sentinels).into_iter();
                let places = places.map(|host| (Place::Host(host), random()));
                let servers = visit_all(visitor, places.collect()).await;
                let master = master.clone();
                (Whole::Watched { master, sentinels }, servers)
            }
            Places::Cluster(hosts) => {
                let (cluster, places) = cluster::ask_seeds(guide, hosts, &self.space).await;
                let servers = visit_all(visitor, places).await;
                (Whole::Cluster(cluster), servers)
            }
        };
        let watcher = match &self.target.place {
            Places::Sentinels { login, .. } => login.user().to_owned(),
            _ => String::new(),
        };
        Facts {
            url: self.target.to_string(),
            tls: self.target.tls,
            user: self.target.login.user().to_owned(),
            watcher,
            namespace: self.namespace.clone(),
            timeout: self.timeout,
            limit: LIMIT,
            whole,
            servers,
        }
    }
}

fn random() -> EntryId {
    EntryId::from_bytes(fastrand::u128(..).to_be_bytes())
}

/// Runs all at once; what comes back is in their order.
async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut set = JoinSet::new();
    for (number, task) in tasks.into_iter().enumerate() {
        set.spawn(async move { (number, task.await) });
    }
    let mut done = BTreeMap::new();
    while let Some(joined) = set.join_next().await {
        // An error would mean that the runtime is shutting down.
        done.extend(joined.ok());
    }
    done.into_values().collect()
}

async fn visit_all(visitor: Visitor, places: Vec<(Place, EntryId)>) -> Vec<Server> {
    let visitor = Arc::new(visitor);
    let visits = places.into_iter().map(|(place, id)| {
        let visitor = Arc::clone(&visitor);
        async move { visitor.visit(place, id).await }
    });
    together(visits).await
}
