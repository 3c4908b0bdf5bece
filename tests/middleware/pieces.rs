//! A body that comes as its reply says: at once or in pieces, whole or cut short.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::support::{Down, Reply};

pub(crate) struct Pieces {
    rest: Bytes,
    /// Bytes that it has not sent yet, of those that it will not send too.
    announced: Option<u64>,
    size: usize,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    breaks: bool,
    _under_way: Arc<()>,
}

impl Pieces {
    pub(crate) fn of(reply: &Reply, under_way: Arc<()>) -> Self {
        let whole = Bytes::from(reply.body.clone());
        let (size, pause) = reply.pieces.unwrap_or((whole.len(), Duration::ZERO));
        let (until, breaks) = reply.cut_short.unwrap_or((whole.len(), false));
        Self {
            announced: (!reply.unannounced).then_some(whole.len() as u64),
            rest: whole.slice(..until),
            size,
            pause,
            pausing: None,
            breaks,
            _under_way: under_way,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Down;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Down>>> {
        if !self.pause.is_zero() {
            let pause = self.pause;
            let pausing = self.pausing.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(pausing.as_mut().poll(cx));
            self.pausing = None;
        }
        if self.rest.is_empty() {
            let error = std::mem::take(&mut self.breaks).then_some(Err(Down));
            return Poll::Ready(error);
        }
        let size = self.size.min(self.rest.len());
        if let Some(announced) = &mut self.announced {
            *announced -= size as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
