//! How much more memory a process needed than it had.

use crate::support::proxy::Proxy;

pub(crate) const MIB: u64 = 1 << 20;
/// What a proxy may grow by, whatever passes through it.
pub(crate) const MOST: u64 = 16 * MIB;

/// The memory of a proxy from now on.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    proxy: &'a Proxy,
    begun: u64,
}

impl<'a> Memory<'a> {
    /// Begins to watch.
    pub(crate) fn of(proxy: &'a Proxy) -> Self {
        let begun = read(proxy, "VmRSS:");
        Self { proxy, begun }
    }

    /// The highest that it ever was, above where it began.
    pub(crate) fn growth(&self) -> u64 {
        read(self.proxy, "VmHWM:").saturating_sub(self.begun)
    }

    /// Panics if it grew by more than [`MOST`].
    pub(crate) fn assert_flat(&self, what: &str) {
        let growth = self.growth();
        let shown = growth as f64 / MIB as f64;
        println!("{what}: the proxy grew by {shown:.1} MiB");
        assert!(growth < MOST, "{what}: the proxy grew by {shown:.1} MiB");
    }
}

fn read(proxy: &Proxy, field: &str) -> u64 {
    let path = format!("/proc/{}/status", proxy.pid());
    let status = std::fs::read_to_string(path).expect("the proxy lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .and_then(|kib| kib.parse().ok())
        .expect("Linux says how much memory a process has");
    kib * 1024
}
