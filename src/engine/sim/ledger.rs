//! The tier itself, noting what it does.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::history::{Deed, History};
use crate::error::Error;
use crate::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Grant, Listener, PurgeKind, Release,
    Renew, SharedTier,
};

/// Notes what another tier does.
pub(super) struct Ledger {
    pub(super) inner: Arc<dyn SharedTier>,
    pub(super) history: Arc<History>,
}

/// The field that names the fetch which brought or confirmed a response.
pub(super) const FETCH: &str = "x-fetch";

/// The fetch that an encoded head names.
fn fetch_of(meta: &[u8]) -> Option<usize> {
    let name = FETCH.as_bytes();
    let at = meta.windows(name.len()).position(|part| part == name)?;
    // Its length, in four bytes, stands between.
    let value = &meta[at + name.len() + 4..];
    let end = value.iter().position(|byte| !byte.is_ascii_digit());
    std::str::from_utf8(&value[..end.unwrap_or(value.len())])
        .ok()?
        .parse()
        .ok()
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl SharedTier for Ledger {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(async move {
            let id = ask.id;
            let answer = self.inner.acquire(ask).await?;
            if matches!(answer.grant, Grant::Lease { .. }) {
                self.history
                    .note(|notes, at| notes.deeds.push(Deed::Granted { id, at }));
            }
            Ok(answer)
        })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        Box::pin(async move {
            let (id, fence, fetch) = (commit.id, commit.fence, fetch_of(&commit.meta));
            let verdict = self.inner.commit(commit).await?;
            self.history.note(|notes, at| {
                notes.deeds.push(Deed::Committed {
                    id,
                    at,
                    fence,
                    fetch,
                    verdict,
                });
            });
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
        Box::pin(async move {
            let fence = self.inner.purge(id, kind, within).await?;
            self.history.note(|notes, at| {
                let deed = Deed::Purged {
                    id,
                    at,
                    fence,
                    kind,
                };
                notes.deeds.push(deed);
            });
            Ok(fence)
        })
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(async move {
            let fence = self.inner.purge_all(within).await?;
            self.history
                .note(|notes, at| notes.deeds.push(Deed::PurgedAll { at, fence }));
            Ok(fence)
        })
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.inner.subscribe(listener);
    }
}
