//! What the scripts answer, read strictly: bytes from the store are never trusted.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::era::Line;
use super::failure::Failure;
use crate::entry::Fence;
use crate::shared::{BlockKind, Committed, Content, Grant};

/// What `acquire.lua` said: all but the content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) now: u64,
    pub(super) newest: Option<Fence>,
    pub(super) purged: Option<Fence>,
    /// Version, version of the body, milliseconds of freshness left.
    pub(super) view: Option<(Fence, Fence, i64)>,
    pub(super) grant: Grant,
}

pub(super) fn said(reply: Value) -> Result<Said, Failure> {
    let [tag, now, newest, purged, version, body, fresh, left, detail] = texts(reply)?;
    let view = match (fence(&version)?, fence(&body)?) {
        (None, None) => None,
        (Some(version), Some(body)) => Some((version, body, number(&fresh)?)),
        _ => return Err(odd("an entry with half a version")),
    };
    let left = Duration::from_millis(number(&left)?);
    let needed = |text: &str| fence(text)?.ok_or_else(|| odd("a lease without a fence"));
    let grant = match tag.as_str() {
        "F" if view.is_some() => Grant::Fresh,
        "P" => Grant::Peeked,
        "L" => Grant::Lease {
            fence: needed(&detail)?,
            ttl: left,
        },
        "W" => Grant::Wait {
            fence: needed(&detail)?,
            ttl: left,
        },
        "B" => Grant::Blocked {
            kind: mark(&detail)?,
            left,
        },
        "O" => Grant::NoMemory,
        _ => return Err(odd("an unknown grant")),
    };
    Ok(Said {
        now: number(&now)?,
        newest: fence(&newest)?,
        purged: fence(&purged)?,
        view,
        grant,
    })
}

/// What `commit.lua` said.
pub(super) fn committed(reply: Value) -> Result<Committed, Failure> {
    let [outcome, body] = texts(reply)?;
    Ok(match outcome.as_str() {
        "stored" => Committed::Stored {
            body_version: fence(&body)?.ok_or_else(|| odd("a body without a version"))?,
        },
        "superseded" => Committed::Superseded,
        "lost" => Committed::Lost,
        "bodiless" => Committed::Bodiless,
        "oom" => Committed::NoMemory,
        _ => return Err(odd("an unknown outcome of a commit")),
    })
}

/// What `renew.lua` and `release.lua` said.
pub(super) fn yes(reply: Value) -> Result<bool, Failure> {
    match reply {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => Err(odd("neither 0 nor 1")),
    }
}

/// What `purge.lua` said.
pub(super) fn purged(reply: Value) -> Result<Fence, Failure> {
    fence(&text(reply)?)?.ok_or_else(|| odd("a purge without a fence"))
}

/// What `era.lua` said.
pub(super) fn line(reply: Value) -> Result<Line, Failure> {
    match text(reply)?.as_str() {
        "" => Ok(Line::default()),
        text => Line::read(text),
    }
}

/// `HMGET v m b`: one snapshot of a version with its content, `None` if there is no version.
pub(super) fn content(reply: Value) -> Result<Option<(Fence, Content)>, Failure> {
    let [version, meta, body] = items(reply)?;
    if version == Value::Nil {
        return Ok(None);
    }
    let version = fence(&text(version)?)?.ok_or_else(|| odd("an empty version"))?;
    let (Value::BulkString(meta), Value::BulkString(body)) = (meta, body) else {
        return Err(odd("an entry without its content"));
    };
    let content = Content {
        meta: Bytes::from(meta),
        body: Bytes::from(body),
    };
    Ok(Some((version, content)))
}

/// A mark as it is stored: `U`, `B:failures:status`, or `N:failures:status` for an origin that
/// cannot be reached.
pub(super) fn mark_text(kind: BlockKind) -> String {
    match kind {
        BlockKind::Uncacheable => "U".into(),
        BlockKind::Failing {
            failures,
            status,
            unreachable,
        } => {
            let kind = if unreachable { 'N' } else { 'B' };
            format!("{kind}:{failures}:{status}")
        }
    }
}

fn mark(text: &str) -> Result<BlockKind, Failure> {
    if text == "U" {
        return Ok(BlockKind::Uncacheable);
    }
    let unknown = || odd("an unknown mark");
    let (unreachable, rest) = match text.split_once(':').ok_or_else(unknown)? {
        ("B", rest) => (false, rest),
        ("N", rest) => (true, rest),
        _ => return Err(unknown()),
    };
    let (failures, status) = rest.split_once(':').ok_or_else(unknown)?;
    Ok(BlockKind::Failing {
        failures: number(failures)?,
        status: number(status)?,
        unreachable,
    })
}

fn fence(text: &str) -> Result<Option<Fence>, Failure> {
    match text {
        "" => Ok(None),
        text => number(text).map(|number| Some(Fence::new(number))),
    }
}

/// Digits only, perhaps after a minus where the type has one.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, Failure> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| odd("something else instead of a number"))
}

fn text(value: Value) -> Result<String, Failure> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| odd("text that is not UTF-8"))
        }
        Value::SimpleString(text) => Ok(text),
        _ => Err(odd("something else instead of text")),
    }
}

fn items<const N: usize>(value: Value) -> Result<[Value; N], Failure> {
    match value {
        Value::Array(items) => items
            .try_into()
            .map_err(|_| odd("a reply of the wrong length")),
        _ => Err(odd("something else instead of a list")),
    }
}

pub(super) fn texts<const N: usize>(value: Value) -> Result<[String; N], Failure> {
    let mut texts = [const { String::new() }; N];
    for (slot, value) in texts.iter_mut().zip(items::<N>(value)?) {
        *slot = text(value)?;
    }
    Ok(texts)
}

fn odd(what: &str) -> Failure {
    Failure::foreign(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Value {
        Value::Array(
            texts
                .iter()
                .map(|text| Value::BulkString(text.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn an_answer_is_read_back() {
        let reply = list(&["W", "17", "9", "5", "8", "7", "-30", "250", "9"]);
        let expected = Said {
            now: 17,
            newest: Some(Fence::new(9)),
            purged: Some(Fence::new(5)),
            view: Some((Fence::new(8), Fence::new(7), -30)),
            grant: Grant::Wait {
                fence: Fence::new(9),
                ttl: Duration::from_millis(250),
            },
        };
        assert_eq!(said(reply).unwrap(), expected);
    }

    #[test]
    fn any_surprise_in_an_answer_is_an_error() {
        let good = ["F", "17", "9", "", "8", "7", "30", "0", ""];
        assert!(said(list(&good)).is_ok());
        for (place, bad) in [
            (0, "X"),
            (0, "L"),
            (0, "B"),
            (1, ""),
            (1, "-1"),
            (1, "1e3"),
            (2, "+9"),
            (2, "99999999999999999999"),
            (3, " 5"),
            (4, ""),
            (5, "x"),
            (6, "--1"),
            (7, "-1"),
        ] {
            let mut reply = good;
            reply[place] = bad;
            assert!(said(list(&reply)).is_err(), "{reply:?}");
        }
        assert!(said(list(&good[..8])).is_err());
        assert!(said(Value::Nil).is_err());
        assert!(said(list(&["F", "17", "9", "", "", "", "0", "0", ""])).is_err());
    }

    #[test]
    fn marks_read_back_from_their_text() {
        for kind in [
            BlockKind::Uncacheable,
            BlockKind::Failing {
                failures: 3,
                status: 502,
                unreachable: false,
            },
            BlockKind::Failing {
                failures: 1,
                status: 504,
                unreachable: true,
            },
        ] {
            assert_eq!(mark(&mark_text(kind)).unwrap(), kind);
        }
        for bad in ["", "B", "B:1", "B:1:2:3", "B:x:502", "B:1:70000", "UU"] {
            assert!(mark(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_entry_without_its_content_is_corrupt_and_no_entry_is_none() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let nothing = Value::Array(vec![Value::Nil, Value::Nil, Value::Nil]);
        assert_eq!(content(nothing).unwrap(), None);
        let half = Value::Array(vec![bulk("8"), bulk("meta"), Value::Nil]);
        assert!(content(half).is_err());
    }
}
