//! One lease, from its grant to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;
use crate::shared::{BlockKind, Commit, Committed, Release, Renew, SharedTier, Token};
use crate::sync::Mutex;

/// How leases are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Length of a lease; renewed at a third of it.
    pub(crate) lease: Duration,
    /// Renewed no longer than this after the grant: a hung origin is not guarded for ever.
    pub(crate) longest: Duration,
    /// Most time for one call to the tier.
    pub(crate) call: Duration,
}

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
    granted: Instant,
    held: Arc<Mutex<Held>>,
    settled: bool,
}

/// Sees whether a lease is there still, without holding it.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Mutex<Held>>);

impl Watch {
    /// The same as of the lease.
    pub(crate) fn has_lapsed(&self) -> bool {
        has_lapsed(&self.0)
    }
}

fn has_lapsed(held: &Mutex<Held>) -> bool {
    may_be_lost(held) && !held.lock().unanswered
}

fn may_be_lost(held: &Mutex<Held>) -> bool {
    let held = held.lock();
    held.lost || Instant::now() >= held.until
}

#[derive(Debug)]
struct Held {
    /// By the local clock the lease is surely there until then: counted from *before* the call
    /// that granted or renewed it was sent.
    until: Instant,
    /// When the call was sent that granted or renewed it last.
    since: Instant,
    lost: bool,
    /// The tier did not answer the last renewal.
    unanswered: bool,
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
        let held = Held {
            until: asked + ttl,
            since: asked,
            lost: false,
            unanswered: false,
        };
        Self {
            tier,
            id,
            token,
            fence,
            timing,
            granted: asked,
            held: Arc::new(Mutex::new(held)),
            settled: false,
        }
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// True if somebody else may have it by now: the tier said so, or this process was paused past
    /// its end.
    pub(crate) fn may_be_lost(&self) -> bool {
        may_be_lost(&self.held)
    }

    /// Tells the same to those who only look on.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.held))
    }

    /// True if somebody else may have it by now and the tier is not the reason: it said so itself,
    /// or this process stood still.
    pub(crate) fn has_lapsed(&self) -> bool {
        has_lapsed(&self.held)
    }

    /// Runs `work` to its end, renewing the lease meanwhile. Losing it does not stop the work: its
    /// own clients still want the result, and the commit is judged by the fence.
    pub(crate) async fn hold<F: Future>(&self, work: F) -> F::Output {
        tokio::pin!(work);
        tokio::select! {
            biased;
            output = &mut work => return output,
            () = self.beat() => {}
        }
        work.await
    }

    /// Renews at a third of the lease, each time a little off it; ends when the lease is lost.
    async fn beat(&self) {
        let mut next = self.next_beat();
        loop {
            tokio::time::sleep_until(next).await;
            let sent = Instant::now();
            if sent >= self.held.lock().until || sent >= self.granted + self.timing.longest {
                break;
            }
            next = match self.tier.renew(self.renewal()).await {
                Ok(true) => {
                    let mut held = self.held.lock();
                    (held.since, held.until) = (sent, sent + self.timing.lease);
                    held.unanswered = false;
                    self.next_beat()
                }
                Ok(false) => {
                    let mut held = self.held.lock();
                    // It may have gone at any time since it was confirmed last.
                    (held.until, held.unanswered) = (held.since, false);
                    break;
                }
                // No answer: the lease may still be there, so try until its own end.
                Err(_) => {
                    self.held.lock().unanswered = true;
                    sent + self.timing.call.max(Duration::from_millis(100))
                }
            };
        }
        self.held.lock().lost = true;
    }

    fn next_beat(&self) -> Instant {
        let third = self.timing.lease / 3;
        Instant::now() + third.mul_f64(0.9 + 0.2 * fastrand::f64())
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
            held: self.granted.elapsed(),
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
