//! The two connections: one for what is small and urgent, one for bodies.

use std::sync::Weak;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult};

use super::{Inner, events};
use crate::clock::{Clock, SystemClock};

/// Commands that may stand in line for the socket before a caller has to wait for a place.
const QUEUE: usize = 512;

/// Two connections to the same server. On a network, a reply of a megabyte holds up what comes
/// after it for 8 ms; leases and events do not stand behind it.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// Leases, purges and events.
    pub(super) control: MultiplexedConnection,
    /// Bodies.
    pub(super) bulk: MultiplexedConnection,
}

/// Opens both and subscribes. No call of theirs outlives `limit`; callers have their own, shorter
/// one.
pub(super) async fn open(
    inner: &Weak<Inner>,
    client: &Client,
    channels: &[&str],
    generation: u64,
    limit: Duration,
) -> RedisResult<Links> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit))
        .set_pipeline_buffer_size(QUEUE);
    let ours = inner.clone();
    let control = config
        .clone()
        .set_push_sender(move |push| heard(&ours, generation, &push));
    let ours = inner.clone();
    let bulk = config.set_push_sender(move |push| heard(&ours, generation, &push));
    let (mut control, bulk) = tokio::try_join!(
        client.get_multiplexed_async_connection_with_config(&control),
        client.get_multiplexed_async_connection_with_config(&bulk),
    )?;
    control.subscribe(channels).await?;
    Ok(Links { control, bulk })
}

/// Called by the task that reads the socket, so that an event is not a task switch late.
fn heard(inner: &Weak<Inner>, generation: u64, push: &PushInfo) -> Result<(), SendError> {
    let Some(inner) = inner.upgrade() else {
        return Err(SendError);
    };
    match push.kind {
        // Either connection's end is the end of both: they reach the same server.
        PushKind::Disconnection => inner.lost(generation, "the connection was closed"),
        PushKind::Message => match events::read(&push.data, &inner.space.pulse) {
            Some(events::Heard::Event(event)) => inner.hub.tell(event),
            Some(events::Heard::Pulse(number)) => {
                inner.hub.pulse_back(generation, number, SystemClock.now());
            }
            // Somebody else talks on our channel, or a newer version does.
            None => {}
        },
        _ => {}
    }
    Ok(())
}
