//! A TCP proxy that fails as networks do, each fault switched on and off while it runs.
//!
//! Of the crates, `noxious` was last released in 2021 and cannot cut within a reply, and the
//! clients of toxiproxy need its server, a Go program.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// What is wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Each piece comes this much later, both ways.
    Delay(Duration),
    /// Connections are dropped, and new ones closed at once.
    Drop,
    /// What goes this way is lost, and neither end is told. Connections that lost something are
    /// closed with the end of the fault: no stream goes on behind a hole.
    HalfOpen(Way),
    /// The next reply breaks off in the middle, and its connection with it. Once.
    CutReply,
    /// Bytes per second, each way.
    Throttle(u64),
    /// Nothing goes through and nothing is refused. What was sent meanwhile arrives afterwards, as
    /// what TCP sends again.
    BlackHole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A proxy before one server. Dropping it closes all of its connections.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
    connections: AtomicUsize,
}

impl FaultProxy {
    /// A proxy before the server at this port of this machine, without a fault.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, port).into(),
            fault: watch::Sender::new(None),
            connections: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on this is wrong, or nothing is.
    pub(crate) fn set(&self, fault: Option<Fault>) {
        self.shared.fault.send_replace(fault);
    }

    /// Connections of clients that are open now.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // In a set, so that they end with the task that owns it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(client, Arc::clone(&shared)));
    }
}

/// Counts a connection while it is open.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Joins one client to the server until either closes, or the fault ends it.
async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let _counted = Counted::new(&shared.connections);
    let swallowed = AtomicBool::new(false);
    let joined = async {
        let mut faults = shared.fault.subscribe();
        // The server does not hear of a client that nothing gets through from.
        let clear = faults.wait_for(|fault| *fault != Some(Fault::BlackHole));
        clear.await.expect("the sender is ours");
        let Ok(server) = TcpStream::connect(shared.upstream).await else {
            return;
        };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        tokio::select! {
            () = pump(from_client, to_server, Way::Up, &shared, &swallowed) => {}
            () = pump(from_server, to_client, Way::Down, &shared, &swallowed) => {}
        }
    };
    tokio::select! {
        () = joined => {}
        () = fatal(&shared, &swallowed) => {}
    }
}

/// Completes when no connection may go on.
async fn fatal(shared: &Shared, swallowed: &AtomicBool) {
    let mut faults = shared.fault.subscribe();
    let fatal = |fault: &Option<Fault>| match fault {
        Some(Fault::Drop) => true,
        Some(Fault::HalfOpen(_)) => false,
        _ => swallowed.load(Ordering::SeqCst),
    };
    faults.wait_for(fatal).await.expect("the sender is ours");
}

/// Carries bytes one way until either end is closed.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    shared: &Shared,
    swallowed: &AtomicBool,
) {
    let mut faults = shared.fault.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let piece = &buffer[..read];
        // Behind a black hole there may be another fault already.
        let clear = faults.wait_for(|fault| *fault != Some(Fault::BlackHole));
        let fault = *clear.await.expect("the sender is ours");
        let written = match fault {
            Some(Fault::HalfOpen(lost)) if lost == way => {
                swallowed.store(true, Ordering::SeqCst);
                continue;
            }
            Some(Fault::CutReply) if way == Way::Down && shared.take_cut() => {
                let _ = to.write_all(&piece[..read / 2]).await;
                return;
            }
            Some(Fault::Delay(delay)) => {
                sleep(delay).await;
                to.write_all(piece).await
            }
            Some(Fault::Throttle(rate)) => drip(&mut to, piece, rate).await,
            _ => to.write_all(piece).await,
        };
        if written.is_err() {
            return;
        }
    }
}

impl Shared {
    /// True for one connection alone: the fault is over with it.
    fn take_cut(&self) -> bool {
        self.fault.send_if_modified(|fault| {
            let armed = *fault == Some(Fault::CutReply);
            if armed {
                *fault = None;
            }
            armed
        })
    }
}

/// Writes so many bytes per second, fifty times a second.
async fn drip(to: &mut OwnedWriteHalf, piece: &[u8], rate: u64) -> std::io::Result<()> {
    const TICKS: u64 = 50;
    let share = usize::try_from(rate / TICKS).unwrap_or(usize::MAX).max(1);
    for drop in piece.chunks(share) {
        let full = u32::try_from(drop.len()).unwrap_or(u32::MAX);
        sleep(Duration::from_secs(u64::from(full)) / u32::try_from(rate).unwrap_or(u32::MAX)).await;
        to.write_all(drop).await?;
    }
    Ok(())
}

impl Fault {
    /// True if nothing of the server reaches the client.
    pub(crate) const fn is_mute(self) -> bool {
        matches!(self, Self::Drop | Self::HalfOpen(_) | Self::BlackHole)
    }
}
