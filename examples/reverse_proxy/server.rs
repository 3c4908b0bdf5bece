//! Accepts connections until told to stop, then lets them finish.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::front::Front;

/// Time for running requests to end once no new ones are taken.
const DRAIN: Duration = Duration::from_secs(30);
/// Time to wait when the process is out of file handles and the like.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the address; `flag` is the setting to name if it cannot be had.
pub(crate) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::start(format!("{flag}: cannot listen on {address}: {error}")))
}

/// Serves until `stop` completes, then drains. `front` makes the service of a connection from the
/// addresses of the client and of our end.
pub(crate) async fn serve(
    listener: TcpListener,
    front: impl Fn(SocketAddr, SocketAddr) -> Front,
    stop: impl Future<Output = ()>,
) {
    let server = auto::Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
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
                let connection = server
                    .serve_connection_with_upgrades(TokioIo::new(stream), front(client, local))
                    .into_owned();
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
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
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(after = ?DRAIN, "stopped with requests still running");
    }
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
