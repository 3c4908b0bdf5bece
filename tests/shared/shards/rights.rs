//! Users and servers without such channels.

use std::time::Duration;

use bellwether::shared::*;
use tokio::time::sleep;

use super::diary::{Diary, purge};
use super::fleet::{Fleet, SETTLED, join, sent};
use crate::support::redis_cluster::Cluster;
use crate::support::redis_server::run;
use crate::support::redis_version::{SHARD_CHANNELS, applies, version};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_hear_the_channels_checks_every_second_and_speaks_to_all() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let mut words = vec!["ACL", "SETUSER", "deaf"];
        words.extend(rights_in_a_cluster());
        words.push("-ssubscribe");
        run::<()>(node, &words).await;
    }
    let speaker = join(&cluster).await;
    let url = cluster.url().replace("bellwether:", "deaf:");
    let deaf = RedisTier::connect(&url).await.unwrap();
    assert!(deaf.is_up());
    let (ours, theirs) = (Diary::of(&speaker), Diary::of(&deaf));
    sleep(SETTLED).await;
    for _ in 0..3 {
        let missed = purge(&speaker, fresh_id()).await.expect("it is up");
        sleep(Duration::from_millis(1_500)).await;
        assert!(ours.hears(missed.id, missed.fence));
        assert!(!theirs.hears(missed.id, missed.fence), "it may not");
        assert!(theirs.resumed().iter().any(|at| *at > missed.answered));
    }
    let before = sent(&cluster).await.1;
    let told = purge(&deaf, fresh_id()).await.expect("it is up");
    sleep(Duration::from_millis(100)).await;
    assert!(ours.hears(told.id, told.fence) && theirs.hears(told.id, told.fence));
    assert_eq!(sent(&cluster).await.1, before);
    assert!(theirs.times(|event| *event == TierEvent::Lost).is_empty());
    // About once a second, not once for each master.
    assert!(theirs.resumed().len() < 16, "{}", theirs.resumed().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_hear_them_speaks_to_all() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        run::<()>(node, &["ACL", "SETUSER", "bellwether", "-spublish"]).await;
    }
    say_all_to_all(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_know_no_such_channels_tell_all_and_nobody_doubts() {
    // As those before Redis 7.
    let cluster = match version().has(SHARD_CHANNELS) {
        true => Cluster::with(&["--rename-command", "SSUBSCRIBE", ""]).await,
        false => Cluster::start().await,
    };
    say_all_to_all(cluster).await;
}

/// All is told to all, and nothing is missed.
async fn say_all_to_all(cluster: Cluster) {
    let fleet = Fleet::settled(cluster).await;
    let told = fleet.diary.resumed().len();
    for _ in 0..100 {
        fleet.tell_of(fresh_id()).await;
    }
    assert_eq!(sent(&fleet.cluster).await.1, 0);
    let now = fleet.diary.resumed().len();
    assert_eq!(now, told, "there is nothing to doubt");
}
