//! `RedisTier` on a cluster: the contract, moving slots, and masters that die, freeze and are
//! replaced.

use std::time::Duration;

use bellwether::ErrorKind;
use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::claims;
use crate::support::faults::acquire;
use crate::support::redis_bench::RedisBench;
use crate::support::redis_cluster::{Cluster, NODE_TIMEOUT, slot_of};
use crate::support::redis_server::run;
use crate::support::*;

/// Else the nodes that are left refuse everything while a slot has no master.
const PARTIAL: [&str; 2] = ["--cluster-require-full-coverage", "no"];
/// The limit of a call is 100 ms; the machine is shared.
const OVERDUE: Duration = Duration::from_millis(200);

async fn connect(cluster: &Cluster) -> RedisTier {
    let tier = RedisTier::connect(&cluster.url()).await.unwrap();
    assert!(tier.is_up());
    tier
}

fn key(id: EntryId) -> String {
    format!("{{bw1:default:{id}}}:e")
}

/// An entry on each of the masters.
async fn one_each(cluster: &Cluster) -> [EntryId; 3] {
    let mut ids = [None; 3];
    while ids.contains(&None) {
        let id = fresh_id();
        let slot = slot_of(&cluster.nodes[0], &key(id)).await;
        ids[cluster.owner(slot).await] = Some(id);
    }
    ids.map(Option::unwrap)
}

/// A call that is let through whenever its server is believed to be there, and how long it took.
async fn call(tier: &RedisTier, id: EntryId) -> (Result<bool, ErrorKind>, Duration) {
    let renew = Renew {
        id,
        token: Token::from_bytes([9; 16]),
        fence: Fence::new(1),
        lease: SECOND,
        within: SECOND,
    };
    let start = Instant::now();
    let result = tier.renew(renew).await.map_err(|error| error.kind());
    assert!(start.elapsed() < OVERDUE, "{:?}", start.elapsed());
    (result, start.elapsed())
}

/// Calls about all entries until the first one of them is served again, which takes at least one
/// failure. The others never fail. How long it took, and how many calls were slow.
async fn until_served_again(
    tier: &RedisTier,
    ids: [EntryId; 3],
    most: Duration,
) -> (Duration, u32) {
    let (start, mut failed, mut slow) = (Instant::now(), false, 0);
    loop {
        for well in &ids[1..] {
            assert_eq!(call(tier, *well).await.0, Ok(false), "the others are well");
        }
        let (result, took) = call(tier, ids[0]).await;
        slow += u32::from(took > Duration::from_millis(50));
        match result {
            Ok(_) if failed => return (start.elapsed(), slow),
            Ok(_) => {}
            Err(_) => failed = true,
        }
        assert!(start.elapsed() < most, "not served again");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_a_cluster() {
    let cluster = Cluster::start().await;
    let (theirs, ours) = (cluster.url(), cluster.masters());
    claims::in_turn!(RedisBench::new(cluster, &theirs, &ours).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_slot_is_found_when_the_first_one_moves_there() {
    let cluster = Cluster::start().await;
    let tier = connect(&cluster).await;
    // The replica of the third becomes a master of nothing.
    let empty = cluster.become_empty_master(5).await;
    let [moving, ..] = one_each(&cluster).await;
    let slot = slot_of(&cluster.nodes[0], &key(moving)).await;
    cluster.open(slot, 0, empty).await;
    cluster.migrate(slot, 0, empty).await;
    cluster.close(slot, 0, empty).await;
    let start = Instant::now();
    while call(&tier, moving).await.0.is_err() {
        assert!(start.elapsed() < 2 * SECOND, "not found");
        sleep(Duration::from_millis(2)).await;
    }
    println!("a new node is in use after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_node_of_a_cluster_is_no_single_server() {
    let cluster = Cluster::start().await;
    let tier = RedisTier::connect(&cluster.nodes[0].url())
        .await
        .expect("no error");
    for id in one_each(&cluster).await {
        let _ = call(&tier, id).await;
    }
    assert!(!tier.is_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_fails_its_own_calls_alone_until_its_replica_takes_over() {
    let mut cluster = Cluster::with(&PARTIAL).await;
    let tier = connect(&cluster).await;
    let ids = one_each(&cluster).await;
    cluster.nodes[0].kill();
    let most = NODE_TIMEOUT + 4 * SECOND;
    let (took, slow) = until_served_again(&tier, ids, most).await;
    println!("killed: served again after {took:?}, {slow} slow calls");
    assert!(slow <= 1, "{slow} slow calls");
    assert!(tier.is_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_master_costs_five_slow_calls_until_its_replica_takes_over() {
    let cluster = Cluster::with(&PARTIAL).await;
    let tier = connect(&cluster).await;
    let ids = one_each(&cluster).await;
    cluster.nodes[0].stop();
    let most = NODE_TIMEOUT + 4 * SECOND;
    let (took, slow) = until_served_again(&tier, ids, most).await;
    println!("frozen: served again after {took:?}, {slow} slow calls");
    assert!(slow <= 6, "{slow} slow calls");
    // Thawed, it finds itself a replica: nothing is asked there, and nothing fails.
    cluster.nodes[0].cont();
    let thawed = Instant::now();
    while thawed.elapsed() < 2 * SECOND {
        for id in ids {
            let (result, _) = call(&tier, id).await;
            assert_eq!(result, Ok(false));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_stays_down_fails_its_own_calls_at_once_and_no_others() {
    // Nobody may take over, and the rest goes on serving what it has.
    let options = [&PARTIAL[..], &["--cluster-replica-no-failover", "yes"]].concat();
    let mut cluster = Cluster::with(&options).await;
    let (tier, other) = (connect(&cluster).await, connect(&cluster).await);
    let ids = one_each(&cluster).await;
    let notes = Notes::hear(&other);
    cluster.nodes[0].kill();
    sleep(NODE_TIMEOUT + 2 * SECOND).await;
    for _ in 0..100 {
        let (down, took) = call(&tier, ids[0]).await;
        assert_eq!(down, Err(ErrorKind::Unavailable));
        assert!(took < Duration::from_millis(20), "{took:?}");
        for id in &ids[1..] {
            assert_eq!(call(&tier, *id).await.0, Ok(false));
        }
    }
    // A purge of what is down is owed; one of what is not is heard by everyone.
    let owed = tier.purge(ids[0], PurgeKind::Hard, SECOND).await;
    assert!(owed.expect_err("down").is_unavailable());
    tier.purge(ids[1], PurgeKind::Hard, SECOND).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(notes.about(ids[1]).len(), 1, "{:?}", notes.all());
    cluster.nodes[0].restart();
    let start = Instant::now();
    while notes.about(ids[0]).is_empty() {
        assert!(start.elapsed() < 10 * SECOND, "the purge was not delivered");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_the_events_may_die_and_another_one_hears_them() {
    let mut cluster = Cluster::start().await;
    let tier = connect(&cluster).await;
    let ids = one_each(&cluster).await;
    let notes = Notes::hear(&tier);
    let mut ear = None;
    for (number, node) in cluster.nodes.iter().enumerate().take(3) {
        let list: String = run(node, &["CLIENT", "LIST", "TYPE", "PUBSUB"]).await;
        // Shard channels are listened to everywhere.
        let hears = list.contains(" sub=") && !list.lines().all(|line| line.contains(" sub=0 "));
        ear = ear.or(hears.then_some(number));
    }
    let ear = ear.expect("it listens");
    let other = connect(&cluster).await;
    let start = Instant::now();
    cluster.nodes[ear].kill();
    while notes.all().last() != Some(&TierEvent::Resumed) || notes.all().len() < 2 {
        assert!(start.elapsed() < SECOND, "{:?}", notes.all());
        sleep(Duration::from_millis(2)).await;
    }
    println!("heard again after {:?}", start.elapsed());
    assert_eq!(notes.all()[..2], [TierEvent::Lost, TierEvent::Resumed]);
    let well = ids[(ear + 1) % 3];
    other.purge(well, PurgeKind::Hard, SECOND).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(notes.about(well).len(), 1);
    // The heartbeats of those who are left come back.
    sleep(3 * SECOND / 2).await;
    assert!(notes.all().contains(&TierEvent::Alive));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_while_calls_run_and_only_entries_between_two_nodes_wait() {
    let cluster = Cluster::start().await;
    let tier = connect(&cluster).await;
    let [moving, still, _] = one_each(&cluster).await;
    let slot = slot_of(&cluster.nodes[0], &key(moving)).await;
    let notes = Notes::hear(&tier);
    let leased_there = ask(moving);
    let fence = leased(&tier.acquire(leased_there.clone()).await.unwrap());
    let calls = async {
        let mut failed = 0;
        for _ in 0..300 {
            assert_eq!(call(&tier, still).await.0, Ok(false));
            failed += u32::from(call(&tier, moving).await.0.is_err());
            sleep(Duration::from_millis(1)).await;
        }
        failed
    };
    let moves = async {
        cluster.open(slot, 0, 2).await;
        sleep(Duration::from_millis(50)).await;
        cluster.migrate(slot, 0, 2).await;
        sleep(Duration::from_millis(50)).await;
        // Both its keys are there, though the slot is not: the old node sends us on.
        let renew = Renew {
            id: moving,
            token: leased_there.token,
            fence,
            lease: 10 * SECOND,
            within: SECOND,
        };
        assert!(tier.renew(renew).await.unwrap(), "by ASK");
        let stored = tier
            .commit(commit(moving, leased_there.token, fence, Some("b")))
            .await;
        assert!(matches!(stored, Ok(Committed::Stored { .. })), "{stored:?}");
        cluster.close(slot, 0, 2).await;
    };
    let (failed, ()) = tokio::join!(calls, moves);
    println!("{failed} of 300 calls about the moving entry failed");
    assert!(failed < 150, "{failed}");
    let answer = acquire(&tier, moving).await;
    assert_eq!(answer.view.unwrap().content.unwrap().body, "b");
    assert_eq!(
        run::<i64>(&cluster.nodes[2], &["EXISTS", &key(moving)]).await,
        1
    );
    assert_eq!(notes.about(moving).len(), 0);
    assert!(!notes.all().contains(&TierEvent::Lost), "{:?}", notes.all());
    // On its way back, with one key of two: nobody can serve it, which is no fault of a server.
    cluster.open(slot, 2, 0).await;
    for _ in 0..20 {
        assert_eq!(call(&tier, moving).await.0, Err(ErrorKind::Unavailable));
        assert_eq!(call(&tier, still).await.0, Ok(false));
    }
    cluster.migrate(slot, 2, 0).await;
    cluster.close(slot, 2, 0).await;
    // Whoever does not have it any more says who does, and that is all it costs.
    for _ in 0..20 {
        assert_eq!(call(&tier, moving).await.0, Ok(false));
    }
}
