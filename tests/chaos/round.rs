//! One round: a fleet is started, loaded, struck, left in peace, ended, and judged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::EntryId;
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::checks::{self, Finding};
use crate::fleet::Fleet;
use crate::history::Notes;
use crate::observe;
use crate::schedule::{self, PLACES};
use crate::site::{self, KEYS, Kind};
use crate::view::View;
use crate::{load, storm};

/// Within this time after the last fault all nodes show the same: the connections are back after a
/// second, calls come back in steps over two, and the longest window of any page here is six. Only
/// the rule of a key that varies may take a minute, if Redis lost it.
const CONVERGED: Duration = Duration::from_secs(10);
/// Within this time all that belonged to a fleet is gone.
const GONE: Duration = Duration::from_secs(5);
/// Of each node to Redis.
const CONNECTIONS: usize = 2;

pub(crate) struct Outcome {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Notes,
    /// How long it took until all nodes showed the same.
    pub(crate) converged: Option<Duration>,
    /// Bytes of memory of this process afterwards, the history among them.
    pub(crate) memory: Option<u64>,
}

/// Without `stormy`, nothing goes wrong.
pub(crate) async fn run(
    seed: u64,
    time: Duration,
    stormy: bool,
    entries: &HashMap<EntryId, usize>,
) -> Outcome {
    let tasks = Handle::current().metrics().num_alive_tasks();
    let fleet = Fleet::start().await;
    let observers = (observe::stalls(&fleet.history), observe::keys(&fleet));
    let blows = if stormy {
        schedule::draw(seed, time)
    } else {
        Vec::new()
    };
    tokio::join!(load::run(&fleet, seed, time), storm::run(&fleet, blows));
    let mut findings = Vec::new();
    let converged = converge(&fleet, stormy, &mut findings).await;
    drop(observers);
    leave(fleet, tasks, &mut findings, |notes| {
        let view = View::new(notes, entries);
        checks::all(&view)
    })
    .await
    .with(converged)
}

impl Outcome {
    fn with(self, converged: Option<Duration>) -> Self {
        Self { converged, ..self }
    }
}

/// Asks all nodes for all keys until they show the same.
async fn converge(
    fleet: &Arc<Fleet>,
    stormy: bool,
    findings: &mut Vec<Finding>,
) -> Option<Duration> {
    let begun = Instant::now();
    let settled = |kind| match kind {
        Kind::Uncacheable | Kind::Failing | Kind::Dripping => false,
        Kind::Varying => !stormy,
        _ => true,
    };
    let mut left: Vec<usize> = (0..KEYS)
        .filter(|key| settled(site::spec(*key).kind))
        .collect();
    let mut finding = Finding::of("all nodes show the same, once left in peace");
    finding.cases = left.len();
    let mut longest = None;
    while begun.elapsed() < CONVERGED && !left.is_empty() {
        // Twenty keys at a time: a crowd for all of them would be a load of its own.
        let mut apart = Vec::new();
        for some in left.chunks(20) {
            let asked = some.iter().map(|key| async {
                let answers = (0..PLACES).map(|place| load::request(fleet, place, *key, 0));
                let answers = join_all(answers).await;
                let first = answers[0].fetch;
                let same = answers
                    .iter()
                    .all(|one| one.fetch == first && one.status == 200);
                (*key, same)
            });
            apart.extend(join_all(asked).await.into_iter().filter(|(_, same)| !same));
        }
        left = apart.into_iter().map(|(key, _)| key).collect();
        longest = Some(begun.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    let at = fleet.history.now();
    for key in left {
        finding.cases -= 1;
        finding.case(
            at,
            key,
            Some(format!("key {key} differs after {CONVERGED:?}")),
        );
    }
    findings.push(finding);
    longest
}

/// Ends the fleet and looks at what is left of it.
async fn leave(
    fleet: Arc<Fleet>,
    tasks: usize,
    findings: &mut Vec<Finding>,
    judge: impl FnOnce(&Notes) -> Vec<Finding>,
) -> Outcome {
    let mut finding = Finding::of("connections, tasks and memory are back");
    let mut left = |what: &str, is: usize, was: usize| {
        let wrong = (is != was).then(|| format!("{what}: {is}, not {was}"));
        finding.case_at(0, wrong);
    };
    let open = |fleet: &Fleet| fleet.proxies.iter().map(|proxy| proxy.connections()).sum();
    let url = fleet.server.lock().await.url();
    let looked = observe::look(&fleet, &url).await;
    left(
        "looks at all keys of redis",
        usize::from(looked.is_some()),
        1,
    );
    let filling = || {
        let stats = (0..PLACES).map(|place| fleet.node(place).cache.stats());
        usize::try_from(stats.map(|stats| stats.filling_bytes).sum::<u64>()).expect("few")
    };
    // Nobody waits for a refresh in the background.
    settles(|| filling() == 0).await;
    left("bytes for bodies under way", filling(), 0);
    settles(|| open(&fleet) == PLACES * CONNECTIONS).await;
    left(
        "connections at the proxies",
        open(&fleet),
        PLACES * CONNECTIONS,
    );
    left(
        "connections at redis",
        clients(&fleet).await,
        PLACES * CONNECTIONS,
    );
    fleet.end();
    settles(|| open(&fleet) == 0 && Arc::strong_count(&fleet.sign) == 1).await;
    left("connections at the proxies, ended", open(&fleet), 0);
    left("connections at redis, ended", clients(&fleet).await, 0);
    // A cache holds its tier, a flight its origin: both would be counted here.
    left("parts of ended nodes", Arc::strong_count(&fleet.sign), 1);
    let notes = fleet.history.close();
    drop(fleet);
    let alive = || Handle::current().metrics().num_alive_tasks();
    settles(|| alive() == tasks).await;
    left("tasks", alive(), tasks);
    let mut findings = std::mem::take(findings);
    findings.push(finding);
    findings.extend(judge(&notes));
    Outcome {
        findings,
        notes,
        converged: None,
        memory: memory(),
    }
}

async fn settles(done: impl Fn() -> bool) {
    let until = Instant::now() + GONE;
    while !done() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Clients that Redis has, but for the one that asks.
async fn clients(fleet: &Fleet) -> usize {
    let mut count = usize::MAX;
    for _ in 0..50 {
        let server = fleet.server.lock().await;
        let list: Option<String> = Fleet::command(&server, &["CLIENT", "LIST"]).await;
        let now = list.map_or(usize::MAX, |list| list.lines().count() - 1);
        // Those of commands before this one may be on their way out.
        if now == count {
            break;
        }
        count = now;
        sleep(Duration::from_millis(100)).await;
    }
    count
}

fn memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
