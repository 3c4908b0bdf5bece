//! The scripts under stress on a real Redis: what they did, step by step, is checked afterwards.
//! And the check is checked: with one safety taken out of the scripts, it has to fail.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::Token;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::support::instrumented::{Mutant, Scripts, verdict};
use crate::support::redis_server::RedisServer;

const NODES: usize = 12;
const KEYS: usize = 3;
/// The leases: short, so that many a holder pauses past its own.
const LEASE: u64 = 15;

struct Node {
    link: MultiplexedConnection,
    scripts: Arc<Scripts>,
    entry: String,
    lease: String,
}

impl Node {
    async fn eval(&mut self, script: &str, arguments: &[&str]) -> Value {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(script).arg(2).arg(&self.entry).arg(&self.lease);
        for argument in arguments {
            cmd.arg(argument);
        }
        cmd.query_async(&mut self.link)
            .await
            .expect("no script fails")
    }

    async fn acquire(&mut self, token: &str, flags: &str) -> Vec<String> {
        let script = Arc::clone(&self.scripts);
        let lease = LEASE.to_string();
        let reply = self
            .eval(&script.acquire, &[token, &lease, flags, "600000", "", "0"])
            .await;
        redis::from_redis_value(reply).expect("texts")
    }

    async fn commit(&mut self, token: &str, fence: &str, mode: &str) -> Vec<String> {
        let script = Arc::clone(&self.scripts);
        let arguments = [
            token, fence, "10", "600000", "ev", "id", mode, "meta", fence, "1000",
        ];
        let reply = self.eval(&script.commit, &arguments).await;
        redis::from_redis_value(reply).expect("texts")
    }

    async fn del(&mut self, what: &[&String]) {
        let mut cmd = redis::cmd("DEL");
        cmd.arg(what);
        cmd.exec_async(&mut self.link).await.expect("it is up");
    }

    /// One thing that a node, an operator or a full store may do.
    async fn step(&mut self) {
        let dice = fastrand::u32(..100);
        let scripts = Arc::clone(&self.scripts);
        let (entry, lease) = (self.entry.clone(), self.lease.clone());
        match dice {
            0..5 => drop(
                self.eval(
                    &scripts.purge,
                    &[["h", "s"][fastrand::usize(..2)], "600000", "ev", "id", "0"],
                )
                .await,
            ),
            5..8 => self.del(&[&entry]).await,
            8..11 => self.del(&[&lease]).await,
            11..14 => self.del(&[&entry, &lease]).await,
            14 => redis::cmd("SCRIPT")
                .arg("FLUSH")
                .exec_async(&mut self.link)
                .await
                .expect("it is up"),
            _ => self.refresh(dice).await,
        }
    }

    async fn refresh(&mut self, dice: u32) {
        let scripts = Arc::clone(&self.scripts);
        let token = Token::random().to_string();
        let flags = ["", "f", "i", "p", "fi"][fastrand::usize(..5)];
        let mut answer = self.acquire(&token, flags).await;
        if fastrand::u32(..10) == 0 {
            // The reply was lost, so the question is put again.
            answer = self.acquire(&token, flags).await;
        }
        if answer[0] != "L" {
            sleep(Duration::from_millis(fastrand::u64(..6))).await;
            return;
        }
        let fence = answer[8].clone();
        sleep(Duration::from_millis(fastrand::u64(..LEASE))).await;
        if fastrand::u32(..3) == 0 {
            self.eval(
                &scripts.renew,
                &[&token, &fence, &LEASE.to_string(), "600000"],
            )
            .await;
        }
        match dice % 10 {
            // A crash.
            0 => return,
            // A pause past the end of the lease.
            1..4 => sleep(Duration::from_millis(fastrand::u64(LEASE..4 * LEASE))).await,
            4 => {
                let block = fastrand::u32(..8).to_string();
                let arguments = [&token, block.as_str(), "B:1:502", "ev", "id", "600000"];
                self.eval(&scripts.release, &arguments).await;
                return;
            }
            _ => {}
        }
        let mode = if fastrand::u32(..4) == 0 {
            "keep"
        } else {
            "body"
        };
        self.commit(&token, &fence, mode).await;
        if fastrand::u32(..5) == 0 {
            self.commit(&token, &fence, mode).await;
        }
    }
}

struct Outcome {
    verdict: Result<(), String>,
    commits: usize,
    steps: usize,
}

/// Lets the nodes loose for so long, or until something is wrong, and looks at what happened.
async fn run(mutant: Option<Mutant>, time: Duration) -> Outcome {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).expect("a URL");
    let scripts = Arc::new(Scripts::new(mutant));
    let mut nodes = tokio::task::JoinSet::new();
    let end = Instant::now() + time;
    for _ in 0..NODES {
        let link = client
            .get_multiplexed_async_connection()
            .await
            .expect("it is up");
        let scripts = Arc::clone(&scripts);
        nodes.spawn(async move {
            let (entry, lease) = (String::new(), String::new());
            let mut node = Node {
                link,
                scripts,
                entry,
                lease,
            };
            while Instant::now() < end {
                let key = fastrand::usize(..KEYS);
                (node.entry, node.lease) = (format!("{{{key}}}:e"), format!("{{{key}}}:l"));
                node.step().await;
            }
        });
    }
    let mut link = client
        .get_multiplexed_async_connection()
        .await
        .expect("it is up");
    let mut outcome = judge(&mut link).await;
    while outcome.verdict.is_ok() && Instant::now() < end {
        sleep(Duration::from_millis(200)).await;
        outcome = judge(&mut link).await;
    }
    if outcome.verdict.is_ok() {
        while let Some(ended) = nodes.join_next().await {
            ended.expect("no node panics");
        }
        outcome = judge(&mut link).await;
    }
    outcome
}

async fn judge(link: &mut MultiplexedConnection) -> Outcome {
    let (mut verdict_of_all, mut commits, mut steps) = (Ok(()), 0, 0);
    for key in 0..KEYS {
        let (entry, lease) = (format!("{{{key}}}:e"), format!("{{{key}}}:l"));
        // One transaction, so that the list and the entry are of the same moment.
        let mut pipe = redis::pipe();
        pipe.atomic()
            .cmd("LRANGE")
            .arg(format!("history:{entry}"))
            .arg(0)
            .arg(-1);
        pipe.cmd("HMGET").arg(&entry).arg("v").arg("d").arg("b");
        pipe.cmd("PTTL").arg(&entry).cmd("PTTL").arg(&lease);
        type Seen = (Vec<String>, Vec<Option<String>>, i64, i64);
        let (list, fields, entry_ttl, lease_ttl): Seen =
            pipe.query_async(link).await.expect("it is up");
        let history: Vec<(String, u64)> = list
            .iter()
            .map(|step| step.split_once(':').expect("a step"))
            .map(|(what, fence)| (what.to_owned(), fence.parse().expect("a fence")))
            .collect();
        steps += history.len();
        commits += history.iter().filter(|(what, _)| what == "commit").count();
        let last = history.iter().rfind(|(what, _)| what == "commit");
        let mut said = verdict(&history);
        if entry_ttl == -1 || lease_ttl == -1 {
            said = said.and(Err("a key without a TTL".into()));
        }
        // The body names the fence that wrote it.
        if fields[1] != fields[2] {
            said = said.and(Err(format!("the body is not of its version: {fields:?}")));
        }
        if let Some(version) = &fields[0]
            && last.is_none_or(|(_, fence)| fence.to_string() != *version)
        {
            said = said.and(Err(format!(
                "{version} is there, but {last:?} was stored last"
            )));
        }
        verdict_of_all = verdict_of_all.and(said.map_err(|why| format!("key {key}: {why}")));
    }
    Outcome {
        verdict: verdict_of_all,
        commits,
        steps,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_stress_no_older_or_purged_response_is_ever_stored() {
    let outcome = run(None, Duration::from_secs(6)).await;
    outcome.verdict.expect("the protocol holds");
    println!("{} steps, {} commits", outcome.steps, outcome.commits);
    assert!(
        outcome.commits > 100,
        "{} commits prove nothing",
        outcome.commits
    );
}

/// Each mutant has to be caught, within a time that is generous against what it takes.
async fn is_caught(mutant: Mutant, why: &[&str]) {
    let outcome = run(Some(mutant), Duration::from_secs(60)).await;
    let said = outcome.verdict.expect_err("the mutant has to be caught");
    println!("{mutant:?}: {said}");
    assert!(why.iter().any(|why| said.contains(why)), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_superseded_check_the_history_is_wrong() {
    // "twice": a repeated commit stores again, since nothing sees that the fence is there already.
    is_caught(
        Mutant::NoSuperseded,
        &["older than", "from before", "not ", "twice"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lost_check_the_history_is_wrong() {
    is_caught(
        Mutant::NoLost,
        &["older than", "from before", "not ", "twice"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fences_that_start_over_the_history_is_wrong() {
    is_caught(Mutant::FenceWithoutTime, &["the last fence issued"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_flag_without_a_ttl_a_key_lives_for_ever() {
    is_caught(Mutant::NoTtl, &["without a TTL"]).await;
}

#[test]
fn the_checker_sees_each_kind_of_wrong() {
    let check = |steps: &[(&str, u64)]| {
        let steps: Vec<_> = steps
            .iter()
            .map(|(what, fence)| ((*what).to_owned(), *fence))
            .collect();
        verdict(&steps)
    };
    assert_eq!(
        check(&[
            ("grant", 1),
            ("commit", 1),
            ("purge", 2),
            ("grant", 3),
            ("commit", 3)
        ]),
        Ok(())
    );
    for wrong in [
        [("grant", 1), ("grant", 1)].as_slice(),
        &[("grant", 2), ("purge", 1)],
        &[("grant", 1), ("purge", 2), ("commit", 1)],
        &[("grant", 1), ("commit", 1), ("commit", 1)],
        &[("grant", 1), ("grant", 2), ("commit", 1)],
        &[("grant", 1), ("grant", 2), ("commit", 2), ("commit", 1)],
        &[("commit", 1)],
    ] {
        assert!(check(wrong).is_err(), "{wrong:?}");
    }
}
