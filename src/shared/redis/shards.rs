//! Events of a cluster without its bus: sharded pub/sub, of Redis 7 or later and of Valkey.
//!
//! What is told by `PUBLISH` goes to every node of a cluster, by `SPUBLISH` to one master and its
//! replicas. So there are as many channels as [`SHARDS`], spread over all slots, and whoever is in
//! use listens to each of them at the master that has it. A script speaks on any one that its own
//! master has; what cannot be said there is published to all, as it is outside of clusters.
//!
//! Two rules keep events from being lost unnoticed:
//! - Who hears a channel at a master may speak on it there, and nobody else.
//! - As long as a channel cannot be heard (it moves, or the user may not), the listeners are told
//!   `Resumed` with each heartbeat: what they hold is checked, at most a second late. Only a server
//!   that does not know `SSUBSCRIBE` needs none of this: nobody hears by it, so nobody speaks.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::time::{sleep, timeout};

use super::failure::{Elsewhere, Failure};
use super::names::Space;
use super::topology::slots::{self, SLOTS};
use super::way::Way;
use super::{Inner, link, supervisor};
use crate::clock::{Clock, Moment, SystemClock};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many channels. A master that has none of them, because there are more masters or because it
/// has few slots, publishes to all.
pub(super) const SHARDS: usize = 64;
/// Most time for an attempt to listen.
const LIMIT: Duration = Duration::from_millis(500);
/// Attempts are at least so far apart: two masters may each hold the other one for the owner of a
/// slot, and then there is no end of it.
const APART: Duration = Duration::from_millis(20);
/// The same where the user may not listen.
const REFUSED: Duration = Duration::from_secs(30);
/// Who hears for this long speaks. When a master is new or was away, the others come to it within
/// this time; until then what is said there goes to all, so that they hear it wherever they are.
const SETTLED: Duration = Duration::from_secs(3);

/// The hash tags of the channels, each with its slot: one in each of as many equal parts of the
/// slots. All nodes have to come to the same ones.
fn spread() -> &'static [(String, u16); SHARDS] {
    static SPREAD: OnceLock<[(String, u16); SHARDS]> = OnceLock::new();
    SPREAD.get_or_init(|| {
        let each = usize::from(SLOTS) / SHARDS;
        std::array::from_fn(|part| {
            let mut tags = (0_u32..).map(|number| number.to_string());
            let slot = |tag: &String| slots::of_tag(tag.as_bytes());
            let tag = tags.find(|tag| usize::from(slot(tag)) / each == part);
            // Numbers of a few digits fall into all parts: a test looks.
            let tag = tag.unwrap_or_default();
            let slot = slot(&tag);
            (tag, slot)
        })
    })
}

/// The slots that the channels are in.
pub(super) fn all_slots() -> impl Iterator<Item = u16> {
    spread().iter().map(|(_, slot)| *slot)
}

/// What the channels are called: under the name of the common one, so that its right is theirs.
pub(super) fn channels(common: &str) -> Vec<String> {
    let tags = spread().iter();
    tags.map(|(tag, _)| format!("{common}:{{{tag}}}")).collect()
}

/// By which channel the scripts of one server speak: one that is heard there.
#[derive(Debug, Clone, Default)]
pub(super) struct Voice(Arc<AtomicUsize>);

impl Voice {
    /// Empty if there is none.
    pub(super) fn channel<'a>(&self, space: &'a Space) -> &'a str {
        // One more than its number.
        let channel = self.0.load(Ordering::SeqCst).checked_sub(1);
        let channel = channel.and_then(|number| space.shards.get(number));
        channel.map_or("", String::as_str)
    }

    fn set(&self, channel: Option<usize>) {
        let number = channel.map_or(0, |number| number + 1);
        self.0.store(number, Ordering::SeqCst);
    }
}

/// What is heard by the channels of one server.
#[derive(Default)]
pub(super) struct Ears {
    hearing: Option<Hearing>,
    tried: Option<Moment>,
    /// The server knows no such channels.
    unknown: bool,
    /// The user may not listen.
    refused: bool,
}

/// A connection that listens, and does nothing else.
///
/// It subscribes once. A server that gives a slot away says `sunsubscribe` unasked, which the client
/// takes for the answer to whatever is under way: from then on, answers go to the wrong questions.
/// So calls have connections of their own, and this one is replaced when that was said.
struct Hearing {
    link: MultiplexedConnection,
    /// Its number: its heartbeats are counted by it.
    number: u64,
    since: Moment,
    channels: Vec<usize>,
    /// A channel was taken off it.
    cut: Arc<AtomicBool>,
}

impl Hearing {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

impl Ears {
    /// Listens to all channels that the server has, by a new connection if they are not those that
    /// are heard. The old one goes when the new one hears. What fails is tried again with a later
    /// heartbeat.
    pub(super) async fn attend(&mut self, inner: &Arc<Inner>, way: &Arc<Way>, generation: u64) {
        if self.hears_all(inner, way) {
            return;
        }
        if let Some(tried) = self.tried {
            let since = SystemClock.now().since(tried);
            if self.refused && since < REFUSED {
                return;
            }
            sleep(APART.saturating_sub(since)).await;
        }
        self.tried = Some(SystemClock.now());
        let opened = self.open(inner, way, generation);
        let opened = timeout(LIMIT.max(inner.timeout), opened).await;
        let Ok(Ok(next)) = opened else { return };
        if next.is_cut() {
            return;
        }
        way.voice.set(None);
        self.shut(inner);
        // Without a channel there is nothing to hear.
        if !next.channels.is_empty() {
            inner.hub.up(next.number, SystemClock.now());
            self.hearing = Some(next);
        }
    }

    /// Whether nothing that is said by the channels of this server can be missed.
    fn hears_all(&self, inner: &Inner, way: &Way) -> bool {
        let mut wanted = inner.topology.shards_at(way).into_iter();
        // That it hears more of them does no harm: the table may be the one that is wrong.
        let heard = match &self.hearing {
            Some(hearing) => {
                !hearing.is_cut() && wanted.all(|number| hearing.channels.contains(&number))
            }
            None => wanted.next().is_none(),
        };
        heard || self.unknown
    }

    async fn open(
        &mut self,
        inner: &Arc<Inner>,
        way: &Arc<Way>,
        generation: u64,
    ) -> Result<Hearing, Failure> {
        let client = inner.topology.find(way).await?;
        let cut = Arc::new(AtomicBool::new(false));
        let heard = {
            // Weak: its own task owns this.
            let (inner, way) = (Arc::downgrade(inner), Arc::downgrade(way));
            let cut = Arc::clone(&cut);
            move |push: PushInfo| {
                let (Some(inner), Some(way)) = (inner.upgrade(), way.upgrade()) else {
                    return Err(SendError);
                };
                if push.kind == PushKind::SUnsubscribe {
                    cut.store(true, Ordering::SeqCst);
                    inner.topology.doubt();
                    way.wake();
                } else {
                    link::heard(&inner, &way, generation, &push);
                }
                Ok(())
            }
        };
        let config = link::config(LIMIT.max(inner.timeout)).set_push_sender(heard);
        let connected = Box::pin(client.get_multiplexed_async_connection_with_config(&config));
        let mut link = connected.await?;
        let wanted = inner.topology.shards_at(way);
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for number in &wanted {
            // One by one: those of one command have to be in one slot.
            pipe.cmd("SSUBSCRIBE").arg(&inner.space.shards[*number]);
        }
        let mut said: Vec<RedisResult<Value>> = Vec::new();
        if !wanted.is_empty() {
            said = pipe.query_async(&mut link).await?;
        }
        let mut channels = Vec::with_capacity(wanted.len());
        for (number, said) in wanted.into_iter().zip(said) {
            match said {
                Ok(_) => channels.push(number),
                Err(error) => self.denied(inner, way, &error),
            }
        }
        self.refused &= channels.is_empty();
        Ok(Hearing {
            link,
            number: inner.hub.number(),
            since: SystemClock.now(),
            channels,
            cut,
        })
    }

    /// The server did not let us listen to a channel.
    fn denied(&mut self, inner: &Inner, way: &Arc<Way>, error: &RedisError) {
        if let Some(elsewhere) = Elsewhere::read(error) {
            // The way that leads there is woken, and listens.
            let _ = inner.topology.follow(way, &elsewhere);
        } else if error.code() == Some("NOPERM") && !self.refused {
            self.refused = true;
            tracing::warn!(
                target: "bellwether::redis",
                "{} permits no SSUBSCRIBE: events of nodes that may are missed, so what is held is \
                 checked every second. The user needs +ssubscribe and +spublish",
                supervisor::name(inner, way)
            );
        } else if error.to_string().contains("unknown command") && !self.unknown {
            self.unknown = true;
            tracing::debug!(
                target: "bellwether::redis",
                "{} knows no SSUBSCRIBE: its events go to all nodes",
                supervisor::name(inner, way)
            );
        }
    }

    /// Sends a heartbeat. Its answer proves that whatever was said here before has been heard.
    pub(super) async fn pulse(
        &mut self,
        inner: &Inner,
        way: &Way,
        generation: u64,
        stood_still: bool,
    ) {
        let now = SystemClock.now();
        let hears_all = self.hears_all(inner, way);
        if !hears_all {
            inner.hub.unsure(now);
        }
        let Some(hearing) = &mut self.hearing else {
            return;
        };
        let settled = hears_all && now.since(hearing.since) >= SETTLED;
        let channel = hearing.channels.first().filter(|_| settled);
        way.voice.set(channel.copied());
        if inner.hub.is_silent(hearing.number, now) {
            if !stood_still {
                way.lost(generation, "the subscription is silent");
                return;
            }
            inner.hub.paused(now);
        }
        let number = inner.hub.pulse(hearing.number, now);
        let ping = redis::cmd("PING");
        let answer = timeout(inner.timeout, ping.exec_async(&mut hearing.link)).await;
        let answered = answer.is_ok_and(|answer| match answer {
            Ok(()) => true,
            // To be refused is an answer, too.
            Err(error) => matches!(Failure::from(error), Failure::Refused(_)),
        });
        if answered && !hearing.is_cut() {
            inner.hub.answered(number, SystemClock.now());
        }
    }

    /// The way is out of use.
    pub(super) fn leave(&mut self, inner: &Inner, way: &Way) {
        way.voice.set(None);
        self.shut(inner);
    }

    fn shut(&mut self, inner: &Inner) {
        if let Some(hearing) = self.hearing.take() {
            inner.hub.down(hearing.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_are_spread_over_all_slots_and_their_names_stay() {
        let each = usize::from(SLOTS) / SHARDS;
        for (part, (tag, slot)) in spread().iter().enumerate() {
            assert_eq!(slots::of_tag(tag.as_bytes()), *slot);
            assert_eq!(usize::from(*slot) / each, part);
        }
        // Nodes of all versions have to come to the same.
        let channels = channels("bw1:0:default:ev");
        assert_eq!(channels.len(), SHARDS);
        assert_eq!(channels[0], "bw1:0:default:ev:{10}");
        assert_eq!(channels[63], "bw1:0:default:ev:{40}");
    }

    #[test]
    fn a_voice_is_none_or_one_of_the_channels() {
        let space = Space::new("a", 0).unwrap();
        let voice = Voice::default();
        assert_eq!(voice.channel(&space), "");
        voice.set(Some(63));
        assert_eq!(voice.clone().channel(&space), space.shards[63]);
        voice.set(None);
        assert_eq!(voice.channel(&space), "");
    }
}
