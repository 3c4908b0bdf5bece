//! A connection to the origin that is still listened to once it cannot be written to any more.
//!
//! An origin that refuses an upload in its middle answers and closes, without reading the rest. The
//! system then reports each further write as broken, while the answer lies there to be read; hyper
//! would take the broken write for the end, and the client would learn of a broken origin instead
//! of a refusal.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

/// The connection. Once a write broke, writes wait; a read then soon comes to the end, and with it
/// the connection.
#[derive(Debug)]
pub(crate) struct LastWords<T> {
    inner: T,
    broken: bool,
}

impl<T> LastWords<T> {
    /// Takes over a connection.
    pub(crate) fn new(inner: T) -> Self {
        let broken = false;
        Self { inner, broken }
    }

    /// # Wake-ups
    /// None is asked for when a write waits: nothing will make it ready. The reader is woken, by
    /// the answer or by the reset that broke the write.
    fn unless_broken<R>(
        &mut self,
        write: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>>
    where
        T: Unpin,
    {
        if self.broken {
            return Poll::Pending;
        }
        match write(Pin::new(&mut self.inner)) {
            Poll::Ready(Err(error)) if is_break(&error) => {
                self.broken = true;
                Poll::Pending
            }
            other => other,
        }
    }
}

fn is_break(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

impl<T: Read + Unpin> Read for LastWords<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for LastWords<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unless_broken(|inner| inner.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unless_broken(|inner| inner.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_broken(|inner| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: Connection> Connection for LastWords<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_test::{assert_pending, task};

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_the_break_is_still_heard() {
        let (near, mut far) = duplex(64);
        far.write_all(b"refused").await.expect("open");
        drop(far);
        let mut near = TokioIo::new(LastWords::new(TokioIo::new(near)));
        assert_pending!(task::spawn(near.write_all(b"more")).poll());
        assert_pending!(task::spawn(near.flush()).poll());
        let mut heard = String::new();
        let read = near.read_to_string(&mut heard).await;
        assert_eq!(read.expect("a clean end"), 7);
        assert_eq!(heard, "refused");
        near.shutdown().await.expect("a clean end");
    }
}
