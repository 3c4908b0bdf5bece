//! Nodes of a cluster: one that purges, and one that has to hear of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether::shared::*;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::diary::{Diary, Purge, none_is_lost_without_a_word, purge};
use crate::support::redis_cluster::{Cluster, slot_of};
use crate::support::redis_server::run;
use crate::support::*;

/// Who hears for this long speaks; some more, for a heartbeat and a busy machine.
pub(super) const SETTLED: Duration = Duration::from_millis(4_500);

pub(super) struct Fleet {
    pub(super) cluster: Cluster,
    pub(super) speaker: RedisTier,
    /// Of what the other node hears, which is there for nothing else.
    pub(super) diary: Arc<Diary>,
    _hearer: RedisTier,
}

impl Fleet {
    /// One whose events go by the channels of the masters, if there are any.
    pub(super) async fn settled(cluster: Cluster) -> Self {
        let (speaker, hearer) = (join(&cluster).await, join(&cluster).await);
        let diary = Diary::of(&hearer);
        sleep(SETTLED).await;
        Self {
            cluster,
            speaker,
            diary,
            _hearer: hearer,
        }
    }

    /// Purges for as long as `trouble` lasts, and sees that none of that is lost without a word. How
    /// many purges there were, and how many of them were missed.
    pub(super) async fn purge_in(
        &mut self,
        trouble: impl AsyncFnOnce(&mut Self),
    ) -> (usize, usize) {
        let purging = Purging::by(&self.speaker);
        trouble(self).await;
        let purges = purging.end().await;
        sleep(SETTLED).await;
        let missed = none_is_lost_without_a_word(&self.diary, &purges);
        (purges.len(), missed)
    }

    /// Purges once, and sees that it is heard.
    pub(super) async fn tell_of(&self, id: EntryId) {
        let said = purge(&self.speaker, id).await.expect("it is up");
        while !self.diary.hears(said.id, said.fence) {
            assert!(said.answered.elapsed() < SECOND, "it was not heard");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(super) async fn join(cluster: &Cluster) -> RedisTier {
    let tier = RedisTier::connect(&cluster.url()).await.unwrap();
    assert!(tier.is_up());
    tier
}

pub(super) async fn key_on(cluster: &Cluster, master: usize) -> EntryId {
    loop {
        let id = fresh_id();
        let key = format!("{{bw1:default:{id}}}:e");
        if cluster.owner(slot_of(&cluster.nodes[0], &key).await).await == master {
            return id;
        }
    }
}

/// The channels that are heard at this node.
pub(super) async fn channels_at(cluster: &Cluster, node: usize) -> Vec<String> {
    let mut channels: Vec<_> = run(&cluster.nodes[node], &["PUBSUB", "SHARDCHANNELS"]).await;
    assert!(channels.len() > 15, "{channels:?}");
    channels.sort();
    channels
}

/// Messages that all nodes have sent over the bus: of `PUBLISH`, and of `SPUBLISH`.
pub(super) async fn sent(cluster: &Cluster) -> (u64, u64) {
    let mut sent = (0, 0);
    for node in &cluster.nodes {
        let info: String = run(node, &["CLUSTER", "INFO"]).await;
        let count = |kind: &str| {
            let name = format!("cluster_stats_messages_{kind}_sent:");
            let line = info.lines().find_map(|line| line.strip_prefix(&name));
            line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
        };
        sent.0 += count("publish");
        sent.1 += count("publishshard");
    }
    sent
}

/// Purges entry after entry, in several tasks at once, until told to end.
struct Purging {
    end: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Purge>>>,
}

impl Purging {
    fn by(tier: &RedisTier) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let task = || {
            let (tier, end) = (tier.clone(), Arc::clone(&end));
            async move {
                let mut purges = Vec::new();
                while !end.load(Ordering::SeqCst) {
                    purges.extend(purge(&tier, fresh_id()).await);
                    sleep(Duration::from_millis(1)).await;
                }
                purges
            }
        };
        let tasks = (0..4).map(|_| tokio::spawn(task())).collect();
        Self { end, tasks }
    }

    async fn end(self) -> Vec<Purge> {
        self.end.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}
