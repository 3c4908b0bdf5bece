//! A cluster.

use std::time::Duration;

use bellwether::shared::{RedisTier, Severity};
use tokio::time::sleep;

use crate::support::faults::store;
use crate::support::redis_cluster::Cluster;
use crate::support::redis_server::run;
use crate::support::redis_version::{PART_RULES, SHARD_CHANNELS, version};
use crate::support::within;
use crate::{advice, found, no_problem, nothing_about, paste, problem, report};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_described_and_what_is_missing_is_found() {
    let mut cluster = Cluster::start().await;
    // Nodes do not name replicas that have not received anything yet.
    let tier = RedisTier::connect(&cluster.url()).await.unwrap();
    let named = async {
        while !tier.report().await.to_string().contains("3 replicas") {
            store(&tier, "b").await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    within("the replicas to be named", named).await;
    let said = tier.report().await;
    assert_eq!(said.findings().count(), 0, "{said}");
    let text = said.to_string();
    assert!(
        text.contains("3 masters, 3 replicas, 16384 of 16384 slots covered"),
        "{text}"
    );
    for master in cluster.masters() {
        let place = master.replace("redis://", "");
        let shown = version().shown_to_the_least();
        assert!(text.contains(&format!("{place}: {shown}")), "{text}");
    }

    // A user that may ask for more gets advice, which is the same on all nodes and said once.
    let all = cluster.url().replace("bellwether:PASSWORD@", "");
    let said = report(&all).await;
    no_problem(&said);
    for word in [
        "cluster-require-full-coverage",
        "a purge among them",
        "no maxmemory",
    ] {
        let finding = advice(&said, word);
        assert_eq!(finding.places().count(), 3, "{finding}");
        for node in &cluster.nodes {
            paste(node, finding).await;
        }
    }
    assert_eq!(report(&all).await.findings().count(), 0);

    // Missing rights, on one node only.
    let slots = if version().has(PART_RULES) {
        "-cluster|slots"
    } else {
        "-cluster"
    };
    let mut words = vec!["ACL", "SETUSER", "bellwether", slots, "-asking", "-unlink"];
    if version().has(SHARD_CHANNELS) {
        words.extend(["-ssubscribe", "-spublish"]);
    }
    run::<()>(&cluster.nodes[1], &words).await;
    let said = report(&cluster.url()).await;
    let finding = problem(&said);
    let place = format!("127.0.0.1:{}", cluster.nodes[1].port());
    assert_eq!(finding.places().collect::<Vec<_>>(), [place]);
    for word in &words[3..] {
        let word = word.replace('-', "+");
        assert!(finding.what().contains(&word), "{word}: {finding}");
    }
    paste(&cluster.nodes[1], finding).await;
    no_problem(&report(&cluster.url()).await);

    // On those that the URL names, so that nobody says which masters there are.
    for node in [0, 4] {
        let words = ["ACL", "SETUSER", "bellwether", slots, "-del"];
        run::<()>(&cluster.nodes[node], &words).await;
    }
    let said = report(&cluster.url()).await;
    let all = found(&said, Severity::Problem);
    let rights = all.iter().find(|finding| finding.what().contains("lacks"));
    let rights = rights.unwrap_or_else(|| panic!("{said}"));
    for node in [0, 4] {
        paste(&cluster.nodes[node], rights).await;
    }
    no_problem(&report(&cluster.url()).await);

    // Else a master refuses writes as soon as its only replica is away, as it was told to.
    for node in &cluster.nodes {
        run::<()>(node, &["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    }
    // A host of the URL that is away, and no master: advice.
    cluster.nodes[4].kill();
    let said = report(&cluster.url()).await;
    no_problem(&said);
    advice(&said, "of this host of the URL: nothing listens there");

    // A slot that nobody has.
    for node in [0, 1, 2, 3, 5] {
        run::<()>(&cluster.nodes[node], &["CLUSTER", "DELSLOTS", "0"]).await;
    }
    let said = report(&cluster.url()).await;
    let finding = problem(&said);
    assert!(
        finding.what().contains("1 of 16384 slots without"),
        "{said}"
    );
    nothing_about(&said, "lacks");
}
