//! Acquire and release, with nobody else there.

use std::time::Duration;

use tokio::time::Instant;

use crate::peers::Way;

/// What one acquire and release took in each round.
pub(crate) struct Round {
    pub(crate) ours: Duration,
    pub(crate) theirs: Duration,
}

pub(crate) async fn run(urls: &[String], rounds: usize, each: usize) -> Vec<Round> {
    let ours = Way::ours(urls).await;
    let theirs = Way::theirs(urls, None);
    // Connections and scripts are there, before anything is measured.
    pass(&ours, each / 5).await;
    pass(&theirs, each / 5).await;
    let mut seen = Vec::new();
    for round in 0..rounds {
        eprintln!("{} server(s), round {} of {rounds}", urls.len(), round + 1);
        // Each is first in every other round.
        let round = if round % 2 == 0 {
            let ours = pass(&ours, each).await;
            let theirs = pass(&theirs, each).await;
            Round { ours, theirs }
        } else {
            let theirs = pass(&theirs, each).await;
            let ours = pass(&ours, each).await;
            Round { ours, theirs }
        };
        seen.push(round);
    }
    seen
}

#[expect(clippy::cast_possible_truncation, reason = "a few thousand passes")]
async fn pass(way: &Way, each: usize) -> Duration {
    let begun = Instant::now();
    for _ in 0..each {
        way.take().await.release().await;
    }
    begun.elapsed() / each as u32
}
