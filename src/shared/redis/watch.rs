//! What keeps a way open: heartbeats, an ear for events, and the payment of debts.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::breaker::Call;
use super::failure::Failure;
use super::link::Links;
use super::shards::Ears;
use super::way::Way;
use super::{Inner, payments};
use crate::clock::{Clock, SystemClock};

/// A heartbeat is sent this often.
const BEAT: Duration = Duration::from_secs(1);
/// Beats further apart than this mean that this process stood still.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// Beats and pays until the gate is shut, and says why it was; `None` if the tier was dropped.
pub(super) async fn watch(
    inner: &Weak<Inner>,
    way: &Arc<Way>,
    generation: u64,
    ears: &mut Ears,
) -> Option<&'static str> {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = SystemClock.now();
    loop {
        let beat = tokio::select! {
            _ = ticks.tick() => true,
            () = way.woken() => false,
        };
        let inner = inner.upgrade()?;
        ears.attend(&inner, way, generation).await;
        if beat {
            let stood_still = SystemClock.now().since(last) > STOOD_STILL;
            pulse(&inner, way, generation, stood_still).await;
            ears.pulse(&inner, way, generation, stood_still).await;
            last = SystemClock.now();
        }
        if let Ok((mut links, _)) = way.gate.enter(last, Call::Followup) {
            let done = async {
                hear(&inner, generation, &mut links).await?;
                payments::pay(&inner, way, &mut links, inner.timeout).await
            };
            if let Err(failure) = done.await {
                inner.note(way, generation, inner.timeout, Some(&failure));
            }
        }
        if way.gate.is_shut() {
            leave(&inner, way, generation, ears);
            return Some(way.gate.why());
        }
    }
}

/// Notes that a connection is out of use. If it was the ear, another one takes over.
pub(super) fn leave(inner: &Inner, way: &Way, generation: u64, ears: &mut Ears) {
    ears.leave(inner, way);
    if inner.hub.down(generation) {
        inner.topology.wake();
    }
}

/// Becomes the ear if there is none.
async fn hear(inner: &Inner, generation: u64, links: &mut Links) -> Result<(), Failure> {
    if inner.hub.claim(generation) {
        let channels = inner.space.channels();
        let heard = timeout(inner.timeout, links.listen(&channels)).await;
        match heard.map_err(|_| Failure::Late).and_then(|done| Ok(done?)) {
            Ok(()) => inner.hub.up(generation, SystemClock.now()),
            Err(failure) => {
                inner.hub.deafen();
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// Sends a heartbeat, after a look at whether the ones before came back.
async fn pulse(inner: &Inner, way: &Way, generation: u64, stood_still: bool) {
    let now = SystemClock.now();
    if inner.hub.is_silent(generation, now) {
        if stood_still {
            inner.hub.paused(now);
        } else if inner.hub.is_ear(generation) {
            way.lost(generation, "the subscription is silent");
            return;
        } else {
            // What this server is told does not reach the ear: it is the one to listen to.
            inner.hub.deafen();
        }
    }
    let Ok((mut links, _)) = way.gate.enter(now, Call::Followup) else {
        return;
    };
    let mut cmd = redis::cmd("PUBLISH");
    cmd.arg(&inner.space.pulse)
        .arg(format!("a:{}", inner.hub.pulse(generation, now)));
    let sent = timeout(inner.timeout, cmd.exec_async(&mut links.control)).await;
    // A heartbeat that goes out is no sign of health: a replica passes it on and refuses the rest.
    let failure = match sent {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Failure::from(error),
        Err(_) => Failure::Late,
    };
    inner.note(way, generation, inner.timeout, Some(&failure));
}
