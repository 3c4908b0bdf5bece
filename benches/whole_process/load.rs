//! A closed-loop load on keep-alive connections, as light as it can be.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

/// How many requests `connections` clients get answered until then, one at a time each.
pub(crate) fn run(address: &str, connections: usize, end: End) -> u64 {
    let length = body_length(address);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let clients =
            (0..connections).map(|_| tokio::spawn(client(address.to_owned(), length, end)));
        let clients: Vec<_> = clients.collect();
        let mut total = 0;
        for client in clients {
            total += client.await.expect("a client does not panic");
        }
        total
    })
}

async fn client(address: String, length: usize, end: End) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(&address)
        .await
        .expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let request = request(&address);
    let mut buffer = vec![0; 256 * 1024];
    let mut answered = 0;
    let begun = tokio::time::Instant::now();
    while match end {
        End::After(time) => begun.elapsed() < time,
        End::Count(count) => answered < count,
    } {
        stream.write_all(&request).await.expect("it is there");
        let mut read = stream.read(&mut buffer).await.expect("it answers");
        let mut left = length + head_length(&buffer[..read]);
        loop {
            assert!(read > 0 && read <= left, "it answers as before");
            left -= read;
            if left == 0 {
                break;
            }
            read = stream.read(&mut buffer).await.expect("it answers");
        }
        answered += 1;
    }
    answered
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
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut length = 0;
    // The first fetches; the second is a hit.
    for _ in 0..2 {
        stream.write_all(&request(address)).expect("it is there");
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .expect("a socket");
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
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
