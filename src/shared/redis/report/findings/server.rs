//! What is wrong with a server that let us in.

use std::time::Duration;

use super::super::display::{Micros, Time};
use super::super::facts::{Facts, Place, Refusal, Seen, Whole};
use super::{Finding, memory, trouble};

/// A difference between clocks that somebody should look into: with NTP it is milliseconds.
const APART: i64 = 1_000_000;

pub(super) fn judge(facts: &Facts, place: &Place, seen: &Seen) -> Vec<Finding> {
    if let Some(finding) = another_kind(facts, place, seen) {
        // What else it says follows from that.
        return vec![finding.at(place)];
    }
    let mut found = Vec::new();
    if seen.is_replica() {
        found.push(replica(facts, seen));
    }
    if !seen.lacks.is_empty() {
        let (user, words) = (&facts.user, seen.lacks.join(" "));
        found.push(
            Finding::problem(
                format!("the user {user} lacks rights that the tier needs: {words}"),
                "in redis-cli as a user who may, there and on every server that may take its place \
                 (and in its ACL file, if it has one):",
            )
            .run(format!("ACL SETUSER {user} {words}")),
        );
    }
    if let Some(refusal) = &seen.refusal
        && !(seen.is_replica() && refusal.code == "READONLY")
    {
        found.push(refused(refusal));
    }
    if !seen.is_replica() {
        found.extend(memory::judge(seen));
    }
    let mut found: Vec<_> = found.into_iter().map(|one| one.at(place)).collect();
    if let Some(why) = &seen.broke_off {
        found.push(trouble::of_server(facts, place, why));
    }
    found
}

/// A server that the URL takes for something else.
fn another_kind(facts: &Facts, place: &Place, seen: &Seen) -> Option<Finding> {
    let in_cluster = matches!(facts.whole, Whole::Cluster(_));
    let redis = if facts.tls { "rediss" } else { "redis" };
    let cure = "in the URL (with user and password, if there are any):";
    match seen.hello.mode.as_str() {
        "sentinel" => Some(
            Finding::problem("it is a sentinel, which stores nothing itself", cure)
                .run(format!("{redis}+sentinel://{place}/mymaster")),
        ),
        "cluster" if !in_cluster => Some(
            Finding::problem(
                "it is one node of a cluster, and refuses calls about what others have",
                cure,
            )
            .run(format!("{redis}+cluster://{place}/")),
        ),
        "standalone" if in_cluster => Some(
            Finding::problem("it is a server by itself, no node of a cluster", cure)
                .run(format!("{redis}://{place}/")),
        ),
        _ => None,
    }
}

fn replica(facts: &Facts, seen: &Seen) -> Finding {
    let what = "it is a replica, which takes no writes";
    if matches!(facts.whole, Whole::Watched { .. }) {
        let cure = "none, if a failover is under way: the tier follows by itself. Else the \
                    sentinels are wrong about it, and this makes them look anew:";
        return Finding::problem(
            format!("{what}, while the sentinels call it the master"),
            cure,
        )
        .run("SENTINEL RESET *");
    }
    let redis = if facts.tls { "rediss" } else { "redis" };
    let master = seen.info.as_ref().and_then(|info| info.master.as_deref());
    let master = master.unwrap_or("MASTER:PORT");
    let cure = "name its master in the URL, or the sentinels that know who is:";
    Finding::problem(what, cure).run(format!("{redis}://{master}"))
}

/// A write was refused for want of something other than rights.
fn refused(refusal: &Refusal) -> Finding {
    let Refusal { code, text } = refusal;
    match code.as_str() {
        "OOM" => Finding::problem(
            "it is full and evicts nothing: what is new is not shared, and each node asks the \
             origin",
            "let it evict what was not used for longest, or give it more maxmemory; in redis-cli, \
             and in its configuration file:",
        )
        .run("CONFIG SET maxmemory-policy allkeys-lru"),
        "MISCONF" => Finding::problem(
            "it refuses writes because its last snapshot could not be written to disk",
            "make room on its disk; or, if nobody else's data has to survive there (ours need \
             not), do without snapshots:",
        )
        .run("CONFIG SET save \"\""),
        "NOREPLICAS" => Finding::problem(
            "it refuses writes because it has fewer replicas than min-replicas-to-write demands",
            "bring its replicas back; or, if a failover may lose writes, do without:",
        )
        .run("CONFIG SET min-replicas-to-write 0"),
        "LOADING" => Finding::problem(
            "it is still loading its data",
            "none but to wait: it is used as soon as it answers",
        ),
        "CLUSTERDOWN" => Finding::problem(
            format!("the cluster refuses calls ({text})"),
            "bring the missing masters or slots back (redis-cli --cluster check); so that the rest \
             goes on serving meanwhile, on every node:",
        )
        .run("CONFIG SET cluster-require-full-coverage no"),
        _ => Finding::problem(
            format!("it refuses what the tier asks of it: {code} {text}"),
            "its log may say more",
        ),
    }
}

/// How far the farthest server is.
pub(super) fn distance(facts: &Facts) -> Option<Finding> {
    let seen = facts
        .seen()
        .filter_map(|(place, seen)| Some((seen.round_trip?, place)));
    let (trip, place) = seen.max_by_key(|(trip, _)| *trip)?;
    let (shown, limit) = (Time(trip), Time(facts.timeout));
    let cure = "a server nearer to this node; or more time for each call, which requests then wait \
                while a server is sick:";
    let timeout = |times: u32| {
        let millis = trip.saturating_mul(times).as_millis().max(1);
        format!("RedisTierBuilder::timeout(Duration::from_millis({millis}))")
    };
    if trip >= facts.timeout {
        let what = format!(
            "a round trip takes {shown}, and a call is given up after {limit}: it will never be in use"
        );
        return Some(Finding::problem(what, cure).at(place).run(timeout(4)));
    }
    // A large body, or one lost packet, takes a few round trips.
    (trip >= facts.timeout / 4).then(|| {
        let what = format!(
            "a round trip takes {shown} of the {limit} that a call may take: large bodies will not \
             make it"
        );
        Finding::advice(what, cure).at(place).run(timeout(5))
    })
}

/// Clocks that differ.
pub(super) fn clocks(facts: &Facts) -> Vec<Finding> {
    let mut clocks: Vec<_> = facts
        .seen()
        .filter_map(|(place, seen)| Some((seen.clock?, place)))
        .collect();
    clocks.sort_by_key(|(clock, _)| clock.ahead);
    let (Some((slow, slowest)), Some((fast, fastest))) = (clocks.first(), clocks.last()) else {
        return Vec::new();
    };
    let synchronise = "timedatectl set-ntp true";
    let apart = fast.ahead.saturating_sub(slow.ahead);
    if apart.saturating_sub(fast.within.saturating_add(slow.within)) > APART {
        let shown = Time(Duration::from_micros(apart.unsigned_abs()));
        // The mark of a soft purge and the fences of what it is about are those of two masters.
        let what = format!(
            "the clock of {fastest} is {shown} ahead of the one of {slowest}: a soft purge may \
             spare pages that were stored up to that long before it, or make them be fetched again \
             for that long"
        );
        let cure = "have the servers' clocks synchronised, on each machine:";
        return vec![Finding::problem(what, cure).run(synchronise)];
    }
    let far = clocks
        .iter()
        .max_by_key(|(clock, _)| clock.ahead.unsigned_abs());
    let far = far.filter(|(clock, _)| {
        let apart = clock.ahead.unsigned_abs();
        apart.saturating_sub(clock.within.unsigned_abs()) > APART.unsigned_abs()
    });
    let finding = far.map(|(clock, place)| {
        let what = format!(
            "its clock is {} this node's. The tier does not mind, but one of the two is wrong; if it \
             is this node's, ages of responses are (their Date is compared with it)",
            Micros(clock.ahead)
        );
        let cure = "have the clocks synchronised, on each machine:";
        Finding::advice(what, cure).at(place).run(synchronise)
    });
    finding.into_iter().collect()
}
