//! That each fault does what its name says, and no more.

use std::io::ErrorKind;

use tokio::time::{Instant, timeout};

use super::*;
use crate::support::{until, within};

/// Long against loopback, short against the tests' patience.
const A_WHILE: Duration = Duration::from_millis(120);

/// An echo that greets with one byte and counts what it hears.
struct Echo {
    port: u16,
    heard: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                all.spawn(async move {
                    let _ = stream.write_all(b"!").await;
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(read, Ordering::SeqCst);
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, heard, task }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn stage() -> (Echo, FaultProxy) {
    let echo = Echo::start().await;
    let proxy = FaultProxy::before(echo.port).await;
    (echo, proxy)
}

async fn dial(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))
        .await
        .unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection that was greeted.
async fn greeted(proxy: &FaultProxy) -> TcpStream {
    let mut stream = dial(proxy).await;
    assert_eq!(read(&mut stream, 1).await, b"!");
    stream
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    let read = within("a reply", stream.read_exact(&mut buffer)).await;
    read.expect("the stream goes on");
    buffer
}

/// Sends `text` and waits for it to come back.
async fn trip(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let begun = Instant::now();
    stream.write_all(text).await.unwrap();
    assert_eq!(read(stream, text.len()).await, text);
    begun.elapsed()
}

/// What came before the end of the stream.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match within("the end", stream.read_to_end(&mut bytes)).await {
        Ok(_) => bytes,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("{error}"),
    }
}

/// True if nothing comes, and the stream stays open.
async fn is_mute(stream: &mut TcpStream) -> bool {
    timeout(A_WHILE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn without_a_fault_all_bytes_go_through_and_the_end_is_passed_on() {
    let (_echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    let long = b"0123456789".repeat(20_000);
    let (mut reader, mut writer) = stream.split();
    let mut back = vec![0; long.len()];
    let (written, read) = tokio::join!(writer.write_all(&long), reader.read_exact(&mut back));
    written.unwrap();
    read.unwrap();
    assert!(back == long);
    assert_eq!(proxy.connections(), 1);
    drop(stream);
    until("the connection is closed", || proxy.connections() == 0).await;
}

#[tokio::test]
async fn a_delay_delays_both_ways_and_no_longer_than_it_lasts() {
    let (_echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::Delay(A_WHILE)));
    assert!(trip(&mut stream, b"late").await >= 2 * A_WHILE);
    proxy.set(None);
    let trips = [trip(&mut stream, b"a").await, trip(&mut stream, b"b").await];
    assert!(trips.into_iter().min().unwrap() < A_WHILE, "{trips:?}");
}

#[tokio::test]
async fn dropped_connections_end_and_new_ones_do_too() {
    let (echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::Drop));
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(rest(&mut dial(&proxy).await).await, b"");
    assert_eq!(echo.heard.load(Ordering::SeqCst), 0);
    proxy.set(None);
    trip(&mut greeted(&proxy).await, b"again").await;
}

#[tokio::test]
async fn half_open_upwards_the_server_hears_nothing_and_can_still_speak() {
    let (echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::HalfOpen(Way::Up)));
    stream.write_all(b"lost").await.unwrap();
    assert!(is_mute(&mut stream).await);
    assert_eq!(echo.heard.load(Ordering::SeqCst), 0);
    // The greeting goes the other way.
    let mut other = greeted(&proxy).await;
    proxy.set(None);
    assert_eq!(rest(&mut stream).await, b"", "there is a hole in it");
    trip(&mut other, b"nothing of it was lost").await;
}

#[tokio::test]
async fn half_open_downwards_the_server_hears_and_nobody_hears_it() {
    let (echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::HalfOpen(Way::Down)));
    stream.write_all(b"heard").await.unwrap();
    until("the server has heard", || {
        echo.heard.load(Ordering::SeqCst) == 5
    })
    .await;
    assert!(is_mute(&mut stream).await);
    proxy.set(None);
    assert_eq!(rest(&mut stream).await, b"");
}

#[tokio::test]
async fn a_cut_comes_in_the_middle_of_one_reply() {
    let (echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::CutReply));
    stream.write_all(b"01234567").await.unwrap();
    assert_eq!(rest(&mut stream).await, b"0123");
    assert_eq!(echo.heard.load(Ordering::SeqCst), 8, "the request came");
    // Once.
    trip(&mut greeted(&proxy).await, b"whole").await;
}

#[tokio::test]
async fn a_throttle_lets_so_many_bytes_through_in_a_second() {
    let (_echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::Throttle(20_000)));
    // 2,000 bytes are a tenth of a second, each way; each way begins before the other has ended.
    let took = trip(&mut stream, &[b'x'; 2_000]).await;
    assert!(took >= Duration::from_millis(100), "{took:?}");
    proxy.set(None);
    let free = trip(&mut stream, &[b'x'; 2_000]).await;
    assert!(free < took / 2, "{free:?} against {took:?}");
}

#[tokio::test]
async fn a_black_hole_is_mute_and_gives_back_what_it_took() {
    let (echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    proxy.set(Some(Fault::BlackHole));
    stream.write_all(b"into ").await.unwrap();
    let mut new = dial(&proxy).await;
    assert!(is_mute(&mut stream).await && is_mute(&mut new).await);
    stream.write_all(b"it").await.unwrap();
    assert_eq!(echo.heard.load(Ordering::SeqCst), 0);
    proxy.set(None);
    assert_eq!(read(&mut stream, 7).await, b"into it");
    assert_eq!(read(&mut new, 1).await, b"!");
}

#[tokio::test]
async fn its_end_closes_everything() {
    let (_echo, proxy) = stage().await;
    let mut stream = greeted(&proxy).await;
    drop(proxy);
    assert_eq!(rest(&mut stream).await, b"");
}
