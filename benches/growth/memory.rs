//! What a process occupies.

use std::fs;

/// Bytes of memory that this process has to itself (its share of what it shares included).
pub(crate) fn of(process: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
    let text = text.expect("Linux says so");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.expect("a number of KiB") * 1_024
}

pub(crate) fn own() -> u64 {
    of("self")
}
