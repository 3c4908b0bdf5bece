//! Where a body is cut, and what its origin writes until then.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::gate::Gate;
use crate::origin::{Asked, LAST_CHUNK, Origin, chunk, pattern};

/// How an origin says where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Length,
    Chunked,
}

/// Both.
pub(crate) const CODECS: [Codec; 2] = [Codec::Length, Codec::Chunked];

/// One body that breaks off the first time it is asked for, and comes whole ever after.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) path: String,
    pub(crate) codec: Codec,
    /// Of the body, without what the codec adds.
    pub(crate) length: usize,
    /// Bytes on the wire behind the head before the cut.
    pub(crate) at: usize,
    /// With a reset, or as a socket is closed.
    pub(crate) reset: bool,
    /// Opened when everybody reads, so that all are in the middle of it. `None`: it is cut at once.
    pub(crate) gate: Option<Gate>,
}

impl Cut {
    pub(crate) fn body(&self) -> Vec<u8> {
        pattern(&self.path, self.length)
    }

    /// The body as it is on the wire. Chunks are of uneven sizes.
    pub(crate) fn wire(&self) -> Vec<u8> {
        let body = self.body();
        if self.codec == Codec::Length {
            return body;
        }
        let mut random = fastrand::Rng::with_seed(self.length as u64);
        let (mut wire, mut rest) = (Vec::new(), &body[..]);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.usize(1..=4_000).min(rest.len()));
            wire.extend(chunk(now));
            rest = later;
        }
        wire.extend_from_slice(LAST_CHUNK);
        wire
    }

    /// Bytes of the body that have come when it is cut: no client can have had more.
    pub(crate) fn come(&self) -> usize {
        // What the codec adds is at least nothing.
        self.at.min(self.length)
    }

    async fn answer(&self, mut asked: Asked) -> io::Result<()> {
        let length = format!("content-length: {}", self.length);
        let framing = match self.codec {
            Codec::Length => &length,
            Codec::Chunked => "transfer-encoding: chunked",
        };
        asked.ok(&[framing, "cache-control: max-age=60"]).await?;
        let wire = self.wire();
        if asked.number > 1 {
            return asked.send(&wire).await;
        }
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        asked.send(&wire[..self.at]).await?;
        if self.reset {
            asked.reset();
        }
        Ok(())
    }
}

/// An origin for these.
pub(crate) fn origin(cuts: &[Cut]) -> Origin {
    let cuts = cuts.iter().map(|cut| (cut.path.clone(), cut.clone()));
    let cuts: Arc<HashMap<_, _>> = Arc::new(cuts.collect());
    Origin::start(move |asked| {
        let cuts = Arc::clone(&cuts);
        async move { cuts[&asked.path].answer(asked).await }
    })
}

/// All places where chunked framing may be misread: in and around the lines with the sizes of the
/// second chunk, and everywhere in the last one.
pub(crate) fn edges(wire: &[u8]) -> Vec<usize> {
    let line = |from: usize| {
        let end = wire[from..].windows(2).position(|two| two == b"\r\n");
        from + end.expect("a line") + 2
    };
    let data = line(0);
    let size = std::str::from_utf8(&wire[..data - 2]).expect("a size");
    let size = usize::from_str_radix(size, 16).expect("a size");
    let second = data + size;
    let last = wire.len() - LAST_CHUNK.len() - 3;
    (0..=data)
        .chain(second - 1..=line(second + 2) + 1)
        .chain(last..wire.len())
        .collect()
}

/// The seed of a run: of the environment, or a new one.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("BELLWETHER_SEED").ok();
    let given = given.map(|seed| seed.parse().expect("BELLWETHER_SEED is a number"));
    given.unwrap_or_else(|| fastrand::u64(..1 << 32))
}
