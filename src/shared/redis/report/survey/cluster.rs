//! Which masters a cluster has, by the word of one of its nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::{RedisError, Value};
use tokio::time::timeout_at;

use super::super::super::names::Space;
use super::super::super::topology::slots::{self, Owned, SLOTS};
use super::super::super::url::Host;
use super::super::facts::{Cluster, Place, Trouble};
use super::super::visit::{Visitor, ask};
use super::{random, together};
use crate::key::EntryId;

/// Most masters of a cluster that are looked at.
const MOST: usize = 64;
/// How many random entries are looked at to find one in the slots of each master. A master that
/// is left without is looked at all the same: it then says that the entry is elsewhere.
const TRIES: usize = 65_536;
/// What the first node says that answers, and whom to visit: the masters, each with an entry of
/// its own; or, if nobody says who they are, whoever can be reached.
pub(super) async fn ask_seeds(
    visitor: Visitor,
    hosts: &[Host],
    space: &Space,
) -> (Cluster, Vec<(Place, EntryId)>) {
    let visitor = Arc::new(visitor);
    let asked = hosts.iter().map(|host| {
        let (visitor, host) = (Arc::clone(&visitor), host.clone());
        async move {
            let said = timeout_at(visitor.until, ask_seed(&visitor, &host)).await;
            (host, said.unwrap_or(Err(Trouble::Late)))
        }
    });
    let (mut cluster, mut owned, mut reached) = (Cluster::default(), Vec::new(), Vec::new());
    for (host, said) in together(asked).await {
        match said {
            Ok(Some(said)) if owned.is_empty() => owned = said,
            Ok(Some(_)) => {}
            // It is there, but does not say.
            Ok(None) => reached.push((Place::Host(host), random())),
            Err(trouble) => cluster.silent.push((Place::Host(host), trouble)),
        }
    }
    if owned.is_empty() {
        return (cluster, reached);
    }
    let places = cluster.take(&owned, space);
    (cluster, places)
}

/// `None`: the node is there, but names nobody who has any slot, and will be looked at to see why.
async fn ask_seed(visitor: &Visitor, host: &Host) -> Result<Option<Vec<Owned>>, Trouble> {
    let place = Place::Host(host.clone());
    let mut link = visitor.connect(&place, &visitor.target.login, 0).await?;
    let mut pipe = redis::pipe();
    pipe.cmd("CLUSTER").arg("SLOTS");
    let said: Option<Result<Value, RedisError>> = ask(&mut link, pipe).await?.pop();
    Ok(said
        .and_then(Result::ok)
        .and_then(|said| slots::read(&said, host))
        .filter(|owned| !owned.is_empty()))
}

impl Cluster {
    fn take(&mut self, owned: &[Owned], space: &Space) -> Vec<(Place, EntryId)> {
        let mut masters = BTreeMap::new();
        let mut owner = vec![None; usize::from(SLOTS)];
        for part in owned {
            let number = masters.len();
            let (number, _) = *masters.entry(&part.host).or_insert((number, part.replicas));
            for slot in part.slots.clone() {
                owner[usize::from(slot)] = Some(number);
            }
        }
        self.covered = owner.iter().flatten().count();
        let mut ids = vec![None; masters.len()];
        let mut missing = ids.len();
        for _ in 0..TRIES {
            let id = random();
            let Some(number) = owner[usize::from(space.slot(id))] else {
                continue;
            };
            if ids[number].replace(id).is_none() {
                missing -= 1;
            }
            if missing == 0 {
                break;
            }
        }
        let places = masters.into_iter().map(|(host, (number, replicas))| {
            self.masters.push((host.clone(), replicas));
            let id = ids[number].unwrap_or_else(random);
            (Place::Host(host.clone()), id)
        });
        places.take(MOST).collect()
    }
}
