//! What is wrong with the servers taken together: the watch of the sentinels, the cluster.

use std::time::Duration;

use super::super::super::topology::slots::SLOTS;
use super::super::super::url::Host;
use super::super::display::Time;
use super::super::facts::{Cluster, Facts, Place, Sentinel, Watching, Whole};
use super::{Finding, trouble};

/// A failure that goes unnoticed for longer than this is a long one.
const UNNOTICED: Duration = Duration::from_secs(10);

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = match &facts.whole {
        Whole::Single => return Vec::new(),
        Whole::Watched { master, sentinels } => watched(facts, master, sentinels),
        Whole::Cluster(cluster) => clustered(facts, cluster),
    };
    for (place, seen) in facts.seen() {
        let info = seen.info.as_ref();
        if info.is_some_and(|info| !info.wants_replicas && info.replicas > Some(0)) {
            found.push(
                Finding::advice(
                    "once cut off from its replicas, it goes on taking writes that are lost after a \
                     failover: a purge among them is undone",
                    "in redis-cli, there and on every server that may take its place:",
                )
                .at(place)
                .run("CONFIG SET min-replicas-to-write 1")
                .run("CONFIG SET min-replicas-max-lag 2"),
            );
        }
    }
    found
}

fn watched(facts: &Facts, master: &str, sentinels: &[Sentinel]) -> Vec<Finding> {
    let mut found = Vec::new();
    let answered = sentinels.iter().any(|one| one.state.is_ok());
    for Sentinel { place, state } in sentinels {
        match state {
            Err(why) => {
                let mut finding = trouble::of_sentinel(facts, place, why);
                if answered {
                    // The others do.
                    finding.severity = super::Severity::Advice;
                    finding.what.insert_str(0, "of this sentinel: ");
                } else {
                    finding.what.insert_str(0, "no sentinel can be asked: ");
                }
                found.push(finding);
            }
            Ok(watching) => found.extend(sentinel(facts, place, master, watching)),
        }
    }
    let ok = || {
        sentinels
            .iter()
            .filter_map(|one| Some((&one.place, one.state.as_ref().ok()?)))
    };
    if facts.servers.len() > 1 {
        let cure = "wait for a failover to end; if it does not, have each sentinel forget and look \
                    anew:";
        let what = "the sentinels name different masters, of the same configuration epoch";
        found.push(Finding::problem(what, cure).run("SENTINEL RESET *"));
    }
    let Some((place, best)) = ok().max_by_key(|(_, watching)| watching.watchers) else {
        return found;
    };
    if let Some(watchers @ ..3) = best.watchers {
        let what = format!(
            "{} over this master: if one goes with it, nobody can name another one",
            if watchers == 1 {
                "one sentinel watches"
            } else {
                "two sentinels watch"
            }
        );
        let (quorum, at) = (2, master_place(facts));
        let cure = "three or more, on different machines; in the configuration file of each:";
        let line = format!("sentinel monitor {master} {at} {quorum}");
        found.push(Finding::advice(what, cure).run(line));
    }
    if let (Some(watchers), Some(quorum)) = (best.watchers, best.quorum)
        && quorum > watchers
    {
        let what = format!("of {watchers} sentinels {quorum} have to agree: there is no failover");
        let cure = "in redis-cli, on each sentinel:";
        let line = format!("SENTINEL SET {master} quorum {}", watchers / 2 + 1);
        found.push(Finding::advice(what, cure).at(place).run(line));
    }
    if best.replicas == Some(0) {
        let what = "the master has no replica: if it goes, nothing is shared until it is back";
        let at = master_place(facts).replace(':', " ");
        let cure = "another server, told in redis-cli:";
        found.push(Finding::advice(what, cure).run(format!("REPLICAOF {at}")));
    }
    if let Some(after) = best.down_after.filter(|after| *after > UNNOTICED) {
        let what = format!(
            "a master that is gone is noticed after {}: nothing is shared for that long",
            Time(after)
        );
        let line = format!("SENTINEL SET {master} down-after-milliseconds 3000");
        found.push(Finding::advice(what, "in redis-cli, on each sentinel:").run(line));
    }
    found
}

fn master_place(facts: &Facts) -> String {
    let server = facts.servers.first();
    server.map_or_else(|| "HOST PORT".into(), |server| server.place.to_string())
}

fn sentinel(facts: &Facts, place: &Place, master: &str, watching: &Watching) -> Vec<Finding> {
    let mut found = Vec::new();
    if !watching.lacks.is_empty() {
        let (user, words) = (&facts.watcher, watching.lacks.join(" "));
        let what = format!("the user {user} lacks rights on this sentinel: {words}");
        let cure = "in redis-cli as a user who may:";
        let line = format!("ACL SETUSER {user} {words}");
        found.push(Finding::problem(what, cure).at(place).run(line));
    } else if watching.master.is_none() {
        let what = format!("this sentinel knows no master called {master}");
        let cure =
            "the name in the URL, after the hosts, has to be one that this shows in redis-cli:";
        found.push(
            Finding::problem(what, cure)
                .at(place)
                .run("SENTINEL MASTERS"),
        );
    }
    found
}

fn clustered(facts: &Facts, cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, why) in &cluster.silent {
        let mut finding = trouble::of_server(facts, place, why);
        // A master among them is looked at, too, and then this is said of it once more.
        if !facts.servers.is_empty() {
            finding.severity = super::Severity::Advice;
            finding.what.insert_str(0, "of this host of the URL: ");
        }
        found.push(finding);
    }
    let slots = usize::from(SLOTS);
    let told = facts.seen().all(|(_, seen)| {
        let mode = seen.hello.mode.as_str();
        mode != "standalone" && !seen.lacks.iter().any(|word| word == "+cluster|slots")
    });
    if cluster.covered < slots
        && told
        && let Some(server) = facts.servers.first()
    {
        let what = format!(
            "{} of {slots} slots without a master: what belongs there is not shared, and if \
             cluster-require-full-coverage is yes, nothing is",
            slots - cluster.covered
        );
        let cure = "bring the missing masters back; for slots that nobody has, in a shell:";
        let line = format!("redis-cli --cluster fix {}", server.place);
        found.push(Finding::problem(what, cure).run(line));
    }
    // A node leaves out replicas that have not yet received anything; the master itself does not.
    let connected = |host: &Host| {
        let mut seen = facts.seen();
        let found = seen.find(|(place, _)| matches!(place, Place::Host(at) if at == host));
        let info = found.and_then(|(_, seen)| seen.info.as_ref());
        info.is_some_and(|info| info.replicas > Some(0))
    };
    let masters = cluster.masters.iter();
    for (host, _) in masters.filter(|(host, replicas)| *replicas == 0 && !connected(host)) {
        let place = Place::Host(host.clone());
        let what = "it has no replica: if it goes, its share of the entries is not shared until it \
                    is back";
        let cure = "one more node for each, in a shell:";
        let line = "redis-cli --cluster add-node NEW_HOST:PORT HOST:PORT --cluster-slave";
        found.push(Finding::advice(what, cure).at(&place).run(line));
    }
    for (place, seen) in facts.seen() {
        if seen.hello.mode == "standalone" {
            continue;
        }
        if seen.full_coverage == Some(true) {
            let what = "the loss of one shard makes all others refuse calls until a replica has \
                        taken over (cluster-require-full-coverage)";
            let cure = "in redis-cli, on every node:";
            let line = "CONFIG SET cluster-require-full-coverage no";
            found.push(Finding::advice(what, cure).at(place).run(line));
        }
        if let Some(after) = seen.node_timeout.filter(|after| *after > UNNOTICED) {
            let what = format!(
                "a master that is gone is noticed after {} (cluster-node-timeout): its entries are \
                 not shared for that long and somewhat more",
                Time(after)
            );
            let cure = "in redis-cli, on every node:";
            let line = "CONFIG SET cluster-node-timeout 5000";
            found.push(Finding::advice(what, cure).at(place).run(line));
        }
    }
    found
}
