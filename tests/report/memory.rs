//! How much a server may hold, and what it does then.

use crate::support::redis_server::{RedisServer, run, try_run};
use crate::{advice, no_problem, paste, problem, report};

#[tokio::test]
async fn without_a_limit_there_is_advice_and_it_leads_to_a_good_server() {
    let server = RedisServer::start();
    let said = report(&server.url()).await;
    no_problem(&said);
    assert!(
        said.to_string().contains("used, no limit, noeviction"),
        "{said}"
    );
    paste(&server, advice(&said, "no maxmemory is set")).await;
    assert_eq!(report(&server.url()).await.findings().count(), 0);

    // Who chose a policy is not told another one.
    let server = RedisServer::with(&["--maxmemory-policy", "volatile-lru"]);
    let said = report(&server.url()).await;
    let commands: Vec<_> = advice(&said, "no maxmemory").commands().collect();
    assert_eq!(commands, ["CONFIG SET maxmemory 1gb"]);
}

#[tokio::test]
async fn policies_that_cost_leases_or_writes_are_advised_against() {
    let server = RedisServer::with(&["--maxmemory", "100mb"]);
    for (policy, word, better) in [
        ("noeviction", "refuses writes", "allkeys-lru"),
        ("allkeys-lfu", "(allkeys-lfu)", "allkeys-lru"),
        ("allkeys-random", "(allkeys-random)", "allkeys-lru"),
        ("volatile-lfu", "(volatile-lfu)", "volatile-lru"),
        ("volatile-random", "(volatile-random)", "volatile-lru"),
        ("volatile-ttl", "(volatile-ttl)", "volatile-lru"),
    ] {
        let set = ["CONFIG", "SET", "maxmemory-policy", policy];
        run::<()>(&server, &set).await;
        let said = report(&server.url()).await;
        no_problem(&said);
        assert_eq!(said.findings().count(), 1, "{said}");
        paste(&server, advice(&said, word)).await;
        let now: Vec<String> = run(&server, &["CONFIG", "GET", "maxmemory-policy"]).await;
        assert_eq!(now[1], better);
        // Both that are advised are accepted.
        assert_eq!(report(&server.url()).await.findings().count(), 0);
    }
}

#[tokio::test]
async fn a_full_server_that_evicts_nothing_is_a_problem_until_it_does() {
    let server = RedisServer::with(&["--maxmemory", "3mb"]);
    let long = "x".repeat(100_000);
    let mut number = 0;
    while try_run::<()>(&server, &["SET", &number.to_string(), &long])
        .await
        .is_ok()
    {
        number += 1;
    }
    // What the connection took that filled it up is free again; that is no room for others.
    run::<()>(&server, &["CONFIG", "SET", "maxmemory", "2mb"]).await;
    let said = report(&server.url()).await;
    let finding = problem(&said);
    assert!(finding.what().contains("is full"), "{finding}");
    // And is said once.
    assert_eq!(said.findings().count(), 1, "{said}");
    paste(&server, finding).await;
    assert_eq!(report(&server.url()).await.findings().count(), 0);
}
