//! The stored form of records and rules.
//!
//! An entry in the shared tier is two byte strings: the *meta*, made here, and the body as it is.
//! A 304 replaces the meta and keeps the body, so the meta names the body by length and digest.
//!
//! ```text
//! meta     = "bw" version kind  key  content  digest(all before)
//! response = status  age fresh swr sie siu keep cost  count field*  body-length body-digest
//! rule     = generation  count name*
//! field    = flags  name  value
//! ```
//!
//! Numbers are big-endian, times are microseconds in 64 bits, texts are preceded by their length
//! (names in 16 bits, else 32), digests are the first 128 bits of BLAKE3. What is read is never
//! trusted: anything unexpected is a [`Flaw`], and the entry counts as absent.

mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use crate::entry::codec::wire::{Digest, Reader, Writer, digest};
use crate::entry::{Head, Lifetime};

const RESPONSE: u8 = b'r';
const RULE: u8 = b'v';
const SENSITIVE: u8 = 1;
/// In a head, so that what is put beside them always fits into a map, too (it holds 2^15 at most).
const MOST_FIELDS: usize = 4_096;

/// What was stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart as soon as it is made"
)]
pub(crate) enum Stored {
    /// A response, or one variant of it.
    Response {
        head: Head,
        lifetime: Lifetime,
        cost: Duration,
        /// To be used again when a 304 renews the head.
        body: BodyDigest,
    },
    /// The Vary rule of a URL.
    Rule {
        generation: u64,
        fields: Vec<HeaderName>,
    },
}

/// Names a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyDigest {
    length: u64,
    hash: Digest,
}

impl BodyDigest {
    /// Computes it. Reads all of the body, so keep it.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self {
            length: body.len() as u64,
            hash: digest(body),
        }
    }
}

/// Why stored bytes are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    /// Not ours.
    Magic,
    /// Of another version of this crate.
    Version,
    /// Neither a response nor a rule.
    Kind,
    /// They end too early.
    Truncated,
    /// They go on after the end.
    Trailing,
    /// The meta is damaged.
    Checksum,
    /// They belong to another key of the same digest.
    OtherKey,
    /// The status code is none.
    Status,
    /// A field is none, or there are too many.
    Field,
    /// The body is longer or shorter than what was stored.
    BodyLength,
    /// The body is another one, or damaged.
    BodyChecksum,
}

impl Flaw {
    /// The token for events and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Magic => "magic",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::Truncated => "truncated",
            Self::Trailing => "trailing",
            Self::Checksum => "checksum",
            Self::OtherKey => "other-key",
            Self::Status => "status",
            Self::Field => "field",
            Self::BodyLength => "body-length",
            Self::BodyChecksum => "body-checksum",
        }
    }
}

/// The meta of a response.
pub(crate) fn encode_response(
    key: &[u8],
    head: &Head,
    lifetime: &Lifetime,
    cost: Duration,
    body: &BodyDigest,
) -> Bytes {
    let mut meta = Writer::new(RESPONSE, key);
    meta.put(&head.status.as_u16().to_be_bytes());
    for time in [
        lifetime.age,
        lifetime.fresh,
        lifetime.stale_while_revalidate,
        lifetime.stale_if_error,
        lifetime.stale_if_unreachable,
        lifetime.keep,
        cost,
    ] {
        meta.put_time(time);
    }
    meta.put_count(head.headers.len());
    for (name, value) in &head.headers {
        meta.put(&[if value.is_sensitive() { SENSITIVE } else { 0 }]);
        meta.put_name(name);
        meta.put_text(value.as_bytes());
    }
    meta.put(&body.length.to_be_bytes());
    meta.put(&body.hash);
    meta.finish()
}

/// The meta of a rule. Its body is empty.
pub(crate) fn encode_rule(key: &[u8], generation: u64, fields: &[HeaderName]) -> Bytes {
    let mut meta = Writer::new(RULE, key);
    meta.put(&generation.to_be_bytes());
    meta.put_count(fields.len());
    for name in fields {
        meta.put_name(name);
    }
    meta.finish()
}

/// Reads what was stored under this key. The values of the fields are slices of `meta`.
pub(crate) fn decode(key: &[u8], meta: &Bytes, body: &[u8]) -> Result<Stored, Flaw> {
    let (kind, mut reader) = Reader::open(meta)?;
    if reader.text()? != key {
        return Err(Flaw::OtherKey);
    }
    let stored = match kind {
        RESPONSE => response(&mut reader, body)?,
        RULE => rule(&mut reader, body)?,
        _ => return Err(Flaw::Kind),
    };
    reader.close()?;
    Ok(stored)
}

fn response(reader: &mut Reader, body: &[u8]) -> Result<Stored, Flaw> {
    let status = u16::from_be_bytes(reader.array()?);
    let status = StatusCode::from_u16(status).map_err(|_| Flaw::Status)?;
    let lifetime = Lifetime {
        age: reader.time()?,
        fresh: reader.time()?,
        stale_while_revalidate: reader.time()?,
        stale_if_error: reader.time()?,
        stale_if_unreachable: reader.time()?,
        keep: reader.time()?,
    };
    let cost = reader.time()?;
    // A field takes at least its flags, two lengths and one letter.
    let count = reader.count(8)?;
    if count > MOST_FIELDS {
        return Err(Flaw::Field);
    }
    let mut headers = HeaderMap::try_with_capacity(count).map_err(|_| Flaw::Field)?;
    for _ in 0..count {
        let [flags] = reader.array()?;
        let name = reader.name()?;
        let mut value = reader.value()?;
        value.set_sensitive(flags & SENSITIVE != 0);
        headers.try_append(name, value).map_err(|_| Flaw::Field)?;
    }
    let expected = BodyDigest {
        length: u64::from_be_bytes(reader.array()?),
        hash: reader.array()?,
    };
    if expected.length != body.len() as u64 {
        return Err(Flaw::BodyLength);
    }
    if expected.hash != digest(body) {
        return Err(Flaw::BodyChecksum);
    }
    Ok(Stored::Response {
        head: Head { status, headers },
        lifetime,
        cost,
        body: expected,
    })
}

fn rule(reader: &mut Reader, body: &[u8]) -> Result<Stored, Flaw> {
    let generation = u64::from_be_bytes(reader.array()?);
    // A name takes at least its length and one letter.
    let count = reader.count(3)?;
    let fields = (0..count)
        .map(|_| reader.name())
        .collect::<Result<_, _>>()?;
    if !body.is_empty() {
        return Err(Flaw::BodyLength);
    }
    Ok(Stored::Rule { generation, fields })
}

#[cfg(test)]
mod tests;
