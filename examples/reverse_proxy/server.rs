//! Accepts connections until told to stop, then lets them finish.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tower::Service;

use crate::Failure;
use crate::front::Front;
use crate::linger::Lingering;
use crate::origin::OriginError;
use crate::rarely::Rarely;

/// Time for running requests to end once no new ones are taken.
const DRAIN: Duration = Duration::from_secs(30);
/// Time to wait when the process is out of file handles and the like.
const PAUSE: Duration = Duration::from_millis(50);
/// Time for a client to send the head of its first request.
const HEAD: Duration = Duration::from_secs(30);
/// A connection on which no request began for this long is closed, at the latest after twice this
/// long. More than the 60 s after which many load balancers let go of one: theirs is the first
/// word, or they would send a request into a connection that we are just closing.
const IDLE: Duration = Duration::from_secs(75);
/// How often a client with HTTP/2 has to show that it is still there.
const PING: Duration = Duration::from_secs(30);
/// Time for it to do so. Its answer comes after all that is under way to it, and of that sockets
/// hold megabytes: a slow client is not a dead one.
const PONG: Duration = Duration::from_secs(300);
/// What may come of an upload over HTTP/2 before the origin takes it. A connection may have several
/// times as much under way, or one upload that the origin does not take would stop all others.
const STREAM: u32 = 1 << 20;
/// What may wait on our side for a client to take it, of each response over HTTP/2. hyper's own 400
/// KiB, ten thousand times, would be memory that no setting bounds.
const SEND: usize = 64 << 10;

/// Takes the address; `flag` is the setting to name if it cannot be had.
pub(crate) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::start(format!("{flag}: cannot listen on {address}: {error}")))
}

/// Serves until `stop` completes, then drains. `front` makes the service of a connection from the
/// addresses of the client and of our end.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    front: impl Fn(SocketAddr, SocketAddr) -> Front<S>,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = OriginError>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let server = builder();
    let (stopping, _) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted
            .and_then(|(stream, client)| open(&stream).map(|local| (stream, client, local)))
        {
            Ok((stream, client, local)) => {
                let front = front(client, local);
                let asked = front.asked();
                let connection = server
                    .serve_connection_with_upgrades(TokioIo::new(Lingering::new(stream)), front)
                    .into_owned();
                let stopping = stopping.subscribe();
                tokio::spawn(async move {
                    if let Err(error) = attend(connection, &asked, stopping).await {
                        tracing::debug!(error, %client, "a connection broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!("stopping: no new connections, running requests may end");
    let _ = stopping.send(());
    if timeout(DRAIN, stopping.closed()).await.is_err() {
        tracing::warn!(after = ?DRAIN, "stopped with requests still running");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // See `attend`. Without a timer hyper would leave this out in any case, and say nothing.
    server.http1().header_read_timeout(None);
    let mut http2 = server.http2();
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .initial_stream_window_size(STREAM)
        .initial_connection_window_size(4 * STREAM)
        .max_send_buf_size(SEND);
    // WebSocket: RFC 8441.
    http2.enable_connect_protocol();
    server
}

/// Serves a connection to its end, and ends it if the client is silent or too slow with a head.
/// `asked` is set by each request that begins.
///
/// # Why not hyper's `header_read_timeout`
/// It boxes a timer for each request, and does not begin before the first bytes of a connection
/// have shown its version. This timer is one per connection and looks only at whether there was a
/// request since it last fired; a request does not even [poll](Rarely) it.
///
/// A connection without any is dropped. One that was of use before is closed as in a shutdown:
/// what is still being answered is answered, and a head that came only in part is not waited for.
async fn attend<C: GracefulConnection>(
    connection: C,
    asked: &AtomicBool,
    mut stopping: watch::Receiver<()>,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    // Borrowed, so that the receiver is there for as long as the connection: the drain counts it.
    let mut stop = pin!(stopping.changed());
    let mut look = pin!(sleep(HEAD));
    let (mut stopped, mut of_use) = (false, false);
    loop {
        let mut word = pin!(Rarely::new(async {
            tokio::select! {
                biased;
                _ = &mut stop, if !stopped => Word::Stop,
                () = &mut look => Word::Look,
            }
        }));
        // By hand: this is polled for each request.
        let next = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ControlFlow::Break(ended)),
            Poll::Pending => word.as_mut().poll(cx).map(ControlFlow::Continue),
        });
        match next.await {
            ControlFlow::Break(ended) => return ended,
            ControlFlow::Continue(Word::Stop) => {
                stopped = true;
                connection.as_mut().graceful_shutdown();
            }
            ControlFlow::Continue(Word::Look) => {
                let asked = asked.swap(false, Ordering::Relaxed);
                of_use |= asked;
                if !of_use {
                    tracing::debug!("a connection without a request was closed");
                    return Ok(());
                }
                if !asked {
                    connection.as_mut().graceful_shutdown();
                }
                look.as_mut().reset(Instant::now() + IDLE);
            }
        }
    }
}

/// What becomes of a connection beside being served.
enum Word {
    /// The server stops.
    Stop,
    /// It is time to see whether the connection is of use.
    Look,
}

/// Readies an accepted connection; returns the address at which the client found us.
fn open(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    stream.local_addr()
}

/// Completes on SIGTERM or SIGINT.
#[cfg(unix)]
pub(crate) async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn stop_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
