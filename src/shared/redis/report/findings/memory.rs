//! How much a server may hold, and what it lets go of when that is reached.
//!
//! Everything of ours has a lifetime, so the policies for keys that have one reach all of it.

use super::super::facts::Seen;
use super::Finding;

pub(super) fn judge(seen: &Seen) -> Option<Finding> {
    let info = seen.info.as_ref()?;
    let (limit, policy) = (info.limit?, info.policy.as_deref()?);
    let full = seen.refusal.as_ref().is_some_and(|said| said.code == "OOM");
    if full {
        // That is a problem, and said there.
        return None;
    }
    let set = |policy: &str| format!("CONFIG SET maxmemory-policy {policy}");
    match policy {
        _ if limit == 0 => {
            let finding = Finding::advice(
                "no maxmemory is set: it grows until the system ends it",
                "as much as the machine can spare, and what to do then; in redis-cli, and in its \
                 configuration file:",
            )
            .run("CONFIG SET maxmemory 1gb");
            Some(if policy == "noeviction" {
                finding.run(set("allkeys-lru"))
            } else {
                finding
            })
        }
        "noeviction" => Some(
            Finding::advice(
                "when it is full it evicts nothing and refuses writes (noeviction): what is new is \
                 then not shared, and each node asks the origin",
                "let it evict what was not used for longest; where data of others must not go, \
                 volatile-lru. In redis-cli, and in its configuration file:",
            )
            .run(set("allkeys-lru")),
        ),
        "allkeys-lfu" | "allkeys-random" | "volatile-lfu" | "volatile-random" | "volatile-ttl" => {
            let better = if policy.starts_with("allkeys") {
                "allkeys-lru"
            } else {
                "volatile-lru"
            };
            Some(
                Finding::advice(
                    format!(
                        "when it is full, leases are among the first to be evicted ({policy}): \
                         each one lost may cost a request to the origin, never a wrong answer"
                    ),
                    "let it evict what was not used for longest; in redis-cli, and in its \
                     configuration file:",
                )
                .run(set(better)),
            )
        }
        _ => None,
    }
}
