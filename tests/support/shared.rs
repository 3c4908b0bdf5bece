//! The claims of the contract of `SharedTier`, for any adapter.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bellwether::shared::{
    Answer, Ask, BlockKind, Commit, Committed, Content, EntryId, Fence, Grant, Listener, PurgeKind,
    Release, Renew, SharedTier, TierEvent, Token,
};

pub type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A store under test, and what may happen to it.
pub trait Bench: Send + Sync {
    /// One of two nodes.
    fn node(&self, number: usize) -> &dyn SharedTier;
    /// Loses the entry, keeps the lease.
    fn forget_entry(&self, id: EntryId) -> Done<'_>;
    /// Loses the lease, keeps the entry.
    fn forget_lease(&self, id: EntryId) -> Done<'_>;
    /// Loses all there is.
    fn forget_all(&self) -> Done<'_>;
    /// Whatever has to hold for the store at the end of each claim.
    fn check(&self) -> Done<'_>;
}

pub const SECOND: Duration = Duration::from_secs(1);

/// Every claim uses an entry of its own.
pub fn fresh_id() -> EntryId {
    EntryId::from_bytes(fastrand::u128(..).to_be_bytes())
}

pub fn ask(id: EntryId) -> Ask {
    Ask {
        id,
        token: Token::random(),
        lease: 10 * SECOND,
        have: None,
        peek: false,
        force: false,
        insist: false,
        within: SECOND,
    }
}

pub fn commit(id: EntryId, token: Token, fence: Fence, body: Option<&str>) -> Commit {
    Commit {
        id,
        token,
        fence,
        fresh: 5 * SECOND,
        held: Duration::ZERO,
        keep: 60 * SECOND,
        meta: format!("meta {fence}").into_bytes().into(),
        body: body.map(|body| body.to_owned().into_bytes().into()),
        within: SECOND,
    }
}

pub fn release(id: EntryId, token: Token, block: Option<(BlockKind, Duration)>) -> Release {
    Release {
        id,
        token,
        block,
        within: SECOND,
    }
}

pub fn leased(answer: &Answer) -> Fence {
    match answer.grant {
        Grant::Lease { fence, ttl } if ttl <= 10 * SECOND => fence,
        _ => panic!("no lease: {answer:?}"),
    }
}

pub async fn say(node: &dyn SharedTier, ask: &Ask) -> Answer {
    node.acquire(ask.clone()).await.expect("an answer")
}

pub async fn put(node: &dyn SharedTier, commit: Commit) -> Committed {
    node.commit(commit).await.expect("an outcome")
}

/// Takes the lease and commits `body`.
pub async fn stored(node: &dyn SharedTier, id: EntryId, body: &str) -> Fence {
    let ask = Ask {
        force: true,
        ..ask(id)
    };
    let fence = leased(&say(node, &ask).await);
    let outcome = put(node, commit(id, ask.token, fence, Some(body))).await;
    assert_eq!(
        outcome,
        Committed::Stored {
            body_version: fence
        }
    );
    fence
}

pub async fn peek(node: &dyn SharedTier, id: EntryId) -> Answer {
    let answer = say(
        node,
        &Ask {
            peek: true,
            ..ask(id)
        },
    )
    .await;
    assert_eq!(answer.grant, Grant::Peeked);
    answer
}

pub async fn purge(node: &dyn SharedTier, id: EntryId, kind: PurgeKind) -> Fence {
    node.purge(id, kind, SECOND).await.expect("a fence")
}

#[derive(Default)]
pub struct Notes(Mutex<Vec<TierEvent>>);

impl Listener for Notes {
    fn event(&self, event: TierEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Notes {
    pub fn hear(node: &dyn SharedTier) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        let listener: Weak<dyn Listener> = Arc::<Self>::downgrade(&notes);
        node.subscribe(listener);
        notes
    }

    pub fn all(&self) -> Vec<TierEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The events so far about this entry.
    pub fn about(&self, entry: EntryId) -> Vec<TierEvent> {
        let ours = |event: &TierEvent| match event {
            TierEvent::Committed { id, .. }
            | TierEvent::Released { id, .. }
            | TierEvent::Purged { id, .. } => *id == entry,
            _ => false,
        };
        self.all().into_iter().filter(ours).collect()
    }
}

/// Waits for what is under way between the nodes: purges of other entries are the markers. Of a
/// cluster, only the events of one master keep their order, so there are enough of them for each
/// master to have one.
pub async fn settled(bench: &dyn Bench, notes: &Notes) {
    let mut markers: Vec<_> = (0..32).map(|_| fresh_id()).collect();
    for marker in &markers {
        purge(bench.node(0), *marker, PurgeKind::Soft).await;
    }
    for _ in 0..500 {
        markers.retain(|marker| notes.about(*marker).is_empty());
        if markers.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{markers:?} were never heard of");
}
