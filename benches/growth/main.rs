//! How costs grow: memory and time among 1,000 to 10 million entries, with 10 to 100,000 who wait
//! for one cold page, and the memory of an entry in the proxy.
//!
//! `cargo bench --bench growth`: a few minutes, and 8 GB of memory; the tables and the picture go
//! to `benches/results`. `-- --quick`: without the largest, in seconds; nothing is written.

mod layer;
mod memory;
mod proxy;
mod report;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "it starts no peers")]
mod support;
mod waiters;

use indicatif::{ProgressBar, ProgressStyle};

/// As the proxy has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[expect(clippy::disallowed_methods, reason = "this measures real time")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let entries: &[usize] = if quick {
        &[1_000, 10_000, 100_000]
    } else {
        &[1_000, 10_000, 100_000, 1_000_000, 10_000_000]
    };
    let crowds: &[usize] = if quick {
        &[10, 1_000, 10_000]
    } else {
        &[10, 100, 1_000, 10_000, 100_000]
    };
    let kept = if quick { 20_000 } else { 100_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let bar = ProgressBar::new((entries.len() + crowds.len() + 1) as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} {msg}");
    bar.set_style(style.expect("a template"));
    let step = |message: &str| {
        bar.inc(1);
        bar.set_message(message.to_owned());
    };
    // Waiters first: what the entries give back stays with the allocator.
    let mut waited = Vec::new();
    for &crowd in crowds {
        waited.push(runtime.block_on(async move {
            let waiting = tokio::spawn(waiters::wait(crowd));
            waiting.await.expect("nobody panics")
        }));
        step("waiters");
    }
    let entry = runtime.block_on(proxy::entry(kept));
    step("proxy");
    let mut grown = Vec::new();
    runtime.block_on(layer::grow(entries, |one| {
        grown.push(one);
        step("entries");
    }));
    bar.finish_and_clear();
    report::show(&grown, &waited, entry, kept, !quick);
}
