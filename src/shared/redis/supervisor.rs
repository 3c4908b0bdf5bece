//! The task that makes connections to one server, and makes them again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::failure::Failure;
use super::link::{self, Conn, Links};
use super::names::Space;
use super::shards::Ears;
use super::watch::{leave, watch};
use super::way::Way;
use super::{Inner, payments, wire};
use crate::clock::{Clock, SystemClock};
use crate::key::EntryId;
use crate::shared::{Ask, Release, Token};

/// Most time for one attempt to connect. Long against [`REFUSED`]: an attempt that hangs in a
/// frozen server's queue is answered the moment it thaws.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The first wait between attempts; it doubles.
const FIRST: Duration = Duration::from_millis(100);
/// The longest one where the server refuses: an attempt costs nothing there, and a server that was
/// restarted is in use again soon.
const REFUSED: Duration = Duration::from_millis(500);
/// The longest one otherwise.
const SILENT: Duration = Duration::from_secs(1);
/// A connection that held this long was a good one: the next attempt starts at once.
const HELD: Duration = Duration::from_secs(5);

/// Runs until the tier is dropped or the way retired. `first` is told when the first attempt has
/// ended, however it did.
pub(super) async fn run(inner: Weak<Inner>, way: Arc<Way>, first: oneshot::Sender<()>) {
    let mut first = Some(first);
    let mut attempts = 0;
    let mut told = String::new();
    loop {
        let Some(strong) = inner.upgrade().filter(|_| !way.is_retired()) else {
            return;
        };
        let mut ears = Ears::default();
        let raised = raise(&strong, &inner, &way, &mut ears).await;
        let name = name(&strong, &way);
        drop(strong);
        if let Some(first) = first.take() {
            // Nobody waits if the call to connect was dropped.
            let _ = first.send(());
        }
        let mut longest = REFUSED;
        let mut failed = None;
        match raised {
            Ok(generation) => {
                tracing::info!(target: "bellwether::redis", "{name} is in use");
                told.clear();
                let since = SystemClock.now();
                let Some(why) = watch(&inner, &way, generation, &mut ears).await else {
                    return;
                };
                tracing::warn!(
                    target: "bellwether::redis",
                    "{name} is no longer in use ({why}): serving without it"
                );
                if SystemClock.now().since(since) >= HELD {
                    attempts = 0;
                    continue;
                }
            }
            Err(failure) => {
                if !matches!(failure, Failure::Dead(_)) {
                    longest = SILENT;
                }
                failed = Some(failure.words());
            }
        }
        if way.has_turned() {
            attempts = 0;
            continue;
        }
        // One line per reason, not per attempt.
        if let Some(words) = failed.filter(|words| *words != told) {
            tracing::warn!(
                target: "bellwether::redis",
                "{name} cannot be used ({words}): serving without it, and trying again"
            );
            told = words;
        }
        let wait = FIRST.saturating_mul(1 << attempts).min(longest);
        attempts = (attempts + 1).min(8);
        // Full jitter: a fleet that lost its server together does not come back together.
        let wait = wait.mul_f64(fastrand::f64());
        // Not less than a moment: a server that accepts and fails at once is no reason to spin.
        rest(&inner, &way, wait.max(Duration::from_millis(10))).await;
    }
}

/// In words, for a log line.
pub(super) fn name(inner: &Inner, way: &Way) -> String {
    match &way.node {
        Some(node) => format!("node {node} of {}", inner.target),
        None => format!("redis at {}", inner.target),
    }
}

/// Waits, but not on after a turn, nor when the tier was dropped meanwhile.
async fn rest(inner: &Weak<Inner>, way: &Way, wait: Duration) {
    let gone = async {
        loop {
            way.woken().await;
            if inner.strong_count() == 0 || way.has_turned() {
                return;
            }
        }
    };
    // Either way there is a next attempt, or the end.
    let _ = timeout(wait, gone).await;
}

/// Makes the connections and lets calls through: subscription first, then what is owed, then
/// `Resumed`, then the gate. So when the first call goes, no event is missed any more and nothing
/// that this node purged is there to be read.
async fn raise(
    inner: &Arc<Inner>,
    weak: &Weak<Inner>,
    way: &Arc<Way>,
    ears: &mut Ears,
) -> Result<u64, Failure> {
    let generation = inner.hub.number();
    way.gate.begin(generation);
    let limit = ATTEMPT.max(inner.timeout);
    // Boxed: the client's way to a connection is 20 KB of state.
    let attempt = Box::pin(async {
        let client = inner.topology.find(way).await?;
        let mut links = link::open(weak, way, &client, generation, limit).await?;
        match probe(inner, way, &mut links).await {
            // It is well. Whoever asks next is sent on by the way that this says.
            Err(Failure::Elsewhere(elsewhere)) if way.node.is_some() => {
                let _ = inner.topology.follow(way, &elsewhere);
            }
            done => done?,
        }
        // Not before it proved well: nobody else can be the ear meanwhile.
        if inner.hub.claim(generation) {
            links.listen(&inner.space.channels()).await?;
        }
        ears.attend(inner, way, generation).await;
        Ok::<_, Failure>(links)
    });
    let attempt = async {
        tokio::select! {
            raised = timeout(limit, attempt) => raised.unwrap_or(Err(Failure::Late)),
            // It may hang at a server that is of no interest any more.
            () = way.turns() => Err(Failure::Held),
        }
    };
    let raised = async {
        let mut links = attempt.await?;
        match payments::pay(inner, way, &mut links, limit).await {
            // Whoever is told of it pays it there; and before its next call in any case.
            Ok(()) | Err(Failure::Elsewhere(_)) => {}
            Err(failure) => return Err(failure),
        }
        inner.hub.up(generation, SystemClock.now());
        if way.gate.install(generation, links, SystemClock.now()) {
            Ok(generation)
        } else {
            Err(Failure::Held)
        }
    };
    let raised = raised.await;
    if raised.is_err() {
        leave(inner, way, generation, ears);
    }
    raised
}

/// Tries what calls will do, on a key that nobody uses: a server that accepts connections but
/// loads its data, forbids scripts or is a replica is not one to let calls go to.
async fn probe(inner: &Inner, way: &Way, links: &mut Links) -> Result<(), Failure> {
    let Some(id) = inner.topology.sample(way, &inner.space) else {
        // A node without slots: all there is to try is whether it answers.
        redis::cmd("PING").exec_async(&mut links.control).await?;
        return Ok(());
    };
    try_calls(&inner.space, id, links.control.clone(), links.bulk.clone()).await?;
    // To nobody: this connection does not listen yet. Without that right scripts would fail half
    // done, and the heartbeats would only be found missing after seconds.
    // Not in a cluster, where another node may be the ear and would hear it.
    if way.node.is_none() {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&inner.space.pulse).arg("");
        publish.exec_async(&mut links.control).await?;
    }
    Ok(())
}

/// The calls of one refresh, but for its result. `id` is an entry that nobody uses.
pub(super) async fn try_calls(
    space: &Space,
    id: EntryId,
    mut control: Conn,
    mut bulk: Conn,
) -> Result<(), Failure> {
    let token = Token::from_bytes(fastrand::u128(..).to_be_bytes());
    let brief = Duration::from_secs(1);
    let ask = Ask {
        id,
        token,
        lease: brief,
        have: None,
        peek: false,
        force: true,
        insist: true,
        within: brief,
    };
    let release = Release {
        id,
        token,
        block: None,
        within: brief,
    };
    let names = space.names(id);
    wire::acquire(&mut control, &names, &ask, brief, 0).await?;
    wire::release(&mut control, space, &release, brief).await?;
    wire::fetch(&mut bulk, &names).await?;
    Ok(())
}
