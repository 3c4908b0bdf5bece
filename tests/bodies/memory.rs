//! The memory of the proxy, as Linux counts it. What waits in the buffers of sockets is not in it.

use crate::origin::Origin;
use crate::support::proxy::{self, Proxy};

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// A proxy whose allocator gives back what is freed. Without being told, that of glibc keeps some
/// of it at hand, and what it keeps is not what the cache holds.
pub(crate) async fn frugal_proxy(origin: &Origin, flags: &[&str]) -> Proxy {
    let mut command = proxy::command();
    command
        .args(["--origin", &origin.url()])
        .args(flags)
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .env("MALLOC_TRIM_THRESHOLD_", "65536");
    Proxy::start(command).await
}

/// What a process holds now.
pub(crate) fn held(proxy: &Proxy) -> u64 {
    figure(proxy, "RssAnon")
}

/// The most that it ever held.
pub(crate) fn peak(proxy: &Proxy) -> u64 {
    figure(proxy, "VmHWM")
}

fn figure(proxy: &Proxy, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid()));
    let status = status.expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.map(|line| line.trim_matches([':', ' ', '\t', 'k', 'B']));
    let kib: Option<u64> = number.and_then(|number| number.parse().ok());
    kib.unwrap_or_else(|| panic!("no {name} in {status}")) * KIB
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}
