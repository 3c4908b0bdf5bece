//! Writing and reading the parts that metas are made of.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use crate::entry::codec::Flaw;

const MAGIC: &[u8; 2] = b"bw";
const VERSION: u8 = b'2';

/// The first 128 bits of BLAKE3.
pub(super) type Digest = [u8; 16];

pub(super) fn digest(bytes: &[u8]) -> Digest {
    let hash = blake3::hash(bytes);
    let mut short = Digest::default();
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

/// Appends parts to a meta.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(kind: u8, key: &[u8]) -> Self {
        let mut writer = Self {
            bytes: Vec::with_capacity(1024),
        };
        writer.put(MAGIC);
        writer.put(&[VERSION, kind]);
        writer.put_text(key);
        writer
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn put_time(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.put(&micros.to_be_bytes());
    }

    pub(super) fn put_count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a map holds at most 2^15 fields");
        self.put(&count.to_be_bytes());
    }

    pub(super) fn put_name(&mut self, name: &HeaderName) {
        let name = name.as_str().as_bytes();
        let length = u16::try_from(name.len()).expect("a name is shorter than 2^16");
        self.put(&length.to_be_bytes());
        self.put(name);
    }

    pub(super) fn put_text(&mut self, text: &[u8]) {
        let length = u32::try_from(text.len()).expect("keys and values are shorter than 4 GiB");
        self.put(&length.to_be_bytes());
        self.put(text);
    }

    pub(super) fn finish(mut self) -> Bytes {
        let sum = digest(&self.bytes);
        self.put(&sum);
        self.bytes.shrink_to_fit();
        self.bytes.into()
    }
}

/// Takes parts off a meta.
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Checks what frames the content, and gives its kind.
    pub(super) fn open(meta: &Bytes) -> Result<(u8, Self), Flaw> {
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

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let array = *self.rest.first_chunk().ok_or(Flaw::Truncated)?;
        self.take(N)?;
        Ok(array)
    }

    pub(super) fn time(&mut self) -> Result<Duration, Flaw> {
        Ok(Duration::from_micros(u64::from_be_bytes(self.array()?)))
    }

    /// A number of things, each of which takes at least `least` bytes: so what is reserved for
    /// them is bounded by what is there.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Flaw> {
        let count = u32::from_be_bytes(self.array()?);
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len() / least)
            .ok_or(Flaw::Truncated)
    }

    pub(super) fn text(&mut self) -> Result<Bytes, Flaw> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| Flaw::Truncated)?)
    }

    pub(super) fn name(&mut self) -> Result<HeaderName, Flaw> {
        let length = u16::from_be_bytes(self.array()?);
        let name = self.take(usize::from(length))?;
        HeaderName::from_lowercase(&name).map_err(|_| Flaw::Field)
    }

    pub(super) fn value(&mut self) -> Result<HeaderValue, Flaw> {
        HeaderValue::from_maybe_shared(self.text()?).map_err(|_| Flaw::Field)
    }

    /// Checks that nothing is left.
    pub(super) fn close(self) -> Result<(), Flaw> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Flaw::Trailing)
        }
    }
}
