//! By which way an event goes: by its master's channel, to all if there is none.

use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use super::diary::{Diary, purge};
use super::fleet::{SETTLED, channels_at, join, key_on, sent};
use crate::support::redis_cluster::Cluster;
use crate::support::redis_server::run;
use crate::support::redis_version::{SHARD_CHANNELS, applies};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_stay_with_their_master_and_reach_every_node() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let (first, second) = (join(&cluster).await, join(&cluster).await);
    let diaries = [Diary::of(&first), Diary::of(&second)];
    // At first they go to all, and are heard as well.
    let before = sent(&cluster).await;
    let early = purge(&first, fresh_id()).await.expect("it is up");
    sleep(Duration::from_millis(200)).await;
    assert!(diaries.iter().all(|one| one.hears(early.id, early.fence)));
    assert_eq!(sent(&cluster).await.1, before.1);

    sleep(SETTLED).await;
    let told = diaries[1].resumed().len();
    go_by_shards(&cluster, &first, &[&diaries[0], &diaries[1]], 300).await;
    // Those of a refresh and of a lock, too.
    let (shards, id) = (sent(&cluster).await.1, fresh_id());
    let asked = ask(id);
    let fence = leased(&first.acquire(asked.clone()).await.unwrap());
    second.acquire(ask(id)).await.unwrap();
    let done = first.commit(commit(id, asked.token, fence, Some("b")));
    assert!(matches!(done.await, Ok(Committed::Stored { .. })));
    let given = ask(fresh_id());
    first.acquire(given.clone()).await.unwrap();
    second.acquire(ask(given.id)).await.unwrap();
    let released = first.release(release(given.id, given.token, None));
    assert!(released.await.unwrap());
    sleep(Duration::from_millis(100)).await;
    assert_eq!(sent(&cluster).await.1 - shards, 2);
    assert_eq!(
        diaries[1].resumed().len(),
        told,
        "it has no reason to doubt"
    );
    let alive = |diary: &Diary| {
        let all = diary.times(|event| *event == TierEvent::Alive);
        all.last().is_some_and(|at| at.elapsed() < 2 * SECOND)
    };
    assert!(diaries.iter().all(|diary| alive(diary)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_whose_channel_is_elsewhere_tells_all() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let tier = join(&cluster).await;
    let diary = Diary::of(&tier);
    let script = include_str!("../../../src/shared/redis/scripts/purge.lua");
    let of_first = channels_at(&cluster, 0).await;
    let of_second = channels_at(&cluster, 1).await;
    for (shard, by_shards) in [(&of_first[0], 1), (&of_second[0], 0)] {
        let (before, id) = (sent(&cluster).await.1, key_on(&cluster, 0).await);
        let (entry, lease) = (
            format!("{{bw1:default:{id}}}:e"),
            format!("{{bw1:default:{id}}}:l"),
        );
        let (common, id) = ("bw1:0:default:ev", id.to_string());
        let words = [
            "EVAL", script, "2", &entry, &lease, "h", "60000", common, &id, "0", shard,
        ];
        let fence: String = run(&cluster.nodes[0], &words).await;
        sleep(Duration::from_millis(100)).await;
        let heard = diary.times(|event| {
            matches!(event, TierEvent::Purged { id: about, fence: by, .. }
                if about.to_string() == id && by.to_string() == fence)
        });
        assert_eq!(heard.len(), 1, "{shard}");
        assert_eq!(sent(&cluster).await.1 - before, by_shards, "{shard}");
    }
}

/// `number` purges by one node are heard by the other ones, by way of shards alone.
async fn go_by_shards(cluster: &Cluster, speaker: &RedisTier, diaries: &[&Diary], number: usize) {
    let before = sent(cluster).await;
    let start = Instant::now();
    let mut purges = Vec::new();
    for _ in 0..number {
        purges.push(purge(speaker, fresh_id()).await.expect("it is up"));
    }
    sleep(Duration::from_millis(200)).await;
    for diary in diaries {
        for purge in &purges {
            assert!(diary.hears(purge.id, purge.fence));
        }
    }
    let after = sent(cluster).await;
    let number = u64::try_from(number).unwrap();
    // One replica each.
    assert_eq!(after.1 - before.1, number);
    // Heartbeats, which each of the nodes sends by way of each master, go to five others.
    let nodes = u64::try_from(diaries.len()).unwrap() + 1;
    let beats = 3 * nodes * (start.elapsed().as_secs() + 2) * 5;
    assert!(
        after.0 - before.0 <= beats,
        "{} of {beats}",
        after.0 - before.0
    );
    assert!(beats < number * 5, "too slow to tell");
}
