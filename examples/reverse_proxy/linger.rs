//! A client's connection that is closed in such a way that our last words reach it.
//!
//! An answer in the middle of an upload ends the connection, with a part of the upload unread. The
//! system makes a reset of such a close, and a reset can overtake the answer or make the client
//! forget it. So what still comes is read and thrown away, for a while (RFC 9112 §9.6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Time for the client to take note and close its end.
const LINGER: Duration = Duration::from_secs(5);

/// The connection of a client.
#[derive(Debug)]
pub(crate) struct Lingering {
    /// Taken when it is dropped.
    stream: Option<TcpStream>,
    /// We have said our last.
    closing: bool,
    /// The client has.
    ended: bool,
}

impl Lingering {
    /// Takes over a connection.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream: Some(stream),
            closing: false,
            ended: false,
        }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        let stream = self.stream.as_mut();
        Pin::new(stream.expect("only a drop takes it"))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let linger = self.closing && !self.ended;
        let (Some(mut stream), true) = (self.stream.take(), linger) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(LINGER, async move {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(1..) = stream.read(&mut buffer).await {}
            }));
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.stream().poll_read(cx, buffer);
        if matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before {
            self.ended = true;
        }
        read
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closing = true;
        self.stream().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_is_still_sending_hears_the_last_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("a client");
        let mut server = Lingering::new(stream);
        client.write_all(&[0; 1024]).await.expect("it is open");
        server.write_all(b"enough").await.expect("it is open");
        server.shutdown().await.expect("it is open");
        drop(server);
        for _ in 0..64 {
            client.write_all(&[0; 64 << 10]).await.expect("it is read");
        }
        client.shutdown().await.expect("it is open");
        let mut heard = String::new();
        let read = client.read_to_string(&mut heard).await;
        read.expect("a clean end");
        assert_eq!(heard, "enough");
    }
}
