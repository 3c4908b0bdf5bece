//! Two upgraded connections joined: WebSocket and its kin, once both sides have switched.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

/// Once one side has ended, the other may go on for as long as it says something this often.
const LINGER: Duration = Duration::from_secs(5);

/// Copies both ways until either side ends. In its own task: the request is over by then.
pub(crate) fn spawn(client: OnUpgrade, origin: OnUpgrade) {
    tokio::spawn(async move {
        let (client, origin) = match tokio::try_join!(client, origin) {
            Ok(sides) => sides,
            Err(error) => return tracing::debug!(%error, "an upgrade was not completed"),
        };
        join(TokioIo::new(client), TokioIo::new(origin)).await;
    });
}

/// The end of one side is passed on at once. Protocols exist that then still finish what they are
/// saying; a side that is silent instead has not noticed, and would keep its connection for ever.
async fn join(
    client: impl AsyncRead + AsyncWrite + Send + Unpin,
    origin: impl AsyncRead + AsyncWrite + Send + Unpin,
) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_origin, mut to_origin) = split(origin);
    let moved = AtomicU64::new(0);
    let mut up = pin!(copy(&mut from_client, &mut to_origin, &moved));
    let mut down = pin!(copy(&mut from_origin, &mut to_client, &moved));
    let (ended, mut rest): (_, Pin<&mut (dyn Future<Output = _> + Send)>) = tokio::select! {
        ended = &mut up => (ended, down),
        ended = &mut down => (ended, up),
    };
    // An error is one side leaving without a word, which is how many tunnels end.
    if ended.is_err() {
        return;
    }
    loop {
        let before = moved.load(Ordering::Relaxed);
        let over = timeout(LINGER, &mut rest).await.is_ok();
        if over || moved.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};

    use super::*;

    fn tunnel() -> (DuplexStream, DuplexStream, JoinHandle<()>) {
        let ((client, near), (far, origin)) = (duplex(1024), duplex(1024));
        (client, origin, tokio::spawn(join(near, far)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_side_ends_with_the_other() {
        for client_first in [true, false] {
            let (client, origin, tunnel) = tunnel();
            let (leaving, mut left) = if client_first {
                (client, origin)
            } else {
                (origin, client)
            };
            let begun = Instant::now();
            drop(leaving);
            // It hears of the end at once, and does nothing about it.
            let end = left.read(&mut [0; 1]).await;
            assert_eq!(end.expect("a clean end"), 0);
            assert!(begun.elapsed() < LINGER / 2);
            tunnel.await.expect("no panic");
            assert!(begun.elapsed() <= LINGER);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_being_said_is_said_to_the_end() {
        let (mut client, mut origin, tunnel) = tunnel();
        client.shutdown().await.expect("open");
        let mut heard = Vec::new();
        let listening = client.read_to_end(&mut heard);
        let saying = async move {
            for _ in 0..10 {
                sleep(LINGER * 3 / 4).await;
                origin.write_all(b"word ").await.expect("open");
            }
        };
        let (listened, ()) = tokio::join!(listening, saying);
        assert_eq!(listened.expect("a clean end"), 50);
        tunnel.await.expect("no panic");
    }
}
