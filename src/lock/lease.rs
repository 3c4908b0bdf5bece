//! One lease, from its grant to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;
use crate::lock::heartbeat::{Heartbeat, Timing, Watch};
use crate::shared::{BlockKind, Commit, Committed, Release, Renew, SharedTier, Token};

/// A lease that was granted to this process.
///
/// Dropped without [`commit`](Self::commit) or [`release`](Self::release), it is released in the
/// background if a runtime is there to do it, and ends by itself otherwise.
#[derive(Debug)]
pub(crate) struct Lease {
    tier: Arc<dyn SharedTier>,
    id: EntryId,
    token: Token,
    fence: Fence,
    timing: Timing,
    heartbeat: Heartbeat,
    settled: bool,
}

impl Lease {
    /// The lease that an `acquire` sent at `asked` was granted, with `ttl` left.
    pub(crate) fn new(
        tier: Arc<dyn SharedTier>,
        id: EntryId,
        token: Token,
        fence: Fence,
        asked: Instant,
        ttl: Duration,
        timing: Timing,
    ) -> Self {
        Self {
            tier,
            id,
            token,
            fence,
            timing,
            heartbeat: Heartbeat::new(asked, ttl, timing),
            settled: false,
        }
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// True if somebody else may have it by now: the tier said so, or this process was paused past
    /// its end.
    pub(crate) fn may_be_lost(&self) -> bool {
        self.heartbeat.watch().may_be_lost()
    }

    /// Tells the same to those who only look on.
    pub(crate) fn watch(&self) -> Watch {
        self.heartbeat.watch().clone()
    }

    /// True if somebody else may have it by now and the tier is not the reason: it said so itself,
    /// or this process stood still.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.heartbeat.watch().has_lapsed()
    }

    /// Runs `work` to its end, renewing the lease meanwhile. Losing it does not stop the work: its
    /// own clients still want the result, and the commit is judged by the fence.
    pub(crate) async fn hold<F: Future>(&self, work: F) -> F::Output {
        tokio::pin!(work);
        tokio::select! {
            biased;
            output = &mut work => return output,
            () = self.heartbeat.beat(|| self.tier.renew(self.renewal())) => {}
        }
        work.await
    }

    fn renewal(&self) -> Renew {
        Renew {
            id: self.id,
            token: self.token,
            fence: self.fence,
            lease: self.timing.lease,
            within: self.timing.call,
        }
    }

    /// Stores what was fetched under this lease. Asks once more without the body, or with it,
    /// never: the caller decides by the answer.
    ///
    /// # Errors
    /// The tier did not answer: it may or may not be stored.
    pub(crate) async fn commit(&mut self, commit: Commit) -> Result<Committed, Error> {
        debug_assert_eq!(
            (commit.id, commit.token, commit.fence),
            (self.id, self.token, self.fence)
        );
        let answer = self.tier.commit(commit).await;
        // Every answer but these ends the lease, or says that it is gone.
        self.settled = !matches!(answer, Ok(Committed::Bodiless) | Err(_));
        answer
    }

    /// A commit under this lease, still without its content.
    pub(crate) fn commit_of(&self, meta: bytes::Bytes, body: Option<bytes::Bytes>) -> Commit {
        Commit {
            id: self.id,
            token: self.token,
            fence: self.fence,
            fresh: Duration::ZERO,
            held: self.heartbeat.age(),
            keep: Duration::ZERO,
            meta,
            body,
            within: self.timing.call,
        }
    }

    /// Asks whether it is still ours.
    ///
    /// # Errors
    /// The tier did not answer.
    pub(crate) async fn confirm(&self) -> Result<bool, Error> {
        self.tier.renew(self.renewal()).await
    }

    /// Gives it back, with a mark for the others.
    pub(crate) async fn release(mut self, block: Option<(BlockKind, Duration)>) {
        self.settled = true;
        // Unanswered: it ends by itself.
        let _ = self.tier.release(self.release_of(block)).await;
    }

    /// Gives it back in the background, with a mark for the others, while the work goes on.
    pub(crate) fn give_up(&self, block: (BlockKind, Duration)) {
        self.release_behind(Some(block));
    }

    fn release_behind(&self, block: Option<(BlockKind, Duration)>) {
        // Without a runtime it ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tier = Arc::clone(&self.tier);
            let release = self.release_of(block);
            runtime.spawn(async move {
                let _ = tier.release(release).await;
            });
        }
    }

    fn release_of(&self, block: Option<(BlockKind, Duration)>) -> Release {
        Release {
            id: self.id,
            token: self.token,
            block,
            within: self.timing.call,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            // A drop cannot wait, so a task of its own does.
            self.release_behind(None);
        }
    }
}
