//! Delivers what this node owes the store.

use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::debts::{Done, OwedPurge};
use super::era::ERA;
use super::failure::Failure;
use super::link::Links;
use super::way::Way;
use super::{Inner, reply, wire};
use crate::shared::Release;
use crate::shared::limits::GRACE;

/// Purges that go in one round trip.
const BATCH: usize = 100;

/// Delivers the purge of everything, or learns of one, if this server is the one to ask; then all
/// other purges that are for it; then gives back all leases there that nobody has. What fails stays
/// owed.
///
/// # Errors
/// The first failure; each step takes at most `limit`.
pub(super) async fn pay(
    inner: &Inner,
    way: &Way,
    links: &mut Links,
    limit: Duration,
) -> Result<(), Failure> {
    let ours = |id| inner.topology.leads_to(way, &inner.space, id);
    let in_time = |done: Result<_, Elapsed>| done.unwrap_or(Err(Failure::Late));
    if ours(ERA) {
        in_time(timeout(limit, inner.look_at_era(links)).await)?;
    }
    loop {
        let owed = inner.debts.purges(BATCH, ours);
        let Some((first, rest)) = owed.split_first() else {
            break;
        };
        // Alone, since this one makes sure that the server knows the script.
        in_time(timeout(limit, one(inner, links, *first)).await)?;
        if !rest.is_empty() {
            in_time(timeout(limit, many(inner, links, rest)).await)?;
        }
    }
    while let Some(ghost) = inner.debts.next_ghost(ours) {
        let release = Release {
            id: ghost.id,
            token: ghost.token,
            block: None,
            within: limit,
        };
        let names = match ghost.is_lock {
            true => inner.space.lock_names(ghost.id),
            false => inner.space.names(ghost.id),
        };
        let sent = wire::release_of(&mut links.control, &inner.space, &names, &release, GRACE);
        match timeout(limit, sent).await.unwrap_or(Err(Failure::Late)) {
            // Not there any more, or not ours: nothing is owed.
            Ok(_) | Err(Failure::Foreign(_)) => {}
            Err(failure) => {
                inner.debts.owe_release(ghost);
                return Err(failure);
            }
        }
    }
    Ok(())
}

async fn one(inner: &Inner, links: &mut Links, purge: OwedPurge) -> Result<(), Failure> {
    let sent = inner.purge_for(links, purge.id, purge.kind).await;
    settle(inner, purge, sent.map(drop))
}

async fn many(inner: &Inner, links: &mut Links, purges: &[OwedPurge]) -> Result<(), Failure> {
    let era = inner.space.era.current();
    let mut pipe = redis::pipe();
    pipe.ignore_errors();
    for purge in purges {
        let (link, space) = (&links.control, &inner.space);
        let (id, kind) = (purge.id, purge.kind);
        pipe.add_command(wire::purge_by_digest(link, space, era, id, kind));
    }
    let replies: Vec<RedisResult<Value>> = pipe.query_async(&mut links.control).await?;
    for (purge, said) in purges.iter().zip(replies) {
        let OwedPurge { id, kind, .. } = *purge;
        let fence = said.map_err(Failure::from).and_then(reply::purged);
        let counts = fence.map(|fence| inner.purge_counts(Done { id, kind, fence }, era));
        // Else it stays owed, to the era of now.
        if !matches!(counts, Ok(false)) {
            settle(inner, *purge, counts.map(drop))?;
        }
    }
    Ok(())
}

fn settle(inner: &Inner, purge: OwedPurge, result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        // What is not ours cannot be purged, and must not stand in the way of the rest.
        Ok(()) | Err(Failure::Foreign(_)) => {
            inner.debts.purge_paid(purge);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}
