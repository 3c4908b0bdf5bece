//! Tiers that are wrong on purpose: each must be caught by a check.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use crate::error::Error;
use crate::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Grant, Listener, MemoryTier,
    PurgeKind, Release, Renew, SharedTier, Token,
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Commits are stored whatever their fence.
    AcceptsLateWriters,
    /// Who would have to wait gets a lease too.
    GrantsTwoLeases,
}

/// The reference model with a fault.
#[derive(Clone)]
pub(super) struct Mutant {
    pub(super) inner: MemoryTier,
    pub(super) fault: Fault,
}

impl Mutant {
    /// A lease, whoever has it now.
    async fn rob(&self, ask: Ask) -> Result<Answer, Error> {
        self.inner.forget_lease(ask.id);
        self.inner.acquire(ask).await
    }

    async fn store_anyway(&self, commit: Commit) -> Result<Committed, Error> {
        let token = Token::random();
        let ask = Ask {
            id: commit.id,
            token,
            lease: Duration::from_secs(1),
            have: None,
            peek: false,
            force: true,
            insist: true,
            within: commit.within,
        };
        let Grant::Lease { fence, .. } = self.rob(ask).await?.grant else {
            return Ok(Committed::Superseded);
        };
        let commit = Commit {
            token,
            fence,
            ..commit
        };
        self.inner.commit(commit).await
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutant").finish_non_exhaustive()
    }
}

impl SharedTier for Mutant {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(async move {
            let answer = self.inner.acquire(ask.clone()).await?;
            let robbed = matches!(answer.grant, Grant::Wait { .. });
            if robbed && self.fault == Fault::GrantsTwoLeases {
                return self.rob(ask).await;
            }
            Ok(answer)
        })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        Box::pin(async move {
            let verdict = self.inner.commit(commit.clone()).await?;
            let refused = matches!(verdict, Committed::Superseded | Committed::Lost);
            if refused && self.fault == Fault::AcceptsLateWriters {
                return self.store_anyway(commit).await;
            }
            Ok(verdict)
        })
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        self.inner.renew(renew)
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        self.inner.release(release)
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        self.inner.purge(id, kind, within)
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        self.inner.purge_all(within)
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.inner.subscribe(listener);
    }
}
