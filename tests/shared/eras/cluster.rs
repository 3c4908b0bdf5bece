//! The same in a cluster, where one master has the era and another the entry.

use super::*;
use crate::support::redis_cluster::{Cluster, slot_of};

/// An entry that another master has than the era.
async fn elsewhere(cluster: &Cluster, keeper: usize) -> EntryId {
    loop {
        let id = fresh_id();
        let key = format!("{{bw1:default:{id}}}:e");
        let slot = slot_of(&cluster.nodes[0], &key).await;
        if cluster.owner(slot).await != keeper {
            return id;
        }
    }
}

#[tokio::test]
async fn who_hears_of_a_purge_in_an_era_that_was_over_tells_the_master_of_the_era_at_once() {
    let cluster = Cluster::start().await;
    let slot = slot_of(&cluster.nodes[0], ERA).await;
    let owner = cluster.owner(slot).await;
    let keeper = &cluster.nodes[owner];
    let connect = || async { RedisTier::connect(&cluster.url()).await.unwrap() };
    let id = elsewhere(&cluster, owner).await;
    for _ in 0..5 {
        run::<()>(keeper, &["DEL", ERA]).await;
        let behind = connect().await;
        let notes = Notes::hear(&behind);
        let fence = Fence::new(say(&behind, &ask(fresh_id())).await.now);
        let is_behind = || !notes.all().contains(&TierEvent::PurgedAll { fence });
        sleep(BETWEEN_HEARTBEATS).await;
        run::<()>(keeper, &["SET", ERA, &fence.to_string()]).await;
        let ahead = connect().await;
        sleep(BETWEEN_HEARTBEATS).await;
        run::<()>(keeper, &["DEL", ERA]).await;
        let start = Instant::now();
        behind.purge(id, PurgeKind::Hard, SECOND).await.unwrap();
        if !is_behind() {
            // On a busy machine its next heartbeat may have come before.
            continue;
        }
        // Else it is told, too, and tells.
        drop(behind);
        let told = || async { run::<Option<String>>(keeper, &["GET", ERA]).await };
        while told().await.is_none() {
            assert!(start.elapsed() < 5 * SECOND, "it was never told");
            sleep(Duration::from_millis(1)).await;
        }
        // Not with the next heartbeat, which is half a second away.
        assert!(start.elapsed() < SECOND / 4, "{:?}", start.elapsed());
        drop(ahead);
        return;
    }
    panic!("it was never behind");
}
