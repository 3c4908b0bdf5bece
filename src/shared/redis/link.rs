//! The two connections to a server: one for what is small and urgent, one for bodies.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, RedisFuture, RedisResult,
    Value,
};

use super::names::Space;
use super::shards::Voice;
use super::way::Way;
use super::{Inner, events};
use crate::clock::{Clock, SystemClock};
use crate::shared::TierEvent;

/// Commands that may stand in line for the socket before a caller has to wait for a place.
const QUEUE: usize = 512;

/// Two connections to the same server. On a network, a reply of a megabyte holds up what comes
/// after it for 8 ms; leases and events do not stand behind it.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// Leases, purges and events.
    pub(super) control: Conn,
    /// Bodies.
    pub(super) bulk: Conn,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Conn {
    link: MultiplexedConnection,
    /// Each command is about an entry that this node of a cluster does not own yet.
    asking: bool,
    voice: Voice,
}

impl Conn {
    /// Calls by this connection, about entries that its server owns.
    pub(super) fn new(link: MultiplexedConnection, voice: &Voice) -> Self {
        Self {
            link,
            asking: false,
            voice: voice.clone(),
        }
    }

    /// The shard channel by which the scripts of this server speak; empty if they speak to all.
    pub(super) fn shard<'a>(&self, space: &'a Space) -> &'a str {
        self.voice.channel(space)
    }
}

impl Links {
    /// The same, for an entry that is on its way to this node.
    pub(super) fn asking(mut self) -> Self {
        self.control.asking = true;
        self.bulk.asking = true;
        self
    }

    /// From now on events are heard.
    pub(super) async fn listen(&mut self, channels: &[&str]) -> RedisResult<()> {
        self.control.link.subscribe(channels).await
    }
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        if !self.asking {
            return self.link.req_packed_command(cmd);
        }
        Box::pin(async move {
            // In one piece: the permission is for the one next command of the connection, which
            // others send on, too.
            let mut pipe = redis::pipe();
            pipe.cmd("ASKING").add_command(cmd.clone());
            let mut values = self.link.req_packed_commands(&pipe, 1, 1).await?;
            Ok(values.pop().unwrap_or(Value::Nil))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.link.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.link.get_db()
    }
}

/// Opens both. No call of theirs outlives `limit`; callers have their own, shorter one.
pub(super) async fn open(
    inner: &Weak<Inner>,
    way: &Arc<Way>,
    client: &Client,
    generation: u64,
    limit: Duration,
) -> RedisResult<Links> {
    let config = || {
        // Weak: the way owns the connection, whose task owns this.
        let (inner, way) = (Weak::clone(inner), Arc::downgrade(way));
        config(limit).set_push_sender(move |push| {
            let (Some(inner), Some(way)) = (inner.upgrade(), way.upgrade()) else {
                return Err(SendError);
            };
            heard(&inner, &way, generation, &push);
            Ok(())
        })
    };
    let (control, bulk) = (config(), config());
    let (control, bulk) = tokio::try_join!(
        client.get_multiplexed_async_connection_with_config(&control),
        client.get_multiplexed_async_connection_with_config(&bulk),
    )?;
    Ok(Links {
        control: Conn::new(control, &way.voice),
        bulk: Conn::new(bulk, &way.voice),
    })
}

/// No call by such a connection outlives `limit`.
pub(super) fn config(limit: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit))
        .set_pipeline_buffer_size(QUEUE)
}

/// Called by the task that reads the socket, so that an event is not a task switch late.
pub(super) fn heard(inner: &Inner, way: &Way, generation: u64, push: &PushInfo) {
    match push.kind {
        // Any connection's end is the end of all: they reach the same server.
        PushKind::Disconnection => way.lost(generation, "the connection was closed"),
        PushKind::Message | PushKind::SMessage => {
            match events::read(&push.data, &inner.space.pulse) {
                Some(events::Heard::Era(line)) => {
                    inner.heard_of_era(&line);
                }
                Some(events::Heard::Purged {
                    id,
                    fence,
                    kind,
                    era,
                }) => {
                    inner.heard_of_purge(id, kind, era);
                    inner.hub.tell(TierEvent::Purged { id, fence, kind });
                }
                Some(events::Heard::Event(event)) => inner.hub.tell(event),
                Some(events::Heard::Pulse(number)) => {
                    inner.hub.pulse_back(generation, number, SystemClock.now());
                }
                // Somebody else talks on our channel, or a newer version does.
                None => {}
            }
        }
        _ => {}
    }
}
