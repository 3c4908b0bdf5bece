//! The shared tier of one node, every call and every event of it noted.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bellwether::Error;
use bellwether::shared::{
    Answer, Ask, BoxFuture, Commit, Committed, EntryId, Fence, Listener, PurgeKind, RedisTier,
    Release, Renew, SharedTier, TierEvent,
};
use bytes::Bytes;

use crate::history::{Call, Deed, Era, Heard, History, Life, Seen};
use crate::origin;

pub(crate) struct Watched {
    inner: RedisTier,
    life: Life,
    history: Arc<History>,
    /// Listeners are held weakly by the tier, so who stands in for them is held here.
    ears: std::sync::Mutex<Vec<Arc<Ear>>>,
    /// Alive as long as the cache has this tier.
    _sign: Arc<()>,
}

impl Watched {
    pub(crate) fn new(
        inner: RedisTier,
        life: Life,
        history: &Arc<History>,
        sign: &Arc<()>,
    ) -> Self {
        Self {
            inner,
            life,
            history: Arc::clone(history),
            ears: std::sync::Mutex::default(),
            _sign: Arc::clone(sign),
        }
    }

    /// Notes a call while it is made. Dropped in the middle, it stays without an answer.
    async fn noted<T>(
        &self,
        id: EntryId,
        deed: Deed,
        call: BoxFuture<'_, Result<T, Error>>,
        answered: impl FnOnce(&T) -> Deed,
    ) -> Result<T, Error> {
        let at = self.history.note(|notes, now| {
            notes.calls.push(Call {
                life: self.life,
                id,
                sent: now,
                over: None,
                deed,
            });
            notes.calls.len() - 1
        });
        let over = Over(&self.history, at);
        let result = call.await;
        drop(over);
        if let Ok(answer) = &result {
            let deed = answered(answer);
            self.history.note(|notes, _| notes.calls[at].deed = deed);
        }
        result
    }
}

/// Notes that a call is over, however it ends.
struct Over<'a>(&'a History, usize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.note(|notes, now| {
            // The notes may have been closed meanwhile.
            if let Some(call) = notes.calls.get_mut(self.1) {
                call.over = Some(now);
            }
        });
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl SharedTier for Watched {
    fn acquire(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Error>> {
        let (id, token) = (ask.id, ask.token);
        let deed = Deed::Acquire { token, seen: None };
        let call = self.inner.acquire(ask);
        let answered = move |answer: &Answer| {
            let version = answer.view.as_ref().map(|view| view.version.get());
            let grant = answer.grant;
            let seen = Some(Seen { grant, version });
            Deed::Acquire { token, seen }
        };
        Box::pin(self.noted(id, deed, call, answered))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, Error>> {
        let (id, token, fence) = (commit.id, commit.token, commit.fence.get());
        let fetch = origin::fetch_in(&commit.meta);
        let deed = move |verdict| Deed::Commit {
            token,
            fence,
            fetch,
            verdict,
        };
        let call = self.inner.commit(commit);
        let answered = move |verdict: &Committed| deed(Some(*verdict));
        Box::pin(self.noted(id, deed(None), call, answered))
    }

    fn renew(&self, renew: Renew) -> BoxFuture<'_, Result<bool, Error>> {
        let id = renew.id;
        let deed = |kept| Deed::Renew { kept };
        let call = self.inner.renew(renew);
        Box::pin(self.noted(id, deed(None), call, move |kept: &bool| deed(Some(*kept))))
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<bool, Error>> {
        let (id, token) = (release.id, release.token);
        let deed = move |given| Deed::Release { token, given };
        let call = self.inner.release(release);
        Box::pin(self.noted(id, deed(None), call, move |given| deed(Some(*given))))
    }

    fn purge(
        &self,
        id: EntryId,
        kind: PurgeKind,
        within: Duration,
    ) -> BoxFuture<'_, Result<Fence, Error>> {
        let call = self.inner.purge(id, kind, within);
        let answered = |fence: &Fence| Deed::Purge {
            fence: Some(fence.get()),
        };
        Box::pin(self.noted(id, Deed::Purge { fence: None }, call, answered))
    }

    fn purge_all(&self, within: Duration) -> BoxFuture<'_, Result<Fence, Error>> {
        Box::pin(async move {
            let fence = self.inner.purge_all(within).await?;
            self.history.note(|notes, _| {
                // There is one at a time: see `load::purge_all`.
                let mut purges = notes.purges_of_all.iter_mut().rev();
                if let Some(purge) = purges.find(|purge| purge.life == self.life) {
                    purge.fence = Some(fence.get());
                }
            });
            Ok(fence)
        })
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        let ear = Arc::new(Ear {
            listener,
            life: self.life,
            history: Arc::clone(&self.history),
        });
        let weak: Weak<Ear> = Arc::downgrade(&ear);
        self.ears.lock().expect("nobody panicked").push(ear);
        self.inner.subscribe(weak);
    }
}

/// Passes events on, and notes each when the node knows of it.
struct Ear {
    listener: Weak<dyn Listener>,
    life: Life,
    history: Arc<History>,
}

impl Listener for Ear {
    fn event(&self, event: TierEvent) {
        let Some(listener) = self.listener.upgrade() else {
            return;
        };
        let life = self.life;
        if let TierEvent::PurgedAll { fence } = event {
            let era = fence.get();
            self.history
                .note(|notes, at| notes.eras.push(Era { life, at, era }));
        }
        // `Lost` holds from the moment at which it may be acted upon, all others from when they were.
        if event == TierEvent::Lost {
            let note = |at| Heard { life, at, event };
            self.history.note(|notes, at| notes.heard.push(note(at)));
            listener.event(event);
            return;
        }
        listener.event(event);
        if event != TierEvent::Alive {
            let note = |at| Heard { life, at, event };
            self.history.note(|notes, at| notes.heard.push(note(at)));
        }
    }
}

/// The text in which a fetch names itself; it has to be found in the bytes of an entry.
pub(crate) fn find(haystack: &Bytes, needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
