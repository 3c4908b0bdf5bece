//! The messages by which events travel.

use redis::Value;

use super::era::{self, Line};
use super::reply::number;
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::{PurgeKind, TierEvent};

/// What came in by the subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Event(TierEvent),
    /// An era of the namespace has begun, or is told of again.
    Era(Line),
    /// A purge, and the era that it was done in.
    Purged {
        id: EntryId,
        fence: Fence,
        kind: PurgeKind,
        era: u64,
    },
    /// This node's own heartbeat, by its number.
    Pulse(u64),
}

/// Reads a message: `c:<id>:<fence>`, `r:<id>:<fence>`, `p:<id>:<fence>:<h|s>:<era>`, `g:<line>`
/// on the shared channel, `a:<number>` on our own. `None` for anything else.
pub(super) fn read(data: &[Value], pulse: &str) -> Option<Heard> {
    let [Value::BulkString(channel), Value::BulkString(payload)] = data else {
        return None;
    };
    let text = std::str::from_utf8(payload).ok()?;
    let (tag, rest) = text.split_once(':')?;
    if channel.as_slice() == pulse.as_bytes() {
        return (tag == "a").then(|| number(rest).ok().map(Heard::Pulse))?;
    }
    if tag == "g" {
        return Line::read(rest).ok().map(Heard::Era);
    }
    let (id, rest) = rest.split_once(':')?;
    let id = EntryId::parse(id)?;
    let fence = |text| number(text).ok().map(Fence::new);
    let event = match tag {
        "c" => TierEvent::Committed {
            id,
            fence: fence(rest)?,
        },
        "r" => TierEvent::Released {
            id,
            fence: fence(rest)?,
        },
        "p" => {
            let mut rest = rest.splitn(3, ':');
            let fence = fence(rest.next()?)?;
            let kind = match rest.next()? {
                "h" => PurgeKind::Hard,
                "s" => PurgeKind::Soft,
                _ => return None,
            };
            let era = match rest.next()? {
                "0" => 0,
                later => era::read(later).ok()?,
            };
            return Some(Heard::Purged {
                id,
                fence,
                kind,
                era,
            });
        }
        _ => return None,
    };
    Some(Heard::Event(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &str) -> Option<Heard> {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        read(&[bulk("ev"), bulk(payload)], "ev:1")
    }

    #[test]
    fn messages_are_read_and_strange_ones_ignored() {
        let id = EntryId::from_bytes([0xab; 16]);
        let fence = Fence::new(7);
        let purged = |kind, era| {
            Some(Heard::Purged {
                id,
                fence,
                kind,
                era,
            })
        };
        assert_eq!(
            message(&format!("c:{id}:7")),
            Some(Heard::Event(TierEvent::Committed { id, fence }))
        );
        assert_eq!(
            message(&format!("r:{id}:7")),
            Some(Heard::Event(TierEvent::Released { id, fence }))
        );
        assert_eq!(
            message(&format!("p:{id}:7:h:0")),
            purged(PurgeKind::Hard, 0)
        );
        assert_eq!(
            message(&format!("p:{id}:7:s:5")),
            purged(PurgeKind::Soft, 5)
        );
        assert_eq!(
            message("g:9,7"),
            Some(Heard::Era(Line::read("9,7").unwrap()))
        );
        for strange in [
            "",
            "g",
            "g:",
            "g:0",
            "g:7:h",
            // No later era could be larger.
            "g:9007199254740993",
            "c",
            "c:",
            "c:ab:7",
            &format!("c:{id}:"),
            &format!("c:{id}:x"),
            &format!("p:{id}:7"),
            &format!("p:{id}:7:h"),
            &format!("p:{id}:7:h:"),
            &format!("p:{id}:7:h:5:"),
            &format!("p:{id}:7:h:9007199254740993"),
            &format!("p:{id}:7:h:9,7"),
            &format!("p:{id}:7:x:5"),
            &format!("z:{id}:7"),
            // On the shared channel, a heartbeat is nobody's.
            "a:1",
        ] {
            assert_eq!(message(strange), None, "{strange}");
        }
    }
}
