//! Whatever becomes of a channel: each event is heard, or who missed one is told so.

use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use super::diary::{Purge, none_is_lost_without_a_word, purge};
use super::fleet::{Fleet, SETTLED, channels_at, key_on, sent};
use crate::support::redis_cluster::{Cluster, NODE_TIMEOUT, slot_of};
use crate::support::redis_server::run;
use crate::support::redis_version::{SHARD_CHANNELS, applies};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_move_from_master_to_master_and_no_event_is_lost_without_a_word() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let mut fleet = Fleet::settled(Cluster::start().await).await;
    let channels = channels_at(&fleet.cluster, 0).await;
    let mut shouted = Vec::new();
    let moves = async |fleet: &mut Fleet| {
        let cluster = &fleet.cluster;
        for channel in &channels {
            let slot = slot_of(&cluster.nodes[0], channel).await;
            let moves = async {
                cluster.open(slot, 0, 2).await;
                cluster.migrate(slot, 0, 2).await;
                cluster.close(slot, 0, 2).await;
                sleep(Duration::from_millis(50)).await;
            };
            shouted.extend(shouting(cluster, channel, [0, 2], moves).await);
        }
    };
    let (purges, missed) = fleet.purge_in(moves).await;
    let Fleet { cluster, diary, .. } = &fleet;
    let unheard = none_is_lost_without_a_word(diary, &shouted);
    println!(
        "{} channels moved: {missed} of {purges} purges missed, and {unheard} of {} that were \
         told of while the channel moved; told so {} times",
        channels.len(),
        shouted.len(),
        diary.resumed().len()
    );
    assert!(purges > 500 && missed < purges / 10);
    assert!(unheard > 0, "it was not put to the test");
    for channel in &channels {
        let words = ["PUBSUB", "SHARDNUMSUB", channel];
        let (_, hearers): (String, u64) = run(&cluster.nodes[2], &words).await;
        assert_eq!(hearers, 2, "{channel}");
    }
    // The first one is without any, so what is told there goes to all.
    let before = sent(cluster).await.1;
    fleet.tell_of(key_on(cluster, 0).await).await;
    assert_eq!(sent(cluster).await.1, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_and_no_event_is_lost_without_a_word() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::with(&["--cluster-require-full-coverage", "no"]).await;
    let mut fleet = Fleet::settled(cluster).await;
    let id = key_on(&fleet.cluster, 0).await;
    let takeover = async |fleet: &mut Fleet| {
        sleep(Duration::from_millis(300)).await;
        fleet.cluster.nodes[0].kill();
        let killed = Instant::now();
        let dead = Duration::from_millis(100);
        while killed.elapsed() < dead || purge(&fleet.speaker, id).await.is_none() {
            let took = killed.elapsed();
            assert!(took < NODE_TIMEOUT + 6 * SECOND, "nobody took over");
            sleep(Duration::from_millis(20)).await;
        }
        sleep(SETTLED).await;
    };
    let (purges, missed) = fleet.purge_in(takeover).await;
    println!("taken over: {missed} of {purges} events missed");
    // By shards again: who took over is the one that is left of the three replicas.
    let before = spoken(&fleet.cluster).await;
    fleet.tell_of(id).await;
    assert_eq!(spoken(&fleet.cluster).await - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_cut_off_from_the_channels_is_told_so() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let mut fleet = Fleet::settled(Cluster::start().await).await;
    let cuts = async |fleet: &mut Fleet| {
        for round in 0..6 {
            let node = &fleet.cluster.nodes[round % 3];
            let clients: String = run(node, &["CLIENT", "LIST"]).await;
            for client in clients.lines() {
                let field = |name: &str| client.split(' ').find_map(|word| word.strip_prefix(name));
                if field("ssub=").is_some_and(|number| number != "0") {
                    run::<()>(node, &["CLIENT", "KILL", "ID", field("id=").unwrap()]).await;
                }
            }
            sleep(Duration::from_millis(300)).await;
        }
    };
    let (purges, missed) = fleet.purge_in(cuts).await;
    println!("cut off: {missed} of {purges} events missed");
    let told = fleet.diary.resumed().len();
    assert!(told >= 6, "{told}");
}

/// Tells of purges on this channel, one after the other, at whichever of two masters takes it, until
/// the end of `meanwhile`: another node may know sooner than ours who has the channel now.
async fn shouting(
    cluster: &Cluster,
    channel: &str,
    masters: [usize; 2],
    meanwhile: impl Future<Output = ()>,
) -> Vec<Purge> {
    let mut links = Vec::new();
    for master in masters {
        let client = redis::Client::open(cluster.nodes[master].url()).unwrap();
        links.push(client.get_multiplexed_async_connection().await.unwrap());
    }
    let mut said = Vec::new();
    let shout = async {
        loop {
            for link in &mut links {
                let (id, fence, sent) = (fresh_id(), Fence::new(7), Instant::now());
                let mut cmd = redis::cmd("SPUBLISH");
                cmd.arg(channel).arg(format!("p:{id}:{fence}:h:0"));
                if cmd.exec_async(link).await.is_ok() {
                    let answered = Instant::now();
                    said.push(Purge {
                        id,
                        fence,
                        sent,
                        answered,
                    });
                }
            }
        }
    };
    tokio::select! {
        () = shout => {}
        () = meanwhile => {}
    }
    said
}

/// How often the three servers that began as replicas were told to speak by a channel.
async fn spoken(cluster: &Cluster) -> u64 {
    let mut sum = 0;
    for node in &cluster.nodes[3..] {
        let stats: String = run(node, &["INFO", "commandstats"]).await;
        let mut lines = stats.lines();
        let calls = lines.find_map(|line| line.strip_prefix("cmdstat_spublish:calls="));
        let calls = calls.and_then(|calls| calls.split(',').next());
        sum += calls.map_or(0, |calls| calls.parse::<u64>().unwrap());
    }
    sum
}
