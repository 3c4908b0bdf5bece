//! One server: what is seen of it, and states in which it cannot serve.

use std::time::Duration;

use bellwether::shared::RedisTier;
use tokio::time::sleep;

use crate::support::redis_server::{RedisServer, run};
use crate::support::redis_version::version;
use crate::support::{SECOND, within};
use crate::{advice, found, no_problem, nothing_about, paste, problem, report};
use bellwether::shared::Severity;

/// One about which there is nothing to say.
fn good() -> RedisServer {
    RedisServer::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
}

#[tokio::test]
async fn a_good_server_is_described_and_nothing_is_found() {
    let server = good();
    let tier = RedisTier::builder(&(server.url() + "/2")).namespace("shop");
    let tier = tier.connect().await.unwrap();
    let report = tier.report().await;
    assert_eq!(report.findings().count(), 0, "{report}");
    // What other tests go by is what this one says of itself.
    let info: String = run(&server, &["INFO", "server"]).await;
    let field = format!("{}_version:", version().product.to_lowercase());
    let said = info.lines().find_map(|line| line.strip_prefix(&field));
    assert_eq!(said, Some(&*version().text));
    let text = report.to_string();
    for said in [
        &format!(
            "redis://127.0.0.1:{}/2, namespace shop, not encrypted",
            server.port()
        ),
        &format!("{}, master", version().shown()),
        "of 100.0 MiB used, allkeys-lru",
        "user default: all that are needed",
        " ms; a call is given up after 100 ms",
        "this node's, give or take",
        "verdict      no problem",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{text}");
}

#[tokio::test]
async fn nothing_is_left_behind_that_does_not_end_by_itself() {
    let server = good();
    for _ in 0..3 {
        no_problem(&report(&server.url()).await);
    }
    for key in run::<Vec<String>>(&server, &["KEYS", "*"]).await {
        let left: i64 = run(&server, &["PTTL", &key]).await;
        assert!(left <= 1_000 && left != -1, "{key} stays for {left} ms");
    }
    let gone = async {
        while run::<u64>(&server, &["DBSIZE"]).await > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("what was tried to be gone", gone).await;
}

#[tokio::test]
async fn a_replica_is_a_problem_and_the_cure_names_its_master() {
    let master = good();
    let port = master.port().to_string();
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &port]);
    let linked = async {
        let info = async || run::<String>(&replica, &["INFO", "replication"]).await;
        while !info().await.contains("master_link_status:up") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("the replica to be one", linked).await;
    let said = report(&replica.url()).await;
    let problem = problem(&said);
    assert!(problem.what().contains("replica"), "{problem}");
    let place = format!("127.0.0.1:{}", replica.port());
    assert_eq!(problem.places().collect::<Vec<_>>(), [place]);
    let cure = problem.commands().next().unwrap();
    assert_eq!(cure, master.url());
    no_problem(&report(cure).await);
}

#[tokio::test]
async fn a_server_that_refuses_writes_says_why_and_the_cure_is_one() {
    // Without replicas.
    let server = good();
    run::<()>(&server, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let said = report(&server.url()).await;
    let finding = problem(&said);
    assert!(
        finding.what().contains("min-replicas-to-write"),
        "{finding}"
    );
    paste(&server, finding).await;
    no_problem(&report(&server.url()).await);

    // Without a disk.
    let server = RedisServer::with(&["--save", "3600", "1", "--dbfilename", "dump.rdb"]);
    std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();
    run::<()>(&server, &["SET", "a", "b"]).await;
    run::<()>(&server, &["BGSAVE"]).await;
    let failed = async {
        let info = async || run::<String>(&server, &["INFO", "persistence"]).await;
        while !info().await.contains("rdb_last_bgsave_status:err") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("the snapshot to fail", failed).await;
    let said = report(&server.url()).await;
    let finding = problem(&said);
    assert!(finding.what().contains("snapshot"), "{finding}");
    paste(&server, finding).await;
    no_problem(&report(&server.url()).await);
}

#[tokio::test]
async fn a_node_of_a_cluster_and_a_lone_server_are_told_apart() {
    let node = RedisServer::of(None, &["--cluster-enabled", "yes"], 55_535);
    let said = report(&node.url()).await;
    let finding = problem(&said);
    let cure = finding.commands().next().unwrap();
    assert_eq!(cure, format!("redis+cluster://127.0.0.1:{}/", node.port()));
    // It is one, and no more: nobody has any slot.
    let said = report(cure).await;
    nothing_about(&said, "by itself");
    let problems = found(&said, Severity::Problem);
    assert!(
        problems
            .iter()
            .any(|finding| finding.what().contains("16384 of 16384 slots")),
        "{said}"
    );

    let server = good();
    let url = server.url().replace("redis://", "redis+cluster://");
    let said = report(&url).await;
    let finding = problem(&said);
    assert!(finding.what().contains("by itself"), "{finding}");
    assert_eq!(
        finding.commands().next().unwrap(),
        server.url() + "/",
        "{finding}"
    );
}

#[tokio::test]
async fn a_far_server_is_advice_and_one_too_far_a_problem() {
    let server = good();
    for (delay, severity) in [(60, Severity::Advice), (150, Severity::Problem)] {
        let far = crate::away::delayed(&server, Duration::from_millis(delay)).await;
        let said = report(&far).await;
        let all: Vec<_> = found(&said, severity);
        let about = all
            .iter()
            .filter(|one| one.what().contains("a round trip takes"));
        assert_eq!(about.count(), 1, "{said}");
    }
    // With more time for each call it is near enough.
    let far = crate::away::delayed(&server, Duration::from_millis(60)).await;
    let tier = RedisTier::builder(&far).timeout(SECOND);
    let said = tier.connect().await.unwrap().report().await;
    assert_eq!(said.findings().count(), 0, "{said}");
}

#[tokio::test]
async fn the_shown_form_of_a_finding_is_one_line_for_logs() {
    let server = RedisServer::start();
    let said = report(&server.url()).await;
    let line = advice(&said, "maxmemory").to_string();
    assert!(!line.contains('\n'), "{line}");
    for part in [
        &format!("(at 127.0.0.1:{})", server.port()),
        "Cure: ",
        "CONFIG SET maxmemory 1gb; CONFIG SET maxmemory-policy allkeys-lru",
    ] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
}
