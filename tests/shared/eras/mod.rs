//! A node that has missed a purge of everything, which Redis has lost: what it purges is purged for all.

mod cluster;
mod entries;
mod everything;

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use crate::support::faults::*;
use crate::support::redis_server::{RedisServer, run};
use crate::support::*;

/// Where the store keeps the line of the purges of everything.
const ERA: &str = "{bw1:default:00000000000000000000000000000000}:era";

/// Long after the first heartbeat of a node that has just connected, long before the second.
const BETWEEN_HEARTBEATS: Duration = Duration::from_millis(150);

/// Each node has looked at the era by then, more than once.
const THREE_BEATS: Duration = Duration::from_millis(2_500);

/// Nodes of one server. The first has missed a purge of everything that the second knows of; what is
/// stored is from after that purge.
struct Behind {
    server: RedisServer,
    behind: RedisTier,
    notes: Arc<Notes>,
    ahead: Option<RedisTier>,
    fence: Fence,
    id: EntryId,
}

impl Behind {
    async fn new() -> Self {
        Self::by_a_clock_ahead(Duration::ZERO).await
    }

    /// The purge was numbered by another server, whose clock is ahead of the one of now.
    async fn by_a_clock_ahead(ahead: Duration) -> Self {
        loop {
            let fleet = Self::try_new(ahead).await;
            // On a busy machine its next heartbeat may have come before.
            if fleet.is_behind() {
                return fleet;
            }
        }
    }

    async fn try_new(ahead: Duration) -> Self {
        let server = RedisServer::start();
        let behind = connect(&server).await;
        let notes = Notes::hear(&behind);
        // Told to nobody, so only who starts now knows of it.
        let now = say(&behind, &ask(fresh_id())).await.now;
        let fence = Fence::new(now + u64::try_from(ahead.as_micros()).unwrap());
        sleep(BETWEEN_HEARTBEATS).await;
        run::<()>(&server, &["SET", ERA, &fence.to_string()]).await;
        let ahead = connect(&server).await;
        sleep(BETWEEN_HEARTBEATS).await;
        let id = store(&ahead, "of before the purge").await;
        Self {
            server,
            behind,
            notes,
            ahead: Some(ahead),
            fence,
            id,
        }
    }

    fn ahead(&self) -> &RedisTier {
        self.ahead.as_ref().expect("it is there still")
    }

    fn without_who_is_ahead(mut self) -> Self {
        self.ahead = None;
        self
    }

    /// As by a flush; what is stored in either era is as it was.
    async fn lose_era(&self) {
        run::<()>(&self.server, &["DEL", ERA]).await;
    }

    /// As by a node that knows of this one alone; no event tells of it.
    async fn tell_era(&self, era: Fence) {
        run::<()>(&self.server, &["SET", ERA, &era.to_string()]).await;
    }

    /// The era as it is stored, and those that it followed.
    async fn line(&self) -> Vec<u64> {
        line_of(&self.server).await
    }

    fn is_behind(&self) -> bool {
        let fence = self.fence;
        !self.notes.all().contains(&TierEvent::PurgedAll { fence })
    }

    /// Waits until the store has a later era than this. Meanwhile `tier` does not see the entry.
    async fn later_than(&self, era: Fence, tier: &RedisTier) -> Fence {
        let start = Instant::now();
        loop {
            let now = self.line().await[0];
            if now > era.get() {
                return Fence::new(now);
            }
            assert!(start.elapsed() < 5 * SECOND, "none was begun");
            let view = peek(tier, self.id).await.view;
            assert_eq!(view, None, "it was read back");
        }
    }

    async fn who_comes_later(&self, id: EntryId) -> Answer {
        peek(&connect(&self.server).await, id).await
    }
}

async fn line_of(server: &RedisServer) -> Vec<u64> {
    let line: String = run(server, &["GET", ERA]).await;
    let eras = line.split(',').map(str::parse);
    eras.collect::<Result<_, _>>().expect("a line of eras")
}
