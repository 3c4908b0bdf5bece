//! A closed-loop load on keep-alive connections, as light as it can be.

use std::io::{ErrorKind, Read, Write};
use std::net;
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Keeps this process on one core.
pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    if set.set(core).is_ok() {
        sched_setaffinity(Pid::from_raw(0), &set).expect("it may be pinned");
    }
}

/// When a client has had enough.
#[derive(Clone, Copy)]
pub(crate) enum End {
    After(Duration),
    /// So many answers.
    Count(u64),
}

/// Clients with a connection each, on which they ask one request at a time.
pub(crate) struct Clients {
    runtime: Runtime,
    idle: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    request: Arc<[u8]>,
    /// Of each body.
    length: usize,
    buffer: Vec<u8>,
}

impl Clients {
    pub(crate) fn connect(address: &str, connections: usize) -> Self {
        let length = body_length(address);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let request: Arc<[u8]> = request(address).into();
        let connect = || async {
            let stream = TcpStream::connect(address).await.expect("it listens");
            stream.set_nodelay(true).expect("a socket");
            Client {
                stream,
                request: Arc::clone(&request),
                length,
                buffer: vec![0; 256 * 1024],
            }
        };
        let idle = (0..connections).map(|_| runtime.block_on(connect()));
        Self {
            idle: idle.collect(),
            runtime,
        }
    }

    /// How many requests they get answered until then, all together.
    pub(crate) fn run(&mut self, end: End) -> u64 {
        let idle = std::mem::take(&mut self.idle);
        let (total, idle) = self.runtime.block_on(async {
            let at_work = idle.into_iter().map(|client| tokio::spawn(client.run(end)));
            let at_work: Vec<_> = at_work.collect();
            let (mut total, mut idle) = (0, Vec::with_capacity(at_work.len()));
            for client in at_work {
                let (answered, client) = client.await.expect("a client does not panic");
                total += answered;
                idle.push(client);
            }
            (total, idle)
        });
        self.idle = idle;
        total
    }
}

impl Client {
    async fn run(mut self, end: End) -> (u64, Self) {
        let mut answered = 0;
        let begun = Instant::now();
        while match end {
            End::After(time) => begun.elapsed() < time,
            End::Count(count) => answered < count,
        } {
            self.ask().await;
            answered += 1;
        }
        (answered, self)
    }

    async fn ask(&mut self) {
        let Self {
            stream,
            request,
            buffer,
            ..
        } = self;
        stream.write_all(request).await.expect("it is there");
        let mut read = stream.read(buffer).await.expect("it answers");
        let mut left = self.length + head_length(&buffer[..read]);
        loop {
            assert!(read > 0 && read <= left, "it answers as before");
            left -= read;
            if left == 0 {
                return;
            }
            read = stream.read(buffer).await.expect("it answers");
        }
    }
}

/// Bytes of the head, which comes in one piece: it is far smaller than a segment.
fn head_length(start: &[u8]) -> usize {
    let end = start.windows(4).position(|four| four == b"\r\n\r\n");
    end.expect("a head") + 4
}

fn request(address: &str) -> Vec<u8> {
    format!(
        "GET /hot?size=1 HTTP/1.1\r\nhost: {address}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"
    )
    .into_bytes()
}

/// Fetches the page into the cache, and says how long it is: every answer has the same length.
fn body_length(address: &str) -> usize {
    let mut stream = net::TcpStream::connect(address).expect("it listens");
    let mut length = 0;
    // The first fetches; the second is a hit.
    for _ in 0..2 {
        stream.write_all(&request(address)).expect("it is there");
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // It has ended when nothing more comes; until it begins, valgrind may take its time.
            let patience = if answer.is_empty() { 30_000 } else { 300 };
            stream
                .set_read_timeout(Some(Duration::from_millis(patience)))
                .expect("a socket");
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => panic!("it answers: {error}"),
            }
        }
        length = answer.len() - head_length(&answer);
        let head = String::from_utf8_lossy(&answer).to_lowercase();
        let announced = format!("content-length: {length}\r\n");
        assert!(head.contains(&announced), "with its length: {:.300}", head);
    }
    length
}
