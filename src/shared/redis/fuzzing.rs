//! What has to hold for whatever a server sends and whatever URL is given; see `crate::fuzzing`.

use redis::Value;

use super::events::{Heard, read};
use super::failure::{Elsewhere, Failure};
use super::names::Space;
use super::reply::{Said, committed, content, line, mark_text, number, purged, said, yes};
use super::report;
use super::tls::Tls;
use super::topology::{Topology, known, slots};
use super::url::{Host, Target};
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::{Committed, Grant, PurgeKind, TierEvent};

/// Lines: the items of a reply. `(nil)`, `:7` and `+text` stand for what a client makes of them.
pub fn replies(bytes: &[u8]) {
    let items: Vec<_> = bytes.split(|&byte| byte == b'\n').map(item).collect();
    report::fuzzing::facts(&items);
    for value in [items[0].clone(), Value::Array(items)] {
        if let Ok(found) = said(value.clone()) {
            assert!(found.view.is_some() || found.grant != Grant::Fresh);
            assert_eq!(said(written(&found)).ok(), Some(found));
        }
        if let Ok(Committed::Stored { body_version }) = committed(value.clone()) {
            let again = list(["stored".into(), body_version.to_string()]);
            let again = committed(again).ok();
            assert_eq!(again, Some(Committed::Stored { body_version }));
        }
        if let Ok(found) = yes(value.clone()) {
            assert_eq!(value, Value::Int(i64::from(found)));
        }
        if let Ok(fence) = purged(value.clone()) {
            assert_eq!(purged(text(fence.to_string())).ok(), Some(fence));
        }
        known::fuzz(&value, &String::from_utf8_lossy(bytes));
        if let Ok(found) = line(value.clone()) {
            assert_eq!(line(text(found.to_string())).ok(), Some(found));
        }
        let asked = Host {
            name: "asked".into(),
            port: 1,
        };
        for owned in slots::read(&value, &asked).into_iter().flatten() {
            assert!(*owned.slots.start() < slots::SLOTS && *owned.slots.end() < slots::SLOTS);
        }
        if let Ok(Some((version, found))) = content(value) {
            let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
            let again = vec![
                text(version.to_string()),
                bulk(&found.meta),
                bulk(&found.body),
            ];
            let again = content(Value::Array(again)).ok().flatten();
            assert_eq!(again, Some((version, found)));
        }
    }
    messages(bytes);
    refusal(bytes);
}

/// What a server says instead of an answer: where else the entry is, or why not.
fn refusal(bytes: &[u8]) {
    let line = bytes.split(|byte| b"\r\n".contains(byte)).next();
    let said = [b"-", line.unwrap_or_default(), b"\r\n"].concat();
    let Ok(Value::ServerError(error)) = redis::parse_redis_value(&said) else {
        return;
    };
    let error = redis::RedisError::from(error);
    let elsewhere = Elsewhere::read(&error);
    let failure = Failure::from(error);
    assert_eq!(
        elsewhere.is_some(),
        matches!(failure, Failure::Elsewhere(_))
    );
    assert!(!failure.words().is_empty());
}

fn item(line: &[u8]) -> Value {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match line {
        b"(nil)" => Value::Nil,
        [b':', digits @ ..] => match lossy(digits).parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Int(2),
        },
        [b'+', rest @ ..] => Value::SimpleString(lossy(rest)),
        bytes => Value::BulkString(bytes.to_vec()),
    }
}

fn text(text: String) -> Value {
    Value::BulkString(text.into_bytes())
}

fn list<const N: usize>(texts: [String; N]) -> Value {
    Value::Array(texts.map(text).into())
}

/// The answer of `acquire.lua` that says this.
fn written(said: &Said) -> Value {
    let or_empty = |fence: Option<Fence>| fence.map_or(String::new(), |fence| fence.to_string());
    let (tag, left, detail) = match &said.grant {
        Grant::Fresh => ("F", 0, String::new()),
        Grant::Peeked => ("P", 0, String::new()),
        Grant::Lease { fence, ttl } => ("L", ttl.as_millis(), fence.to_string()),
        Grant::Wait { fence, ttl } => ("W", ttl.as_millis(), fence.to_string()),
        Grant::Blocked { kind, left } => ("B", left.as_millis(), mark_text(*kind)),
        Grant::NoMemory => ("O", 0, String::new()),
    };
    let view = said
        .view
        .map_or(Default::default(), |(version, body, fresh)| {
            [version.to_string(), body.to_string(), fresh.to_string()]
        });
    let [version, body, fresh] = view;
    list([
        tag.into(),
        said.now.to_string(),
        or_empty(said.newest),
        or_empty(said.purged),
        version,
        body,
        fresh,
        left.to_string(),
        detail,
    ])
}

/// A message is heard on the one channel or on the other, and means what it would mean written out.
fn messages(payload: &[u8]) {
    let message = |channel: &str, payload: &[u8]| {
        let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        read(&[bulk(channel.as_bytes()), bulk(payload)], "pulse")
    };
    let (event, pulse) = (message("events", payload), message("pulse", payload));
    assert!(event.is_none() || pulse.is_none());
    for (channel, heard) in [("events", event), ("pulse", pulse)] {
        let Some(heard) = heard else { continue };
        let again = match heard {
            Heard::Pulse(number) => format!("a:{number}"),
            Heard::Event(TierEvent::Committed { id, fence }) => format!("c:{id}:{fence}"),
            Heard::Event(TierEvent::Released { id, fence }) => format!("r:{id}:{fence}"),
            Heard::Purged {
                id,
                fence,
                kind,
                era,
            } => {
                let kind = if kind == PurgeKind::Hard { 'h' } else { 's' };
                format!("p:{id}:{fence}:{kind}:{era}")
            }
            Heard::Era(ref line) => format!("g:{line}"),
            Heard::Event(other) => panic!("no message says {other:?}"),
        };
        assert_eq!(message(channel, again.as_bytes()), Some(heard));
    }
}

/// A URL, which no text shows the password of; and a namespace.
pub fn addresses(bytes: &[u8]) {
    let given = String::from_utf8_lossy(bytes);
    target(&given);
    let spaces = [&*given, "default"].map(|namespace| Space::new(namespace, 0).ok());
    if let [Some(space), Some(other)] = spaces {
        let id = EntryId::from_bytes([7; 16]);
        let (ours, theirs) = (space.names(id), other.names(id));
        assert_ne!(ours.entry, ours.lease);
        assert_eq!(ours.entry == theirs.entry, given == "default");
        assert_eq!(space.channel == other.channel, given == "default");
        // One slot of a cluster: what is in the first braces.
        let slot = |name: &str| name.split(['{', '}']).nth(1).map(str::to_owned);
        assert_eq!(slot(&ours.entry), slot(&ours.lease));
        assert!(slot(&ours.entry).is_some_and(|slot| slot.contains(&*given)));
    }
    assert_eq!(
        number::<u64>(&given).ok(),
        given
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| given.parse().ok())
            .flatten()
    );
}

const SECRET: &str = "s3cret";

fn target(url: &str) {
    if let Ok(target) = Target::parse(url) {
        let shown = target.to_string();
        // A host in needless brackets loses them.
        if !url.contains("[[") {
            let again = Target::parse(&shown).expect("what is shown is a URL");
            assert_eq!(again.to_string(), shown);
            assert_eq!(again.db, target.db);
        }
        let _ = Topology::new(&target, &Tls::default());
    }
    // The input in all places around a password.
    let half = url.len() / 2;
    if !url.is_char_boundary(half) || url.contains(SECRET) {
        return;
    }
    let (a, b) = url.split_at(half);
    for planted in [
        format!("redis://u:{SECRET}{url}"),
        format!("redis://{a}:{SECRET}{b}@host"),
        format!("redis://:{a}{SECRET}@{b}"),
        format!("{a}://u:{SECRET}@{b}"),
        format!("{a}:{SECRET}@{b}"),
    ] {
        let text = match Target::parse(&planted) {
            Ok(target) => format!(
                "{target} {target:?} {:?}",
                Topology::new(&target, &Tls::default()).err()
            ),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!text.contains(SECRET), "{planted}: {text}");
    }
}
