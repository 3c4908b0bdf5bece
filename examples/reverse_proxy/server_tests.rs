use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

use super::*;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A client of a server whose answers take that long. Time stands still while nobody waits
/// for it alone.
fn client(latency: Duration, stopping: watch::Receiver<()>) -> DuplexStream {
    let (client, server) = duplex(4096);
    answer(server, latency, Bytes::from_static(b"page"), stopping);
    client
}

fn answer(server: DuplexStream, latency: Duration, page: Bytes, stopping: watch::Receiver<()>) {
    let asked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        // As one whose body is still under way: only then does hyper send a PING.
        tokio::spawn(async move {
            sleep(IDLE * 20).await;
            drop(request);
        });
        flag.store(true, Ordering::Relaxed);
        let page = page.clone();
        async move {
            sleep(latency).await;
            Ok::<_, Infallible>(Response::new(Full::new(page)))
        }
    });
    let connection = builder()
        .serve_connection_with_upgrades(TokioIo::new(server), service)
        .into_owned();
    tokio::spawn(async move { attend(connection, &asked, stopping).await.is_ok() });
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

/// With HTTP/2: what a PING asks for comes after all that is under way to the client.
#[tokio::test(start_paused = true)]
async fn a_slow_client_is_not_taken_for_a_dead_one() {
    const SOCKETS: usize = 8 << 20;
    const SIZE: u32 = 2 * SOCKETS as u32;
    let (_stopping, receiver) = watch::channel(());
    let (near, far) = duplex(16 << 10);
    let (sockets, server) = duplex(SOCKETS);
    let page = vec![0; SIZE as usize].into();
    answer(server, Duration::ZERO, page, receiver);
    let ((mut from_near, mut to_near), (mut from_server, mut to_server)) =
        (split(far), split(sockets));
    tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_server).await });
    tokio::spawn(async move {
        let mut second = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut second).await {
            to_near.write_all(&second[..count]).await.expect("open");
            sleep(Duration::from_secs(1)).await;
        }
    });
    let shaken = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(SIZE)
        .initial_connection_window_size(SIZE)
        .handshake(TokioIo::new(near));
    let (mut client, connection) = shaken.await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let begun = Instant::now();
    let request = Request::get("http://a/").body(Empty::<Bytes>::new());
    let response = client.send_request(request.expect("a valid request")).await;
    let body = response.expect("an answer").into_body().collect().await;
    assert_eq!(body.expect("a whole one").to_bytes().len(), SIZE as usize);
    assert!(begun.elapsed() > PING * 4);
}
