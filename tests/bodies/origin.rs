//! An origin on bare sockets: it writes what it is told to, and ends as it is told to.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::within;

/// An origin in this process. Dropping it closes all of its connections.
pub(crate) struct Origin {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

struct Counts {
    paths: Mutex<HashMap<String, usize>>,
    total: watch::Sender<usize>,
}

/// One request, and the connection to answer it on: there is no second one on it.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Of the requests to this path; the first is 1.
    pub(crate) number: usize,
    pub(crate) stream: TcpStream,
}

impl Asked {
    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a `200` with these fields.
    pub(crate) async fn ok(&mut self, fields: &[&str]) -> io::Result<()> {
        let fields = fields.join("\r\n");
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{fields}\r\n\r\n");
        self.send(head.as_bytes()).await
    }

    /// Sends one chunk of a chunked body.
    pub(crate) async fn chunk(&mut self, data: &[u8]) -> io::Result<()> {
        self.send(&chunk(data)).await
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let mut nothing = [0; 64];
        while let Ok(1..) = self.stream.read(&mut nothing).await {}
    }

    /// Breaks the connection as a crashed machine's successor would: with a reset.
    pub(crate) fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }
}

/// A chunk as it is on the wire.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The last chunk: without it a chunked body has not ended.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The body of `path`: no two paths have the same, and no two places in it look alike.
pub(crate) fn pattern(path: &str, length: usize) -> Vec<u8> {
    let seed = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = fastrand::Rng::with_seed(seed);
    let mut body = vec![0; length];
    random.fill(&mut body);
    body
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // As many as may come at once: one that is turned away comes back a second later.
    socket.listen(16_384)
}

impl Origin {
    /// Answers each request on a connection of its own with `answer`.
    pub(crate) fn start<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self::on(listener, answer)
    }

    /// Takes the place of an origin that was killed.
    pub(crate) async fn restart<F>(
        address: SocketAddr,
        answer: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = async {
            loop {
                match listen(address) {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        Self::on(within("the port of the killed one", listener).await, answer)
    }

    fn on<F>(listener: TcpListener, answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let address = listener.local_addr().expect("it is bound");
        let counts = Arc::new(Counts {
            paths: Mutex::default(),
            total: watch::Sender::new(0),
        });
        let shared = Arc::clone(&counts);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            // In a set, so that they end with the task that owns it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counts) = (Arc::clone(&answer), Arc::clone(&shared));
                connections.spawn(async move {
                    let asked = counts.take(stream).await?;
                    answer(asked).await
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            counts,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far to this path.
    pub(crate) fn requests_to(&self, path: &str) -> usize {
        let paths = self.counts.paths.lock().expect("nobody panics");
        paths.get(path).copied().unwrap_or(0)
    }

    /// Requests so far, to be waited on.
    pub(crate) fn total(&self) -> watch::Receiver<usize> {
        self.counts.total.subscribe()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counts {
    async fn take(&self, mut stream: TcpStream) -> io::Result<Asked> {
        stream.set_nodelay(true)?;
        let mut head = Vec::with_capacity(1024);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let number = {
            let mut paths = self.paths.lock().expect("nobody panics");
            let count = paths.entry(path.clone()).or_default();
            *count += 1;
            *count
        };
        self.total.send_modify(|total| *total += 1);
        Ok(Asked {
            path,
            number,
            stream,
        })
    }
}
