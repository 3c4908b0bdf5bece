//! The table of what was measured, and how much the machine itself had to do with it.

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Prints one row of figures.
pub(crate) fn row(claim: &str, figures: &str) {
    static HEAD: Once = Once::new();
    HEAD.call_once(|| println!("\n{:<46} | measured", "claim"));
    println!("{claim:<46} | {figures}");
}

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Measures how long this machine lets a thread wait that has asked to be woken: a claim about
/// the longest of many thousand waits cannot be held against the cache for that.
#[derive(Debug)]
pub(crate) struct Stall {
    worst: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stall {
    /// Watches until dropped.
    pub(crate) fn watch() -> Self {
        let (worst, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (theirs, ended) = (Arc::clone(&worst), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let nap = Duration::from_millis(1);
            while !ended.load(Ordering::Relaxed) {
                let begun = tokio::time::Instant::now();
                std::thread::sleep(nap);
                let late = begun.elapsed().saturating_sub(nap);
                let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
                theirs.fetch_max(late, Ordering::Relaxed);
            }
        });
        Self {
            worst,
            stop,
            thread: Some(thread),
        }
    }

    /// The worst so far.
    pub(crate) fn worst(&self) -> Duration {
        Duration::from_micros(self.worst.load(Ordering::Relaxed))
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
