//! A way to Redis that can be cut, and that does to one exchange what a bad network does.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::redis_server::RedisServer;

/// What happens to the exchange whose request holds certain bytes. It happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The reply comes, and all after it, but only after this time.
    ReplyLate(Duration),
    /// The server gets the request twice: as if the first reply had been lost, and the request sent
    /// again. The second reply comes.
    SentTwice,
}

/// A relay before one server. Ends with this value.
pub(crate) struct Relay {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    server: u16,
    open: watch::Sender<bool>,
    trouble: Mutex<Option<(Vec<u8>, Trouble)>>,
    deaf: Mutex<Option<Vec<u8>>>,
    happened: AtomicUsize,
}

impl Relay {
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State {
            server: server.port(),
            open: watch::channel(true).0,
            trouble: Mutex::default(),
            deaf: Mutex::default(),
            happened: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { port, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and lets none be made.
    pub(crate) fn cut(&self) {
        self.state.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.state.open.send_replace(true);
    }

    /// The next request that holds these bytes meets with this.
    pub(crate) fn trouble(&self, request: &str, trouble: Trouble) {
        *lock(&self.state.trouble) = Some((request.as_bytes().to_vec(), trouble));
    }

    /// From now on no event is passed on whose text begins so.
    pub(crate) fn lose_events(&self, begin: &str) {
        *lock(&self.state.deaf) = Some(begin.as_bytes().to_vec());
    }

    /// How often something was done to an exchange, or an event lost.
    pub(crate) fn happened(&self) -> usize {
        self.state.happened.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl State {
    fn count(&self) {
        self.happened.fetch_add(1, Ordering::SeqCst);
    }

    /// What this request meets with, if it is the one.
    fn meets(&self, request: &[u8]) -> Option<Trouble> {
        let mut trouble = lock(&self.trouble);
        let met = trouble
            .as_ref()
            .filter(|(bytes, _)| find(request, bytes).is_some());
        let met = met.map(|(_, trouble)| *trouble);
        if met.is_some() {
            *trouble = None;
            self.count();
        }
        met
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let mut open = state.open.subscribe();
            if !*open.borrow_and_update() {
                return;
            }
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.server)).await else {
                return;
            };
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let (tell, told) = mpsc::unbounded_channel();
            // Whichever ends first takes the other with it.
            tokio::select! {
                () = requests(from_client, to_server, &state, tell) => {}
                () = replies(from_server, to_client, &state, told) => {}
                _ = open.wait_for(|open| !open) => {}
            }
        });
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    tell: mpsc::UnboundedSender<Trouble>,
) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let request = &buffer[..count];
        let met = state.meets(request);
        if let Some(trouble) = met {
            // Known before the reply can be there.
            let _ = tell.send(trouble);
        }
        let times = if met == Some(Trouble::SentTwice) {
            2
        } else {
            1
        };
        for _ in 0..times {
            if to.write_all(request).await.is_err() {
                return;
            }
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    mut told: mpsc::UnboundedReceiver<Trouble>,
) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut said = buffer[..count].to_vec();
        match told.try_recv() {
            Ok(Trouble::ReplyLate(late)) => sleep(late).await,
            Ok(Trouble::SentTwice) => loop {
                let first = reply(&said, 0);
                if let Some((start, end)) = first
                    && reply(&said, end).is_some()
                {
                    said.drain(start..end);
                    break;
                }
                match from.read(&mut buffer).await {
                    Ok(count @ 1..) => said.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            },
            Err(_) => {}
        }
        if let Some(begin) = lock(&state.deaf).clone() {
            while let Some((start, end)) = event(&said, &begin) {
                said.drain(start..end);
                state.count();
            }
        }
        if to.write_all(&said).await.is_err() {
            return;
        }
    }
}

/// Where the first whole reply from `at` on stands: what is pushed is none.
fn reply(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        let end = frame(bytes, at)?;
        if bytes[at] != b'>' {
            return Some((at, end));
        }
        at = end;
    }
}

/// Where a pushed message stands whose text begins so.
fn event(bytes: &[u8], begin: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(end) = frame(bytes, at) {
        let text = [b"\r\n", begin].concat();
        if bytes[at] == b'>' && find(&bytes[at..end], &text).is_some() {
            return Some((at, end));
        }
        at = end;
    }
    None
}

/// Where the frame ends that starts at `at`, if all of it is here.
fn frame(bytes: &[u8], at: usize) -> Option<usize> {
    let line = at + find(bytes.get(at..)?, b"\r\n")?;
    let mut end = line + 2;
    let length = std::str::from_utf8(&bytes[at + 1..line])
        .ok()?
        .parse::<i64>();
    let length = length.ok().and_then(|length| usize::try_from(length).ok());
    match bytes[at] {
        b'$' => end += length.map_or(0, |length| length + 2),
        b'*' | b'>' => {
            for _ in 0..length.unwrap_or(0) {
                end = frame(bytes, end)?;
            }
        }
        _ => {}
    }
    (end <= bytes.len()).then_some(end)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
