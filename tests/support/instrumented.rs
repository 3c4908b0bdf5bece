//! The scripts as they are shipped, with one line more: each step that matters writes itself into
//! a list in the same atomic step. And copies of them with one safety taken out.

/// The scripts of one run.
#[derive(Debug, Clone)]
pub struct Scripts {
    pub acquire: String,
    pub commit: String,
    pub renew: String,
    pub release: String,
    pub purge: String,
}

/// A safety that is taken out, to see that the checker misses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A commit with an older fence is let through.
    NoSuperseded,
    /// A commit without any evidence is let through.
    NoLost,
    /// Fences count from the entry alone, so they start over when it was lost.
    FenceWithoutTime,
    /// The flag of a waiter is set without a TTL.
    NoTtl,
}

impl Scripts {
    pub fn new(mutant: Option<Mutant>) -> Self {
        let mut scripts = Self {
            acquire: include_str!("../../src/shared/redis/scripts/acquire.lua").into(),
            commit: include_str!("../../src/shared/redis/scripts/commit.lua").into(),
            renew: include_str!("../../src/shared/redis/scripts/renew.lua").into(),
            release: include_str!("../../src/shared/redis/scripts/release.lua").into(),
            purge: include_str!("../../src/shared/redis/scripts/purge.lua").into(),
        };
        match mutant {
            None => {}
            Some(Mutant::NoSuperseded) => swap(
                &mut scripts.commit,
                "if h[1] and h[1] ~= fence then return { 'superseded', '' } end",
                "",
            ),
            Some(Mutant::NoLost) => swap(
                &mut scripts.commit,
                "if not h[1] and not mine then return { 'lost', '' } end",
                "",
            ),
            Some(Mutant::FenceWithoutTime) => {
                swap(&mut scripts.acquire, "math.max(us, ", "math.max(0, ");
                swap(&mut scripts.purge, "math.max(us, ", "math.max(0, ");
            }
            Some(Mutant::NoTtl) => swap(
                &mut scripts.acquire,
                "redis.pcall('HSET', E, 'n', 1) keep()",
                "redis.pcall('HSET', E, 'n', 1)",
            ),
        }
        let note = |what: &str, fence: &str| {
            format!("redis.call('RPUSH', 'history:' .. KEYS[1], '{what}:' .. {fence})\n")
        };
        let grant = "return answer('L', tonumber(ARGV[2]), fence)";
        swap(
            &mut scripts.acquire,
            grant,
            &format!("{}{grant}", note("grant", "fence")),
        );
        let stored = "return { 'stored', d }";
        swap(
            &mut scripts.commit,
            stored,
            &format!("{}{stored}", note("commit", "fence")),
        );
        let purged = "return fence";
        swap(
            &mut scripts.purge,
            purged,
            &format!("{}{purged}", note("purge", "fence")),
        );
        scripts
    }
}

/// Replaces what has to be there exactly once: a script that was rewritten fails here, and not by
/// quietly testing nothing.
fn swap(script: &mut String, from: &str, to: &str) {
    assert_eq!(script.matches(from).count(), 1, "{from:?} in {script}");
    *script = script.replacen(from, to, 1);
}

/// What the history of one entry says against the protocol.
pub fn verdict(history: &[(String, u64)]) -> Result<(), String> {
    let (mut issued, mut stored, mut purged) = (0, 0, 0);
    for (at, (what, fence)) in history.iter().enumerate() {
        let fence = *fence;
        let wrong = |why: &str| Err(format!("step {at}, {what} {fence}: {why}"));
        match what.as_str() {
            "grant" | "purge" => {
                if fence <= issued {
                    return wrong(&format!("not above {issued}, the last fence issued"));
                }
                issued = fence;
                if what == "purge" {
                    purged = fence;
                }
            }
            "commit" => {
                if fence < purged {
                    return wrong(&format!("from before the purge {purged}"));
                }
                if fence == stored {
                    return wrong("stored twice");
                }
                if fence < stored {
                    return wrong(&format!("older than {stored}, which it replaced"));
                }
                if fence != issued {
                    return wrong(&format!("not {issued}, the newest one"));
                }
                stored = fence;
            }
            _ => return wrong("unknown"),
        }
    }
    Ok(())
}
