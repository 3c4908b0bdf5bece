//! The slots of a cluster, and what a node says about who has them.

use std::ops::RangeInclusive;

use redis::Value;
use redis::aio::ConnectionLike;

use super::super::failure::Failure;
use super::super::url::Host;

/// How many there are.
pub(in super::super) const SLOTS: u16 = 16_384;

/// The slot of keys with this hash tag: CRC-16/XMODEM, as the specification of Redis Cluster says.
pub(in super::super) fn of_tag(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    });
    crc % SLOTS
}

/// A master and some of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Owned {
    pub(in super::super) slots: RangeInclusive<u16>,
    pub(in super::super) host: Host,
    /// How many replicas it has.
    pub(in super::super) replicas: usize,
}

/// Asks the node at `host`.
pub(in super::super) async fn ask(
    link: &mut impl ConnectionLike,
    host: &Host,
) -> Result<Vec<Owned>, Failure> {
    let mut cmd = redis::cmd("CLUSTER");
    let said = cmd.arg("SLOTS").query_async(link).await?;
    let owned = read(&said, host);
    match owned {
        Some(owned) if !owned.is_empty() => Ok(owned),
        Some(_) => Err(Failure::Nowhere("no node has any slot".into())),
        None => Err(Failure::foreign("an answer to CLUSTER SLOTS")),
    }
}

/// Reads `[[first, last, [host, port, ..], replicas..], ..]`. A node that does not know its own
/// name leaves it out: then it is the one it was asked by.
pub(in super::super) fn read(said: &Value, asked: &Host) -> Option<Vec<Owned>> {
    let Value::Array(parts) = said else {
        return None;
    };
    let part = |part: &Value| {
        let Value::Array(items) = part else {
            return None;
        };
        let [
            Value::Int(first),
            Value::Int(last),
            Value::Array(master),
            replicas @ ..,
        ] = items.as_slice()
        else {
            return None;
        };
        let [name, Value::Int(port), ..] = master.as_slice() else {
            return None;
        };
        let name = match name {
            Value::BulkString(name) => std::str::from_utf8(name).ok()?,
            Value::SimpleString(name) => name,
            Value::Nil => "",
            _ => return None,
        };
        let name = if name.is_empty() { &asked.name } else { name };
        let slot = |number: &i64| u16::try_from(*number).ok().filter(|slot| *slot < SLOTS);
        Some(Owned {
            slots: slot(first)?..=slot(last)?,
            host: Host {
                name: name.to_owned(),
                port: u16::try_from(*port).ok().filter(|port| *port > 0)?,
            },
            replicas: replicas.len(),
        })
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_the_slot_that_the_server_says() {
        // By CLUSTER KEYSLOT.
        for (tag, slot) in [("123456789", 12_739), ("", 0), ("foo", 12_182)] {
            assert_eq!(of_tag(tag.as_bytes()), slot, "{tag}");
        }
    }

    fn asked() -> Host {
        let name = "asked".into();
        Host { name, port: 1 }
    }

    fn node(name: Value, port: i64) -> Value {
        Value::Array(vec![name, Value::Int(port), Value::Nil])
    }

    #[test]
    fn an_answer_is_read_and_a_missing_name_is_that_of_who_was_asked() {
        let named = node(Value::BulkString(b"::1".to_vec()), 7);
        let part = |first, last, master: &Value| {
            Value::Array(vec![
                Value::Int(first),
                Value::Int(last),
                master.clone(),
                Value::Array(vec![]),
            ])
        };
        let said = Value::Array(vec![
            part(0, 5, &named),
            part(6, 16_383, &node(Value::Nil, 8)),
        ]);
        let host = |name: &str, port| Host {
            name: name.into(),
            port,
        };
        let owned = read(&said, &asked()).unwrap();
        assert_eq!(owned[0].host, host("::1", 7));
        assert_eq!(owned[1].host, host("asked", 8));
        assert_eq!(owned[1].slots, 6..=16_383);
        assert_eq!(owned[1].replicas, 1);
        for strange in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![part(0, 16_384, &named)]),
            Value::Array(vec![part(-1, 5, &named)]),
            Value::Array(vec![part(0, 5, &node(Value::Nil, 70_000))]),
            Value::Array(vec![part(0, 5, &Value::Nil)]),
        ] {
            assert_eq!(read(&strange, &asked()), None, "{strange:?}");
        }
    }
}
