//! The one task that makes connections, watches them, and pays debts.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::failure::Failure;
use super::link::{self, Links};
use super::{Inner, payments, wire};
use crate::clock::{Clock, Moment, SystemClock};
use crate::key::EntryId;
use crate::shared::{Ask, Release, Token};

/// A heartbeat is sent this often.
const BEAT: Duration = Duration::from_secs(1);
/// Beats further apart than this mean that this process stood still.
const STOOD_STILL: Duration = Duration::from_secs(2);
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

/// Runs until the tier is dropped. `first` is told when the first attempt has ended, either way.
pub(super) async fn run(inner: Weak<Inner>, wake: Arc<Notify>, first: oneshot::Sender<()>) {
    let mut first = Some(first);
    let mut attempts = 0;
    let mut told = String::new();
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        let raised = raise(&strong, &inner).await;
        let target = strong.target.to_string();
        drop(strong);
        if let Some(first) = first.take() {
            // Nobody waits if the call to connect was dropped.
            let _ = first.send(());
        }
        let longest = match raised {
            Ok(generation) => {
                tracing::info!(target: "bellwether::redis", "redis at {target} is in use");
                told.clear();
                let since = SystemClock.now();
                let Some(why) = watch(&inner, &wake, generation).await else {
                    return;
                };
                tracing::warn!(
                    target: "bellwether::redis",
                    "redis at {target} is no longer in use ({why}): serving without the shared tier"
                );
                if SystemClock.now().since(since) >= HELD {
                    attempts = 0;
                    continue;
                }
                REFUSED
            }
            Err(failure) => {
                let words = failure.words();
                // One line per reason, not per attempt.
                if words != told {
                    tracing::warn!(
                        target: "bellwether::redis",
                        "redis at {target} cannot be used ({words}): serving without the shared \
                         tier, and trying again"
                    );
                    told = words;
                }
                match failure {
                    Failure::Dead(_) => REFUSED,
                    _ => SILENT,
                }
            }
        };
        let wait = FIRST.saturating_mul(1 << attempts).min(longest);
        attempts = (attempts + 1).min(8);
        // Full jitter: a fleet that lost its server together does not come back together.
        if !rest(&inner, &wake, wait.mul_f64(fastrand::f64())).await {
            return;
        }
    }
}

/// Waits. False if the tier was dropped meanwhile.
async fn rest(inner: &Weak<Inner>, wake: &Notify, wait: Duration) -> bool {
    // Not less than a moment: a server that accepts and fails at once is no reason to spin.
    let sleep = sleep(wait.max(Duration::from_millis(10)));
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            () = &mut sleep => return true,
            () = wake.notified() => {
                if inner.strong_count() == 0 {
                    return false;
                }
            }
        }
    }
}

/// Makes the connections and lets calls through: subscription first, then what is owed, then
/// `Resumed`, then the gate. So when the first call goes, no event is missed any more and nothing
/// that this node purged is there to be read.
async fn raise(inner: &Arc<Inner>, weak: &Weak<Inner>) -> Result<u64, Failure> {
    let generation = inner.gate.begin();
    let limit = ATTEMPT.max(inner.timeout);
    let channels = [inner.space.channel.as_str(), inner.space.pulse.as_str()];
    let attempt = async {
        let mut links = link::open(weak, &inner.client, &channels, generation, limit).await?;
        probe(inner, &mut links).await?;
        Ok::<_, Failure>(links)
    };
    let mut links = timeout(limit, attempt)
        .await
        .unwrap_or(Err(Failure::Late))?;
    payments::pay(inner, &mut links, limit).await?;
    inner.hub.up(generation, SystemClock.now());
    if inner.gate.install(generation, links, SystemClock.now()) {
        return Ok(generation);
    }
    inner.hub.down();
    Err(Failure::Held)
}

/// Tries what calls will do, on a key that nobody uses: a server that accepts connections but
/// loads its data, forbids scripts or is a replica is not one to let calls go to.
async fn probe(inner: &Inner, links: &mut Links) -> Result<(), Failure> {
    let id = EntryId::from_bytes(fastrand::u128(..).to_be_bytes());
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
    let names = inner.space.names(id);
    wire::acquire(&mut links.control, &names, &ask, brief).await?;
    wire::release(&mut links.control, &inner.space, &release, brief).await?;
    wire::fetch(&mut links.bulk, &names).await?;
    Ok(())
}

/// Beats and pays until the gate is shut, and says why it was; `None` if the tier was dropped.
async fn watch(inner: &Weak<Inner>, wake: &Notify, generation: u64) -> Option<&'static str> {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = SystemClock.now();
    loop {
        let beat = tokio::select! {
            _ = ticks.tick() => true,
            () = wake.notified() => false,
        };
        let inner = inner.upgrade()?;
        if beat {
            pulse(&inner, generation, last).await;
            last = SystemClock.now();
        }
        if let Ok((mut links, _)) = inner.gate.enter(last, super::breaker::Call::Followup) {
            let paid = payments::pay(&inner, &mut links, inner.timeout).await;
            if let Err(failure) = paid {
                inner.note(generation, inner.timeout, Some(&failure));
            }
        }
        if inner.gate.is_shut() {
            inner.hub.down();
            return Some(inner.gate.why());
        }
    }
}

/// Sends a heartbeat, after a look at whether the ones before came back.
async fn pulse(inner: &Inner, generation: u64, last: Moment) {
    let now = SystemClock.now();
    if inner.hub.is_silent(now) {
        if now.since(last) > STOOD_STILL {
            inner.hub.paused(now);
        } else {
            inner.lost(generation, "the subscription is silent");
            return;
        }
    }
    let Ok((mut links, _)) = inner.gate.enter(now, super::breaker::Call::Followup) else {
        return;
    };
    let mut cmd = redis::cmd("PUBLISH");
    cmd.arg(&inner.space.pulse)
        .arg(format!("a:{}", inner.hub.pulse(now)));
    let sent = timeout(inner.timeout, cmd.exec_async(&mut links.control)).await;
    // A heartbeat that goes out is no sign of health: a replica passes it on and refuses the rest.
    let failure = match sent {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Failure::from(error),
        Err(_) => Failure::Late,
    };
    inner.note(generation, inner.timeout, Some(&failure));
}
