//! `RedisTier` behind sentinels: the contract, and what a failover does to its calls.

use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep, timeout};

use crate::claims;
use crate::support::faults::{call, until_is};
use crate::support::redis_bench::RedisBench;
use crate::support::redis_sentinel::{DOWN_AFTER, Sentinels};
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

async fn connect(sentinels: &Sentinels) -> RedisTier {
    let tier = RedisTier::connect(&sentinels.url()).await.unwrap();
    assert!(tier.is_up());
    tier
}

/// How many connections this crate has to a server. Of all who are there, only it is this user.
async fn connections(server: &RedisServer) -> usize {
    let list: String = run(server, &["CLIENT", "LIST"]).await;
    list.lines()
        .filter(|line| line.contains("user=bellwether"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_behind_sentinels() {
    let sentinels = Sentinels::start().await;
    let (theirs, ours) = (sentinels.url(), sentinels.servers[0].url());
    claims::in_turn!(RedisBench::new(sentinels, &theirs, &[ours]).await);
}

#[tokio::test]
async fn a_demoted_master_is_left_at_once_though_it_still_accepts_writes() {
    let sentinels = Sentinels::start().await;
    let tier = connect(&sentinels).await;
    let [old, new] = &sentinels.servers;
    assert_eq!(connections(old).await, 2);
    // One that speaks to the sentinels alone says when the switch was.
    let client = redis::Client::open(sentinels.sentinels[0].url()).unwrap();
    let mut ear = client.get_async_pubsub().await.unwrap();
    ear.subscribe("+switch-master").await.unwrap();
    let mut ear = ear.into_on_message();
    sentinels.fail_over().await;
    let next = futures_util::StreamExt::next(&mut ear);
    timeout(20 * SECOND, next).await.unwrap().unwrap();
    let start = Instant::now();
    while connections(old).await > 0 {
        assert!(start.elapsed() < SECOND / 4, "still on the old master");
    }
    let left = start.elapsed();
    let count = async || {
        let stats: String = run(old, &["INFO", "commandstats"]).await;
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        line.map(|line| line.split(',').next().unwrap().to_owned())
    };
    let before = count().await;
    until_is(&tier, true).await;
    let back = start.elapsed();
    println!("left after {left:?}, back after {back:?}");
    assert!(back < SECOND, "{back:?}");
    // A write to the old one would still be taken, and be lost.
    assert!(
        run::<String>(old, &["INFO", "replication"])
            .await
            .contains("role:master")
    );
    for _ in 0..50 {
        assert_eq!(call(&tier).await, Ok(false));
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count().await, before, "calls went to the old master");
    assert_eq!(connections(new).await, 2);
    assert_eq!(sentinels.master(0).await, new.port());
}

/// Calls until one succeeds. It is the sentinels who need the time: from
/// the moment that one of them names the new master, we need next to none.
async fn until_replaced(tier: &RedisTier, sentinels: &Sentinels) {
    let new = sentinels.servers[1].port();
    let (start, mut named) = (Instant::now(), None);
    loop {
        let begun = Instant::now();
        let result = call(tier).await;
        assert!(begun.elapsed() < SECOND / 5, "{:?}", begun.elapsed());
        let now = start.elapsed();
        if result.is_ok() {
            println!("named after {named:?}, back after {now:?}");
            let waited = named.map_or(Duration::ZERO, |named| now - named);
            assert!(waited < SECOND / 2, "{waited:?}");
            assert!(now < DOWN_AFTER + 4 * SECOND, "{now:?}");
            return;
        }
        for sentinel in 0..3 {
            if named.is_none() && sentinels.master(sentinel).await == new {
                named = Some(start.elapsed());
            }
        }
        assert!(now < 10 * SECOND, "not back");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_master_is_replaced_as_soon_as_a_sentinel_names_another() {
    let mut sentinels = Sentinels::start().await;
    let tier = connect(&sentinels).await;
    let notes = Notes::hear(&tier);
    sentinels.servers[0].kill();
    until_replaced(&tier, &sentinels).await;
    assert_eq!(notes.all()[..2], [TierEvent::Lost, TierEvent::Resumed]);
}

#[tokio::test]
async fn a_frozen_master_is_left_for_the_new_one_and_not_gone_back_to() {
    let sentinels = Sentinels::start().await;
    let tier = connect(&sentinels).await;
    let [old, new] = &sentinels.servers;
    old.stop();
    until_replaced(&tier, &sentinels).await;
    // Thawed, it holds itself for the master until a sentinel tells it otherwise.
    old.cont();
    let thawed = Instant::now();
    while thawed.elapsed() < 2 * SECOND {
        assert_eq!(call(&tier).await, Ok(false));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((connections(old).await, connections(new).await), (0, 2));
}

#[tokio::test]
async fn two_of_three_sentinels_may_be_gone_and_a_wrong_name_is_no_error_at_the_start() {
    let mut sentinels = Sentinels::start().await;
    let url = sentinels.url();
    let wrong = RedisTier::connect(&url.replace("/mymaster", "/other")).await;
    assert!(!wrong.expect("no error").is_up());
    sentinels.sentinels[0].kill();
    sentinels.sentinels[1].stop();
    let start = Instant::now();
    let tier = connect(&sentinels).await;
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    assert_eq!(call(&tier).await, Ok(false));
    // Nor does it matter to a connection that stands that none is left.
    sentinels.sentinels[2].kill();
    sleep(3 * SECOND / 2).await;
    assert_eq!(call(&tier).await, Ok(false));
}
