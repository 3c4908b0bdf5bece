//! The contract of `LockTier`, claim by claim, on all that keep it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bellwether::lock::*;
use tokio::time::{sleep, timeout};

use crate::support::SECOND;
use crate::support::redis_cluster::Cluster;
use crate::support::redis_server::{RedisServer, run, try_run};

/// A store under test, as two processes see it.
struct Bench {
    nodes: [Arc<dyn LockTier>; 2],
    servers: Vec<RedisServer>,
    memory: Option<MemoryLock>,
    /// Some of the servers are replicas, which do not take commands.
    replicas: bool,
}

impl Bench {
    async fn forget_all(&self) {
        for server in &self.servers {
            let done = try_run::<()>(server, &["FLUSHALL"]).await;
            // A replica is emptied with its master.
            assert!(done.is_ok() || self.replicas, "{done:?}");
        }
        if let Some(memory) = &self.memory {
            memory.forget_all();
        }
    }

    /// Nothing is kept for ever.
    async fn check(&self) {
        for server in &self.servers {
            for key in run::<Vec<String>>(server, &["KEYS", "*"]).await {
                let left = try_run::<i64>(server, &["PTTL", &key]).await;
                assert!(left.is_ok() || self.replicas, "{left:?}");
                assert!(left.ok() != Some(-1), "{key} has no TTL");
            }
        }
    }
}

async fn memory() -> Bench {
    let memory = MemoryLock::new();
    Bench {
        nodes: [Arc::new(memory.clone()), Arc::new(memory.clone())],
        servers: Vec::new(),
        memory: Some(memory),
        replicas: false,
    }
}

async fn redis() -> Bench {
    let server = RedisServer::start();
    let node = || async { Arc::new(RedisLock::connect(&server.url()).await.unwrap()) };
    let nodes: [Arc<dyn LockTier>; 2] = [node().await, node().await];
    Bench {
        nodes,
        servers: vec![server],
        memory: None,
        replicas: false,
    }
}

async fn cluster() -> Bench {
    let cluster = Cluster::start().await;
    let node = || async { Arc::new(RedisLock::connect(&cluster.url()).await.unwrap()) };
    let nodes: [Arc<dyn LockTier>; 2] = [node().await, node().await];
    Bench {
        nodes,
        servers: cluster.nodes,
        memory: None,
        replicas: true,
    }
}

async fn redlock() -> Bench {
    let servers: Vec<_> = (0..3).map(|_| RedisServer::start()).collect();
    let node = || async {
        let mut nodes = Vec::new();
        for server in &servers {
            nodes.push(RedisLock::connect(&server.url()).await.unwrap());
        }
        Arc::new(Redlock::new(nodes).unwrap().timeout(SECOND / 5))
    };
    let nodes: [Arc<dyn LockTier>; 2] = [node().await, node().await];
    Bench {
        nodes,
        servers,
        memory: None,
        replicas: false,
    }
}

fn claim(name: &str) -> Claim {
    Claim {
        name: Name::new(name),
        token: Token::random(),
        lease: 10 * SECOND,
        owner: "somebody".into(),
        waits: false,
        announce: false,
        within: SECOND,
    }
}

fn held(claim: &Claim) -> Held {
    Held {
        name: claim.name.clone(),
        token: claim.token,
        within: SECOND,
    }
}

async fn ask(node: &dyn LockTier, claim: &Claim) -> Claimed {
    node.acquire(claim.clone()).await.unwrap()
}

async fn grant(node: &dyn LockTier, claim: &Claim) -> Fence {
    match ask(node, claim).await {
        Claimed::Granted { fence, left } if left <= claim.lease => fence,
        other => panic!("not granted: {other:?}"),
    }
}

async fn one_has_it_and_the_other_is_told_for_how_long(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let (first, second) = (claim("x"), claim("x"));
    grant(a, &first).await;
    let Claimed::Held { left } = ask(b, &second).await else {
        panic!("granted twice");
    };
    assert!(left > 9 * SECOND && left <= 10 * SECOND, "{left:?}");
    grant(b, &claim("y")).await;
}

async fn asking_again_with_the_same_token_is_the_same_question(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let first = claim("x");
    let fence = grant(a, &first).await;
    assert_eq!(grant(b, &first).await, fence);
}

async fn fences_rise_over_release_expiry_and_loss(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let mut last = Fence::new(0);
    for round in 0..12 {
        let mut claim = claim("x");
        if round % 3 == 1 {
            claim.lease = Duration::from_millis(60);
        }
        let fence = grant([a, b][round % 2], &claim).await;
        assert!(fence > last, "{fence} after {last}, round {round}");
        last = fence;
        match round % 3 {
            0 => assert!(a.release(held(&claim)).await.unwrap()),
            1 => sleep(Duration::from_millis(80)).await,
            _ => {
                sleep(Duration::from_millis(2)).await;
                bench.forget_all().await;
            }
        }
    }
    // By the clock, in microseconds: larger than that of any earlier run, too.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    assert!(u128::from(last.get()).abs_diff(now) < 60_000_000, "{last}");
}

async fn only_the_token_renews_and_releases(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let (first, second) = (claim("x"), claim("x"));
    let fence = grant(a, &first).await;
    assert!(!b.renew(held(&second), SECOND).await.unwrap());
    assert!(!b.release(held(&second)).await.unwrap());
    assert!(
        !b.raise(held(&second), Fence::new(u64::from(u32::MAX)))
            .await
            .unwrap()
    );
    assert!(matches!(ask(b, &second).await, Claimed::Held { .. }));
    assert!(b.release(held(&first)).await.unwrap());
    assert!(!b.release(held(&first)).await.unwrap());
    assert!(!b.renew(held(&first), SECOND).await.unwrap());
    assert!(grant(a, &second).await > fence);
}

async fn a_renewal_lengthens_and_never_shortens(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let mut short = claim("x");
    short.lease = Duration::from_millis(150);
    grant(a, &short).await;
    assert!(a.renew(held(&short), 5 * SECOND).await.unwrap());
    assert!(
        a.renew(held(&short), Duration::from_millis(10))
            .await
            .unwrap()
    );
    sleep(Duration::from_millis(200)).await;
    let Claimed::Held { left } = ask(b, &claim("x")).await else {
        panic!("it ran out");
    };
    assert!(left > 4 * SECOND && left <= 5 * SECOND, "{left:?}");
}

async fn a_raised_fence_is_beaten_by_the_next(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let first = claim("x");
    let fence = grant(a, &first).await;
    let high = Fence::new(fence.get() + 3_600_000_000);
    assert!(a.raise(held(&first), high).await.unwrap());
    // A smaller one takes nothing back.
    assert!(a.raise(held(&first), fence).await.unwrap());
    assert!(a.release(held(&first)).await.unwrap());
    assert!(grant(b, &claim("x")).await > high);
}

async fn whoever_looks_sees_the_holder(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let name = Name::new("x");
    assert_eq!(b.look(name.clone(), SECOND).await.unwrap(), None);
    let mut claim = claim("x");
    claim.owner = "ünï {1}".into();
    let fence = grant(a, &claim).await;
    let seen = b.look(name.clone(), SECOND).await.unwrap().unwrap();
    assert_eq!((seen.fence, seen.owner.as_str()), (fence, "ünï {1}"));
    assert!(
        seen.left > 9 * SECOND && seen.left <= 10 * SECOND,
        "{seen:?}"
    );
    assert!(a.release(held(&claim)).await.unwrap());
    assert_eq!(b.look(name, SECOND).await.unwrap(), None);
}

async fn a_release_is_heard_by_those_who_asked_to_wait(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let (first, mut second) = (claim("x"), claim("x"));
    grant(a, &first).await;
    second.waits = true;
    let changed = b.changed(&second.name);
    let other = b.changed(&Name::new("y"));
    assert!(matches!(ask(b, &second).await, Claimed::Held { .. }));
    assert!(a.release(held(&first)).await.unwrap());
    timeout(SECOND, changed).await.expect("heard");
    assert!(
        timeout(SECOND / 20, other).await.is_err(),
        "of another lock"
    );
}

async fn a_grant_is_heard_by_those_who_looked_if_it_is_announced(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let name = Name::new("x");
    let changed = b.changed(&name);
    b.look(name, SECOND).await.unwrap();
    let mut claim = claim("x");
    claim.announce = true;
    grant(a, &claim).await;
    timeout(SECOND, changed).await.expect("heard");
}

async fn any_name_is_a_lock_of_its_own(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let long = "x".repeat(1_000_000);
    for name in ["", "{", "}", "{}", "a{b}c", "a:b", "\0", "ü\n", &long] {
        grant(a, &claim(name)).await;
        assert!(matches!(ask(b, &claim(name)).await, Claimed::Held { .. }));
    }
}

async fn extreme_durations_are_taken(bench: &Bench) {
    let [a, b] = &bench.nodes;
    let mut long = claim("x");
    long.lease = Duration::MAX;
    grant(a, &long).await;
    assert!(b.renew(held(&long), Duration::MAX).await.unwrap());
    assert!(b.release(held(&long)).await.unwrap());
}

type Test = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! claims {
    ($($name:ident,)*) => {
        const CLAIMS: &[(&str, Test)] = &[$((stringify!($name), |bench| Box::pin($name(bench))),)*];
    };
}

claims! {
    one_has_it_and_the_other_is_told_for_how_long,
    asking_again_with_the_same_token_is_the_same_question,
    fences_rise_over_release_expiry_and_loss,
    only_the_token_renews_and_releases,
    a_renewal_lengthens_and_never_shortens,
    a_raised_fence_is_beaten_by_the_next,
    whoever_looks_sees_the_holder,
    a_release_is_heard_by_those_who_asked_to_wait,
    a_grant_is_heard_by_those_who_looked_if_it_is_announced,
    any_name_is_a_lock_of_its_own,
    extreme_durations_are_taken,
}

async fn all_hold(bench: Bench) {
    for (name, test) in CLAIMS {
        println!("{name}");
        bench.forget_all().await;
        test(&bench).await;
        bench.check().await;
    }
}

#[tokio::test]
async fn the_contract_holds_in_memory() {
    all_hold(memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_in_redis() {
    all_hold(redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_in_a_cluster() {
    all_hold(cluster().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_over_three_servers() {
    all_hold(redlock().await).await;
}
