//! The stored form of records and rules.
//!
//! An entry in the shared tier is two byte strings: the *meta*, made here, and the body as it is.
//! A 304 replaces the meta and keeps the body, so the meta names the body by length and digest.
//!
//! ```text
//! meta     = "bw" version kind  key  content  digest(all before)
//! response = status  age fresh swr sie keep cost  count field*  body-length body-digest
//! rule     = generation  count name*
//! field    = flags  name  value
//! ```
//!
//! Numbers are big-endian, times are microseconds in 64 bits, texts are preceded by their length
//! (names in 16 bits, else 32), digests are the first 128 bits of BLAKE3. What is read is never
//! trusted: anything unexpected is a [`Flaw`], and the entry counts as absent.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::entry::{Head, Lifetime};

const MAGIC: &[u8; 2] = b"bw";
const VERSION: u8 = b'1';
const RESPONSE: u8 = b'r';
const RULE: u8 = b'v';
const SENSITIVE: u8 = 1;

type Digest = [u8; 16];

/// What was stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    if reader.rest.is_empty() {
        Ok(stored)
    } else {
        Err(Flaw::Trailing)
    }
}

fn response(reader: &mut Reader, body: &[u8]) -> Result<Stored, Flaw> {
    let status = u16::from_be_bytes(reader.array()?);
    let status = StatusCode::from_u16(status).map_err(|_| Flaw::Status)?;
    let lifetime = Lifetime {
        age: reader.time()?,
        fresh: reader.time()?,
        stale_while_revalidate: reader.time()?,
        stale_if_error: reader.time()?,
        keep: reader.time()?,
    };
    let cost = reader.time()?;
    // A field takes at least its flags, two lengths and one letter.
    let count = reader.count(8)?;
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

fn digest(bytes: &[u8]) -> Digest {
    let hash = blake3::hash(bytes);
    let mut short = Digest::default();
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(kind: u8, key: &[u8]) -> Self {
        let mut writer = Self {
            bytes: Vec::with_capacity(1024),
        };
        writer.put(MAGIC);
        writer.put(&[VERSION, kind]);
        writer.put_text(key);
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn put_time(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.put(&micros.to_be_bytes());
    }

    fn put_count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a map holds at most 2^15 fields");
        self.put(&count.to_be_bytes());
    }

    fn put_name(&mut self, name: &HeaderName) {
        let name = name.as_str().as_bytes();
        let length = u16::try_from(name.len()).expect("a name is shorter than 2^16");
        self.put(&length.to_be_bytes());
        self.put(name);
    }

    fn put_text(&mut self, text: &[u8]) {
        let length = u32::try_from(text.len()).expect("keys and values are shorter than 4 GiB");
        self.put(&length.to_be_bytes());
        self.put(text);
    }

    fn finish(mut self) -> Bytes {
        let sum = digest(&self.bytes);
        self.put(&sum);
        self.bytes.shrink_to_fit();
        self.bytes.into()
    }
}

struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Checks what frames the content, and gives its kind.
    fn open(meta: &Bytes) -> Result<(u8, Self), Flaw> {
        let frame = MAGIC.len() + 2;
        match meta.get(..frame) {
            None => return Err(Flaw::Truncated),
            Some(head) if !head.starts_with(MAGIC) => return Err(Flaw::Magic),
            Some(head) if head[2] != VERSION => return Err(Flaw::Version),
            Some(_) => {}
        }
        let end = meta
            .len()
            .checked_sub(size_of::<Digest>())
            .filter(|end| *end >= frame)
            .ok_or(Flaw::Truncated)?;
        if digest(&meta[..end]) != meta[end..] {
            return Err(Flaw::Checksum);
        }
        let rest = meta.slice(frame..end);
        Ok((meta[frame - 1], Self { rest }))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Flaw> {
        if length > self.rest.len() {
            return Err(Flaw::Truncated);
        }
        Ok(self.rest.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let array = *self.rest.first_chunk().ok_or(Flaw::Truncated)?;
        self.take(N)?;
        Ok(array)
    }

    fn time(&mut self) -> Result<Duration, Flaw> {
        Ok(Duration::from_micros(u64::from_be_bytes(self.array()?)))
    }

    /// A number of things, each of which takes at least `least` bytes: so what is reserved for
    /// them is bounded by what is there.
    fn count(&mut self, least: usize) -> Result<usize, Flaw> {
        let count = u32::from_be_bytes(self.array()?);
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len() / least)
            .ok_or(Flaw::Truncated)
    }

    fn text(&mut self) -> Result<Bytes, Flaw> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| Flaw::Truncated)?)
    }

    fn name(&mut self) -> Result<HeaderName, Flaw> {
        let length = u16::from_be_bytes(self.array()?);
        let name = self.take(usize::from(length))?;
        HeaderName::from_lowercase(&name).map_err(|_| Flaw::Field)
    }

    fn value(&mut self) -> Result<HeaderValue, Flaw> {
        HeaderValue::from_maybe_shared(self.text()?).map_err(|_| Flaw::Field)
    }
}

#[cfg(test)]
mod tests;
