//! Each safety of the product taken out, one at a time: the checks have to see it.
//!
//! A copy of the sources is changed, built, and put under faults. That takes minutes, so it is no
//! part of the tests: `make mutants`, or `CHAOS_MUTANT=NAME,NAME` for some of them. One is caught if
//! any of three seeds shows it; `CHAOS_EVERY_SEED=1` wants it of each. What the runs said is in
//! `target/tmp/mutants/logs`.
//!
//! Not among them: an older response that takes the place of a newer one in L1. It takes a body that
//! is still read after a gap, a newer flight beside it, and a Redis that can be asked by neither, which
//! three minutes of faults did not bring together; `local::tests` has it alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::time::Instant;

/// One safety less.
struct Mutant {
    name: &'static str,
    /// Files, with what stands there exactly once, and what replaces it.
    changes: &'static [(&'static str, &'static str, &'static str)],
    /// The claims of which one has to be found broken.
    caught_by: &'static [&'static str],
}

const COMMIT: &str = "src/shared/redis/scripts/commit.lua";
const ACQUIRE: &str = "src/shared/redis/scripts/acquire.lua";
const PURGE: &str = "src/shared/redis/scripts/purge.lua";
const LATE: &str = "no late writer is stored";

const MUTANTS: [Mutant; 15] = [
    Mutant {
        name: "commit-without-the-fence-check",
        changes: &[(
            COMMIT,
            "if h[1] and h[1] ~= fence then return { 'superseded', '' } end",
            "",
        )],
        caught_by: &[LATE],
    },
    Mutant {
        name: "commit-without-evidence",
        changes: &[(
            COMMIT,
            "if not h[1] and not mine then return { 'lost', '' } end",
            "",
        )],
        caught_by: &[LATE],
    },
    Mutant {
        name: "purge-that-does-not-bump",
        changes: &[(
            PURGE,
            "redis.call('HSET', E, 'f', fence, 'p', fence)",
            "redis.call('HSET', E, 'p', fence)",
        )],
        caught_by: &[LATE, "fences strictly rise"],
    },
    Mutant {
        name: "acquire-that-ignores-the-living-lease",
        changes: &[(
            ACQUIRE,
            "local cur = redis.call('GET', L)",
            "local cur = false",
        )],
        caught_by: &["one lease at a time"],
    },
    Mutant {
        name: "fences-without-time",
        changes: &[
            (ACQUIRE, "math.max(us, ", "math.max(0, "),
            (PURGE, "math.max(us, ", "math.max(0, "),
        ],
        // What has no fence is dated by the shared clock, so it is soon missed there, too.
        caught_by: &[
            "fences strictly rise",
            "nothing purged is served by who was told",
        ],
    },
    Mutant {
        name: "waiters-without-a-ttl",
        changes: &[(
            ACQUIRE,
            "redis.pcall('HSET', E, 'n', 1) keep()",
            "redis.pcall('HSET', E, 'n', 1)",
        )],
        caught_by: &["no key without a TTL in redis"],
    },
    Mutant {
        name: "freshness-from-the-arrival",
        changes: &[(COMMIT, "math.min(ms, granted + tonumber(ARGV[10]))", "ms")],
        caught_by: &["nothing is served past its windows"],
    },
    Mutant {
        name: "refused-and-kept",
        changes: &[(
            "src/engine/store.rs",
            "            Verdict::Full => self.keep_local(&place, record, None),
            Verdict::Refused => self.refused_late(&place),
        }
    }

    /// Too large",
            "            _ => self.keep_local(&place, record, None),
        }
    }

    /// Too large",
        )],
        caught_by: &["nothing is kept that the tier refused"],
    },
    Mutant {
        name: "no-epoch-at-a-gap",
        changes: &[(
            "src/engine/events.rs",
            "sees the new epoch too.
                self.epoch.fetch_add(1, Ordering::SeqCst);",
            "",
        )],
        caught_by: &["nothing purged is served by who is back"],
    },
    Mutant {
        name: "no-deadline-for-calls",
        changes: &[(
            "src/shared/redis/ops.rs",
            "result = timeout_at(until, act(links)) => {
                        let result = result.unwrap_or(Err(Failure::Late));",
            "result = act(links) => {",
        )],
        caught_by: &["no request pays more than its budget for redis"],
    },
    Mutant {
        name: "purge-that-strikes-no-flight",
        changes: &[(
            "src/engine/core.rs",
            "pub(crate) fn drop_local(&self, id: EntryId) {
        // In this order: see `Flight::purged`.
        self.flights.purge(id);",
            "pub(crate) fn drop_local(&self, id: EntryId) {",
        )],
        caught_by: &[
            "nothing purged is served where it was purged",
            "nothing purged is served by who was told",
        ],
    },
    Mutant {
        name: "era-left-out-of-the-keys",
        changes: &[(
            "src/shared/redis/names.rs",
            "let era = if era == 0 {",
            "let era = if era < u64::MAX {",
        )],
        caught_by: &[
            "nothing older than a purge of all is served where it was",
            "nothing older than a purge of all is served by who was told",
        ],
    },
    Mutant {
        name: "no-look-at-the-era",
        changes: &[
            (
                "src/shared/redis/payments.rs",
                "if ours(ERA) {",
                "if ours(ERA) && inner.debts.purges(1, ours).len() > 1 {",
            ),
            // Each node purges now and then, and would learn of it soon after.
            (
                "src/shared/redis/purges.rs",
                "self.look_until(until),",
                "std::future::ready(Ok::<(), Failure>(())),",
            ),
            (
                "src/shared/redis/era/learn.rs",
                "if era != ours {",
                "if era < ours {",
            ),
        ],
        caught_by: &["nothing older than a purge of all is served by who is back"],
    },
    Mutant {
        name: "no-renewal",
        changes: &[(
            "src/lock/lease.rs",
            "() = self.heartbeat.beat(|| self.tier.renew(self.renewal())) => {}",
            "() = std::future::pending() => {}",
        )],
        caught_by: &["one origin call in the fleet, in calm"],
    },
    Mutant {
        name: "tier-never-let-go",
        changes: &[(
            "src/engine/core.rs",
            "let engine = Arc::new(Self {",
            "std::mem::forget(tier.clone());
        let engine = Arc::new(Self {",
        )],
        caught_by: &["connections, tasks and memory are back"],
    },
];

/// What is to be taken out is there: a mutant of what was rewritten since would prove nothing.
#[test]
fn every_mutant_can_be_made() {
    for mutant in &MUTANTS {
        for (file, from, _) in mutant.changes {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(path).expect("a source");
            assert_eq!(text.matches(from).count(), 1, "{}: {file}", mutant.name);
        }
    }
}

/// Schedules that a mutant may live through but for one.
const SEEDS: u64 = 3;
/// Seconds of each: the calm round and a stormy one.
const TIME: u64 = 34;

#[test]
#[ignore = "builds and runs the whole a dozen times: make mutants"]
fn each_mutant_is_caught() {
    let only = std::env::var("CHAOS_MUTANT").ok();
    let every_seed = std::env::var_os("CHAOS_EVERY_SEED").is_some();
    let mut survivors = Vec::new();
    for mutant in &MUTANTS {
        let asked = |only: &str| only.split(',').any(|name| name == mutant.name);
        if !only.as_deref().is_none_or(asked) {
            continue;
        }
        let begun = Instant::now();
        let tree = make(mutant);
        println!("{}: built in {} s", mutant.name, begun.elapsed().as_secs());
        let mut caught = 0;
        let mut tried = 0;
        while tried < SEEDS && (every_seed || caught == 0) {
            tried += 1;
            let begun = Instant::now();
            let verdict = judge(mutant, &tree, tried);
            let took = begun.elapsed().as_secs();
            println!("{}: seed {tried}, {took} s: {verdict:?}", mutant.name);
            caught += u64::from(matches!(verdict, Verdict::Caught(_)));
        }
        if caught == 0 || every_seed && caught < tried {
            survivors.push(mutant.name);
        }
    }
    assert!(survivors.is_empty(), "not caught: {survivors:?}");
}

#[derive(Debug)]
#[expect(dead_code, reason = "they are printed")]
enum Verdict {
    /// By these claims.
    Caught(Vec<&'static str>),
    /// Something failed, but none of the claims that should have.
    ByAnother(Vec<String>),
    Survived,
}

/// Puts a mutant under faults, and looks at what was found broken.
fn judge(mutant: &Mutant, built: &Built, seed: u64) -> Verdict {
    let output = run(built, seed);
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants/logs");
    std::fs::create_dir_all(&logs).expect("below our own directory");
    let log = logs.join(format!("{}-{seed}", mutant.name));
    std::fs::write(log, &output).expect("a file of ours");
    let broken = output
        .lines()
        .filter_map(|line| line.strip_prefix("BROKEN: "));
    let broken: Vec<_> = broken.map(ToOwned::to_owned).collect();
    let ours = mutant.caught_by.iter().copied();
    let caught: Vec<_> = ours
        .filter(|claim| broken.iter().any(|one| one == claim))
        .collect();
    match (caught.is_empty(), broken.is_empty()) {
        (false, _) => Verdict::Caught(caught),
        (true, false) => Verdict::ByAnother(broken),
        (true, true) => Verdict::Survived,
    }
}

/// A mutant that is ready to run.
struct Built {
    tree: PathBuf,
    binary: PathBuf,
}

/// Changes a copy of the sources, and builds it.
fn make(mutant: &Mutant) -> Built {
    let tree = copy();
    for (file, from, to) in mutant.changes {
        let path = tree.join(file);
        let text = std::fs::read_to_string(&path).expect("it was copied");
        // A source that was rewritten fails here, and not by quietly changing nothing.
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a copy of ours");
    }
    // Not that of the sources themselves: cargo takes a copy for the same package, and what was
    // built of a mutant for what is built of them.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // What cargo tells this test about itself would have build scripts run again, each time.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_") && name != "CARGO_HOME" {
            build.env_remove(&*name);
        }
    }
    build
        .args(["test", "--all-features", "--test", "chaos"])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(&tree);
    let built = build.args(["--no-run"]).output().expect("cargo runs");
    let words = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "the mutant does not build: {words}");
    let binary = words.lines().find_map(|line| {
        let (_, path) = line.split_once("(")?;
        path.strip_suffix(')')
            .filter(|path| path.contains("chaos-"))
    });
    let binary = tree.join(binary.expect("cargo names it"));
    Built { tree, binary }
}

/// What it says under faults.
fn run(built: &Built, seed: u64) -> String {
    let ran = Command::new(&built.binary)
        .args(["under_faults_no_promise_is_broken", "--nocapture"])
        .env("CHAOS_SEED", seed.to_string())
        .env("CHAOS_TIME", TIME.to_string())
        // The first claim that is found broken need not be the one that should be.
        .env("CHAOS_GO_ON", "1")
        .env("RUST_BACKTRACE", "0")
        .current_dir(&built.tree)
        .output()
        .expect("it was built");
    format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    )
}

/// A copy of all that a build needs.
fn copy() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutant");
    let _ = std::fs::remove_dir_all(&to);
    for part in ["src", "tests", "examples", "benches"] {
        copy_dir(&from.join(part), &to.join(part));
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md"] {
        std::fs::copy(from.join(file), to.join(file)).expect("it is there");
    }
    to
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("below our own directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("it is readable");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).expect("it can be copied");
        }
    }
}
