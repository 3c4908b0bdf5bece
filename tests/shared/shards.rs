//! Events of a cluster by sharded pub/sub: they stay with their master and reach every node, and
//! none is lost without a word, whatever becomes of the channels.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::redis_cluster::{Cluster, NODE_TIMEOUT, slot_of};
use crate::support::redis_server::run;
use crate::support::redis_version::{SHARD_CHANNELS, applies, version};
use crate::support::*;

/// Who hears for this long speaks; some more, for a heartbeat and a busy machine.
const SETTLED: Duration = Duration::from_millis(4_500);

async fn join(cluster: &Cluster) -> RedisTier {
    let tier = RedisTier::connect(&cluster.url()).await.unwrap();
    assert!(tier.is_up());
    tier
}

async fn key_on(cluster: &Cluster, master: usize) -> EntryId {
    loop {
        let id = fresh_id();
        let key = format!("{{bw1:default:{id}}}:e");
        if cluster.owner(slot_of(&cluster.nodes[0], &key).await).await == master {
            return id;
        }
    }
}

/// Messages that all nodes have sent over the bus: of `PUBLISH`, and of `SPUBLISH`.
async fn sent(cluster: &Cluster) -> (u64, u64) {
    let mut sent = (0, 0);
    for node in &cluster.nodes {
        let info: String = run(node, &["CLUSTER", "INFO"]).await;
        let count = |kind: &str| {
            let name = format!("cluster_stats_messages_{kind}_sent:");
            let line = info.lines().find_map(|line| line.strip_prefix(&name));
            line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
        };
        sent.0 += count("publish");
        sent.1 += count("publishshard");
    }
    sent
}

/// What a node heard, and when.
#[derive(Default)]
struct Diary(Mutex<Vec<(Instant, TierEvent)>>);

impl Listener for Diary {
    fn event(&self, event: TierEvent) {
        self.0.lock().unwrap().push((Instant::now(), event));
    }
}

impl Diary {
    fn of(tier: &RedisTier) -> Arc<Self> {
        let diary = Arc::new(Self::default());
        let listener: Weak<dyn Listener> = Arc::<Self>::downgrade(&diary);
        tier.subscribe(listener);
        diary
    }

    fn hears(&self, id: EntryId, fence: Fence) -> bool {
        let purged = |event: &TierEvent| matches!(event, TierEvent::Purged { id: about, fence: by, .. } if *about == id && *by == fence);
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|(_, event)| purged(event))
    }

    /// When it was told that something may have been missed.
    fn resumed(&self) -> Vec<Instant> {
        let all = self.0.lock().unwrap();
        let told = all.iter().filter(|(_, event)| *event == TierEvent::Resumed);
        told.map(|(at, _)| *at).collect()
    }
}

struct Purge {
    id: EntryId,
    fence: Fence,
    sent: Instant,
    answered: Instant,
}

async fn purge(tier: &RedisTier, id: EntryId) -> Option<Purge> {
    let sent = Instant::now();
    let fence = tier.purge(id, PurgeKind::Hard, SECOND).await.ok()?;
    let answered = Instant::now();
    Some(Purge {
        id,
        fence,
        sent,
        answered,
    })
}

/// Purges entry after entry, in several tasks at once, until told to end.
struct Purging {
    end: Arc<std::sync::atomic::AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<Purge>>>,
}

impl Purging {
    fn by(tier: &RedisTier) -> Self {
        let end = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let task = || {
            let (tier, end) = (tier.clone(), Arc::clone(&end));
            async move {
                let mut purges = Vec::new();
                while !end.load(std::sync::atomic::Ordering::SeqCst) {
                    purges.extend(purge(&tier, fresh_id()).await);
                    sleep(Duration::from_millis(1)).await;
                }
                purges
            }
        };
        let tasks = (0..4).map(|_| tokio::spawn(task())).collect();
        Self { end, tasks }
    }

    async fn end(self) -> Vec<Purge> {
        self.end.store(true, std::sync::atomic::Ordering::SeqCst);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
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

/// Each purge was heard, or the node was told afterwards that it may have missed something. How
/// many were missed.
fn none_is_lost_without_a_word(diary: &Diary, purges: &[Purge]) -> usize {
    let resumed = diary.resumed();
    let missed: Vec<_> = purges
        .iter()
        .filter(|purge| !diary.hears(purge.id, purge.fence))
        .collect();
    for purge in &missed {
        let told = resumed.iter().any(|at| *at > purge.sent);
        assert!(
            told,
            "a purge that was sent {:?} and answered {:?} ago was missed, and nothing was said \
             since",
            purge.sent.elapsed(),
            purge.answered.elapsed()
        );
    }
    missed.len()
}

/// `number` purges by one node are heard by the other ones, by way of shards alone.
async fn go_by_shards(cluster: &Cluster, speaker: &RedisTier, diaries: &[&Diary], number: usize) {
    let before = sent(cluster).await;
    let start = Instant::now();
    let mut purges = Vec::new();
    for _ in 0..number {
        purges.push(purge(speaker, fresh_id()).await.expect("it is up"));
    }
    sleep(Duration::from_millis(200)).await;
    for diary in diaries {
        for purge in &purges {
            assert!(diary.hears(purge.id, purge.fence));
        }
    }
    let after = sent(cluster).await;
    let number = u64::try_from(number).unwrap();
    // One replica each.
    assert_eq!(after.1 - before.1, number);
    // Heartbeats, which each of the nodes sends by way of each master, go to five others.
    let nodes = u64::try_from(diaries.len()).unwrap() + 1;
    let beats = 3 * nodes * (start.elapsed().as_secs() + 2) * 5;
    assert!(
        after.0 - before.0 <= beats,
        "{} of {beats}",
        after.0 - before.0
    );
    assert!(beats < number * 5, "too slow to tell");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_stay_with_their_master_and_reach_every_node() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let (first, second) = (join(&cluster).await, join(&cluster).await);
    let diaries = [Diary::of(&first), Diary::of(&second)];
    // At first they go to all, and are heard as well.
    let before = sent(&cluster).await;
    let early = purge(&first, fresh_id()).await.expect("it is up");
    sleep(Duration::from_millis(200)).await;
    assert!(diaries.iter().all(|one| one.hears(early.id, early.fence)));
    assert_eq!(sent(&cluster).await.1, before.1);

    sleep(SETTLED).await;
    let told = diaries[1].resumed().len();
    go_by_shards(&cluster, &first, &[&diaries[0], &diaries[1]], 300).await;
    // Those of a refresh and of a lock, too.
    let (shards, id) = (sent(&cluster).await.1, fresh_id());
    let asked = ask(id);
    let fence = leased(&first.acquire(asked.clone()).await.unwrap());
    second.acquire(ask(id)).await.unwrap();
    let done = first.commit(commit(id, asked.token, fence, Some("b")));
    assert!(matches!(done.await, Ok(Committed::Stored { .. })));
    let given = ask(fresh_id());
    first.acquire(given.clone()).await.unwrap();
    second.acquire(ask(given.id)).await.unwrap();
    let released = first.release(release(given.id, given.token, None));
    assert!(released.await.unwrap());
    sleep(Duration::from_millis(100)).await;
    assert_eq!(sent(&cluster).await.1 - shards, 2);
    assert_eq!(
        diaries[1].resumed().len(),
        told,
        "it has no reason to doubt"
    );
    let alive = |diary: &Diary| {
        let all = diary.0.lock().unwrap();
        let last = all
            .iter()
            .rfind(|(_, event)| *event == TierEvent::Alive)
            .unwrap()
            .0;
        last.elapsed() < 2 * SECOND
    };
    assert!(diaries.iter().all(|diary| alive(diary)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_whose_channel_is_elsewhere_tells_all() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let tier = join(&cluster).await;
    let diary = Diary::of(&tier);
    let script = include_str!("../../src/shared/redis/scripts/purge.lua");
    let of_first: Vec<String> = run(&cluster.nodes[0], &["PUBSUB", "SHARDCHANNELS"]).await;
    let of_second: Vec<String> = run(&cluster.nodes[1], &["PUBSUB", "SHARDCHANNELS"]).await;
    assert!(of_first.len() > 15 && of_second.len() > 15);
    for (shard, by_shards) in [(&of_first[0], 1), (&of_second[0], 0)] {
        let (before, id) = (sent(&cluster).await.1, key_on(&cluster, 0).await);
        let (entry, lease) = (
            format!("{{bw1:default:{id}}}:e"),
            format!("{{bw1:default:{id}}}:l"),
        );
        let (common, id) = ("bw1:0:default:ev", id.to_string());
        let words = [
            "EVAL", script, "2", &entry, &lease, "h", "60000", common, &id, "0", shard,
        ];
        let fence: String = run(&cluster.nodes[0], &words).await;
        sleep(Duration::from_millis(100)).await;
        let heard = diary.0.lock().unwrap().clone();
        let heard = heard.iter().filter(|(_, event)| {
            matches!(event, TierEvent::Purged { id: about, fence: by, .. }
                if about.to_string() == id && by.to_string() == fence)
        });
        assert_eq!(heard.count(), 1, "{shard}");
        assert_eq!(sent(&cluster).await.1 - before, by_shards, "{shard}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_move_from_master_to_master_and_no_event_is_lost_without_a_word() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let (speaker, hearer) = (join(&cluster).await, join(&cluster).await);
    let diary = Diary::of(&hearer);
    sleep(SETTLED).await;
    let mut channels: Vec<String> = run(&cluster.nodes[0], &["PUBSUB", "SHARDCHANNELS"]).await;
    assert!(channels.len() > 15, "{channels:?}");
    channels.sort();
    let purging = Purging::by(&speaker);
    let mut shouted = Vec::new();
    for channel in &channels {
        let slot = slot_of(&cluster.nodes[0], channel).await;
        let moves = async {
            cluster.open(slot, 0, 2).await;
            cluster.migrate(slot, 0, 2).await;
            cluster.close(slot, 0, 2).await;
            sleep(Duration::from_millis(50)).await;
        };
        shouted.extend(shouting(&cluster, channel, [0, 2], moves).await);
    }
    let purges = purging.end().await;
    sleep(SETTLED).await;
    let missed = none_is_lost_without_a_word(&diary, &purges);
    let unheard = none_is_lost_without_a_word(&diary, &shouted);
    println!(
        "{} channels moved: {missed} of {} purges missed, and {unheard} of {} that were told of \
         while the channel moved; told so {} times",
        channels.len(),
        purges.len(),
        shouted.len(),
        diary.resumed().len()
    );
    assert!(purges.len() > 500 && missed < purges.len() / 10);
    assert!(unheard > 0, "it was not put to the test");
    for channel in &channels {
        let words = ["PUBSUB", "SHARDNUMSUB", channel];
        let (_, hearers): (String, u64) = run(&cluster.nodes[2], &words).await;
        assert_eq!(hearers, 2, "{channel}");
    }
    // The first one is without any, so what is told there goes to all.
    let before = sent(&cluster).await.1;
    let id = key_on(&cluster, 0).await;
    let last = purge(&speaker, id).await.expect("it is up");
    sleep(Duration::from_millis(100)).await;
    assert!(diary.hears(last.id, last.fence));
    assert_eq!(sent(&cluster).await.1, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_and_no_event_is_lost_without_a_word() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let mut cluster = Cluster::with(&["--cluster-require-full-coverage", "no"]).await;
    let (speaker, hearer) = (join(&cluster).await, join(&cluster).await);
    let diary = Diary::of(&hearer);
    let id = key_on(&cluster, 0).await;
    sleep(SETTLED).await;
    let purging = Purging::by(&speaker);
    sleep(Duration::from_millis(300)).await;
    cluster.nodes[0].kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_millis(100) || purge(&speaker, id).await.is_none() {
        assert!(
            killed.elapsed() < NODE_TIMEOUT + 6 * SECOND,
            "nobody took over"
        );
        sleep(Duration::from_millis(20)).await;
    }
    sleep(SETTLED).await;
    let purges = purging.end().await;
    sleep(2 * SECOND).await;
    let missed = none_is_lost_without_a_word(&diary, &purges);
    println!("taken over: {missed} of {} events missed", purges.len());
    // By shards again: who took over is the one that is left of the three replicas.
    let mut calls = Vec::new();
    for _ in 0..2 {
        let mut sum = 0;
        for node in &cluster.nodes[3..] {
            let stats: String = run(node, &["INFO", "commandstats"]).await;
            let line = stats
                .lines()
                .find_map(|line| line.strip_prefix("cmdstat_spublish:calls="));
            sum += line.map_or(0, |line| {
                line.split(',').next().unwrap().parse::<u64>().unwrap()
            });
        }
        calls.push(sum);
        let last = purge(&speaker, id).await.expect("it is served again");
        sleep(Duration::from_millis(100)).await;
        assert!(diary.hears(last.id, last.fence));
    }
    assert_eq!(calls[1] - calls[0], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_cut_off_from_the_channels_is_told_so() {
    if !applies(SHARD_CHANNELS, "clusters have channels for each shard") {
        return;
    }
    let cluster = Cluster::start().await;
    let (speaker, hearer) = (join(&cluster).await, join(&cluster).await);
    let diary = Diary::of(&hearer);
    sleep(SETTLED).await;
    let purging = Purging::by(&speaker);
    for round in 0..6 {
        let node = &cluster.nodes[round % 3];
        let clients: String = run(node, &["CLIENT", "LIST"]).await;
        for client in clients.lines() {
            let field = |name: &str| client.split(' ').find_map(|word| word.strip_prefix(name));
            if field("ssub=").is_some_and(|number| number != "0") {
                run::<()>(node, &["CLIENT", "KILL", "ID", field("id=").unwrap()]).await;
            }
        }
        sleep(Duration::from_millis(300)).await;
    }
    let purges = purging.end().await;
    sleep(2 * SECOND).await;
    let missed = none_is_lost_without_a_word(&diary, &purges);
    println!("cut off: {missed} of {} events missed", purges.len());
    assert!(diary.resumed().len() >= 6, "{}", diary.resumed().len());
}

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
    let all = theirs.0.lock().unwrap().clone();
    assert!(!all.iter().any(|(_, event)| *event == TierEvent::Lost));
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
    say_all_to_all(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_know_no_such_channels_tell_all_and_nobody_doubts() {
    // As those before Redis 7.
    let cluster = match version().has(SHARD_CHANNELS) {
        true => Cluster::with(&["--rename-command", "SSUBSCRIBE", ""]).await,
        false => Cluster::start().await,
    };
    say_all_to_all(&cluster).await;
}

async fn say_all_to_all(cluster: &Cluster) {
    let (speaker, hearer) = (join(cluster).await, join(cluster).await);
    let diary = Diary::of(&hearer);
    sleep(SETTLED).await;
    let told = diary.resumed().len();
    for round in 0..100 {
        let said = purge(&speaker, fresh_id()).await.expect("it is up");
        while !diary.hears(said.id, said.fence) {
            assert!(
                said.answered.elapsed() < SECOND,
                "{round}: {:?}",
                diary.resumed()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(sent(cluster).await.1, 0);
    assert_eq!(diary.resumed().len(), told, "there is nothing to doubt");
}
