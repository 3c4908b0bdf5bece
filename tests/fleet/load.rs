//! Clients that keep asking. As light as can be, for they share the machine with what they measure.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::fleet::TO_NODE;
use crate::support::PATIENCE;

/// What a client asks, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    node: usize,
    address: SocketAddr,
    request: Arc<[u8]>,
}

impl Target {
    /// `GET path` of the site `host`, from the node at `address`.
    pub(crate) fn new(node: usize, address: SocketAddr, host: &str, path: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{TO_NODE}: {node}\r\n\r\n");
        let request = request.into_bytes().into();
        Self {
            node,
            address,
            request,
        }
    }
}

/// One answer, or the want of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) node: usize,
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    /// Zero if the connection failed.
    pub(crate) status: u16,
    /// The number in the body: the origin counts its responses. Zero if there is none.
    pub(crate) version: u64,
}

impl Sample {
    /// When the answer was there.
    pub(crate) fn done(&self) -> Instant {
        self.sent + self.took
    }

    pub(crate) fn is_good(&self) -> bool {
        self.status == 200
    }
}

/// A connection with one request at a time on it.
#[derive(Debug)]
pub(crate) struct Line {
    target: Target,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    pub(crate) async fn open(target: Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let buffer = Vec::with_capacity(2048);
        Ok(Self {
            target,
            stream,
            buffer,
        })
    }

    /// Sends the request, and does not wait.
    pub(crate) async fn say(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.target.request).await
    }

    /// Asks once. What fails is a sample too.
    pub(crate) async fn ask(&mut self) -> Sample {
        let sent = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.exchange()).await;
        let (status, version) = answer.unwrap_or(Ok((0, 0))).unwrap_or((0, 0));
        Sample {
            node: self.target.node,
            sent,
            took: sent.elapsed(),
            status,
            version,
        }
    }

    async fn exchange(&mut self) -> io::Result<(u16, u64)> {
        self.say().await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let end = match length.and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => {
                while self.buffer.len() < head + length {
                    self.read().await?;
                }
                head + length
            }
            // Chunked.
            None => loop {
                if let Some(end) = find(&self.buffer[head..], b"0\r\n\r\n") {
                    break head + end;
                }
                self.read().await?;
            },
        };
        Ok((status, number_in(&self.buffer[head..end])))
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

/// The number after the `v` in a body such as `v12`.
fn number_in(body: &[u8]) -> u64 {
    let from = body.iter().position(|byte| *byte == b'v');
    let digits = from.map_or(&[][..], |from| &body[from + 1..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Clients at work until told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Sample>>,
}

impl Load {
    /// Starts `clients` on each target, each of which asks, and thinks for about `think` before it
    /// asks again.
    pub(crate) async fn start(
        targets: impl IntoIterator<Item = Target>,
        clients: usize,
        think: Duration,
    ) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            clients: JoinSet::new(),
        };
        for target in targets {
            load.join(target, clients, think).await;
        }
        load
    }

    /// More clients, for one target.
    pub(crate) async fn join(&mut self, target: Target, clients: usize, think: Duration) {
        for _ in 0..clients {
            let line = Line::open(target.clone()).await;
            let line = line.expect("the proxy accepts connections");
            let stop = Arc::clone(&self.stop);
            self.clients.spawn(client(line, stop, think));
        }
    }

    /// Everybody has a last answer. Then these are all.
    pub(crate) async fn stop(self) -> Samples {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = self.clients.join_all().await.concat();
        all.sort_by_key(|sample| sample.sent);
        Samples(all)
    }
}

async fn client(mut line: Line, stop: Arc<AtomicBool>, think: Duration) -> Vec<Sample> {
    let mut samples = Vec::new();
    // Not in step: so many clients are not one crowd that comes and goes.
    sleep(think.mul_f64(fastrand::f64())).await;
    while !stop.load(Ordering::Relaxed) {
        let sample = line.ask().await;
        samples.push(sample);
        if sample.status == 0 {
            // A process that was killed stays dead, and one error is enough to count.
            match Line::open(line.target.clone()).await {
                Ok(open) => line = open,
                Err(_) => break,
            }
        }
        if !think.is_zero() {
            sleep(think.mul_f64(0.5 + fastrand::f64())).await;
        }
    }
    samples
}

/// Lets as many clients on each target ask at once, on connections made before.
pub(crate) async fn crowd(targets: &[Target], clients: usize) -> Samples {
    let mut lines = Vec::new();
    for number in 0..clients {
        let line = Line::open(targets[number % targets.len()].clone()).await;
        lines.push(line.expect("the proxy accepts connections"));
    }
    let mut asking = JoinSet::new();
    for mut line in lines {
        asking.spawn(async move { line.ask().await });
    }
    Samples(asking.join_all().await)
}

/// What clients saw, in the order of their requests.
#[derive(Debug, Clone)]
pub(crate) struct Samples(pub(crate) Vec<Sample>);

impl Samples {
    /// Those for which `keep` holds.
    pub(crate) fn filter(&self, keep: impl Fn(&Sample) -> bool) -> Self {
        Self(self.0.iter().copied().filter(|one| keep(one)).collect())
    }

    /// Those that were sent to this node.
    pub(crate) fn of(&self, node: usize) -> Self {
        self.filter(|sample| sample.node == node)
    }

    /// Those that were sent after `start`.
    pub(crate) fn since(&self, start: Instant) -> Self {
        self.filter(|sample| sample.sent >= start)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that were no `200`.
    pub(crate) fn errors(&self) -> usize {
        self.0.iter().filter(|sample| !sample.is_good()).count()
    }

    /// The longest wait.
    pub(crate) fn longest(&self) -> Duration {
        let longest = self.0.iter().map(|sample| sample.took).max();
        longest.unwrap_or_default()
    }

    /// The wait that this share of all did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut waits: Vec<_> = self.0.iter().map(|sample| sample.took).collect();
        waits.sort_unstable();
        let last = waits.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into the waits"
        )]
        let index = (waits.len() as f64 * share) as usize;
        waits.get(index.min(last)).copied().unwrap_or_default()
    }

    /// When the first answer of all was there.
    pub(crate) fn first_done(&self) -> Instant {
        let first = self.0.iter().map(Sample::done).min();
        first.expect("somebody was answered")
    }

    /// When the first answer of this version, or of a newer one, was there.
    pub(crate) fn first_seen(&self, version: u64) -> Instant {
        let newer = self.0.iter().filter(|sample| sample.version >= version);
        let first = newer.map(Sample::done).min();
        first.unwrap_or_else(|| panic!("nobody saw version {version}"))
    }

    /// The numbers of all that were answered with this version.
    pub(crate) fn count(&self, version: u64) -> usize {
        self.filter(|sample| sample.version == version).len()
    }
}
