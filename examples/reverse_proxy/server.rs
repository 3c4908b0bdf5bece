//! Accepts connections until told to stop, then lets them finish.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;
use crate::front::Front;

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
                    .serve_connection_with_upgrades(TokioIo::new(stream), front)
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
    http2.timer(TokioTimer::new()).keep_alive_interval(PING);
    server
}

/// Serves a connection to its end, and ends it if the client is silent or too slow with a head.
/// `asked` is set by each request that begins.
///
/// # Why not hyper's `header_read_timeout`
/// It boxes a timer for each request, and does not begin before the first bytes of a connection
/// have shown its version. This timer is one per connection and looks only at whether there was a
/// request since it last fired.
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
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            _ = &mut stop, if !stopped => {
                stopped = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut look => {
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
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// A client of a server whose answers take that long. Time stands still while nobody waits
    /// for it alone.
    fn client(latency: Duration, stopping: watch::Receiver<()>) -> DuplexStream {
        let (client, server) = duplex(4096);
        let asked = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&asked);
        let service = service_fn(move |_: Request<Incoming>| {
            flag.store(true, Ordering::Relaxed);
            async move {
                sleep(latency).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"page"))))
            }
        });
        let connection = builder()
            .serve_connection_with_upgrades(TokioIo::new(server), service)
            .into_owned();
        tokio::spawn(async move { attend(connection, &asked, stopping).await.is_ok() });
        client
    }

    /// What comes until the server closes, and how long that takes.
    async fn rest(client: &mut DuplexStream) -> (String, Duration) {
        let begun = Instant::now();
        let mut text = String::new();
        let read = timeout(Duration::from_secs(3600), client.read_to_string(&mut text));
        read.await.expect("it closes").expect("it is text");
        (text, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_get_round_to_asking_is_cut_off() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for sent in [&b""[..], b"P", b"GET / HTTP/1.1\r\nhost:", preface] {
            let (_stopping, receiver) = watch::channel(());
            let mut client = client(Duration::ZERO, receiver);
            client.write_all(sent).await.unwrap();
            let begun = Instant::now();
            let mut bytes = Vec::new();
            let read = timeout(Duration::from_secs(3600), client.read_to_end(&mut bytes));
            read.await.expect("it closes").unwrap();
            let took = begun.elapsed();
            assert!(took >= HEAD && took < HEAD * 2, "{sent:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_does_not_keep_a_connection() {
        let (_stopping, receiver) = watch::channel(());
        let mut client = client(Duration::ZERO, receiver);
        let begun = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(5)).await;
            assert!(begun.elapsed() < HEAD * 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_and_a_slow_second_head_end_too() {
        for second in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
            let (_stopping, receiver) = watch::channel(());
            let mut client = client(Duration::ZERO, receiver);
            client.write_all(ASK).await.unwrap();
            client.write_all(second).await.unwrap();
            let (text, took) = rest(&mut client).await;
            assert!(text.ends_with("page"), "{text}");
            assert!(took >= IDLE && took <= IDLE * 2, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_and_a_long_answer_live_on() {
        let (_stopping, receiver) = watch::channel(());
        let mut client = client(Duration::from_secs(10), receiver);
        for _ in 0..20 {
            client.write_all(ASK).await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"page") {
                bytes.push(client.read_u8().await.expect("it is kept open"));
            }
            sleep(Duration::from_secs(50)).await;
        }

        let (_stopping, receiver) = watch::channel(());
        let mut client = self::client(IDLE * 10, receiver);
        client.write_all(ASK).await.unwrap();
        assert!(rest(&mut client).await.0.ends_with("page"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_answer_and_no_longer() {
        let (stopping, receiver) = watch::channel(());
        let latency = Duration::from_secs(5);
        let mut client = client(latency, receiver);
        client.write_all(ASK).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        stopping.send(()).unwrap();
        stopping.closed().await;
        assert!(begun.elapsed() < latency);
        assert!(rest(&mut client).await.0.ends_with("page"));
    }
}
