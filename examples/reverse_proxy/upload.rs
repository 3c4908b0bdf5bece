//! The body of a request on its way to the origin.
//!
//! It is handed on piece by piece, as fast as the origin takes it and whatever its size; nothing
//! of it is kept. Two things are added: it may wait for the origin's `100 Continue`, and it tells
//! when it last moved, so that a long upload is not taken for a slow origin.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// Time for the origin to say `100 Continue`. Many never do, so the body is then sent all the same
/// (RFC 9110 §10.1.1).
const CONTINUE: Duration = Duration::from_secs(1);

/// A body on its way.
pub(crate) struct Upload {
    body: Incoming,
    /// Until this is over nothing of the body is asked for.
    hold: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pace: Pace,
}

impl Upload {
    /// Makes the body of a request one that waits where it should, and tells how it gets on.
    ///
    /// A client that expects `100 Continue` gets it from our server as soon as its body is asked
    /// for. That is not done before the origin itself has said so: an origin that refuses by the
    /// head alone then spares the client the upload.
    pub(crate) fn of(mut request: Request<Incoming>) -> (Request<Self>, Pace) {
        if request.body().is_end_stream() {
            let pace = Pace::default();
            let request = request.map(|body| Self::new(body, None, &pace));
            return (request, pace);
        }
        if request.body().size_hint().exact().is_none() {
            // hyper takes it for granted that a GET or HEAD has no body, unless it is told so.
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        let pace = Pace(Some(Arc::new(Mutex::new(Instant::now()))));
        let expects = request
            .headers()
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if !expects {
            let request = request.map(|body| Self::new(body, None, &pace));
            return (request, pace);
        }
        let told = Arc::new(Notify::new());
        let go_on = Arc::clone(&told);
        let hold = Box::pin(async move {
            let _ = timeout(CONTINUE, told.notified()).await;
        });
        let mut request = request.map(|body| Self::new(body, Some(hold), &pace));
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                go_on.notify_one();
            }
        });
        (request, pace)
    }

    fn new(
        body: Incoming,
        hold: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        pace: &Pace,
    ) -> Self {
        let pace = pace.clone();
        Self { body, hold, pace }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(hold) = &mut self.hold {
            ready!(hold.as_mut().poll(cx));
            self.hold = None;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.pace.moved();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// When a body last moved. Nothing to tell of a request without one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Option<Arc<Mutex<Instant>>>);

impl Pace {
    /// Awaits `answer` for as long as no more than `patience` goes by without a piece of the body:
    /// an answer may well come only after all of a long upload.
    pub(crate) async fn within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        let mut deadline = Instant::now() + patience;
        loop {
            tokio::select! {
                biased;
                answer = answer.as_mut() => return Some(answer),
                () = sleep_until(deadline) => {}
            }
            let moved = self.last().map_or(deadline, |last| last + patience);
            if moved <= deadline {
                return None;
            }
            deadline = moved;
        }
    }

    fn moved(&self) {
        if let Some(last) = &self.0 {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    fn last(&self) -> Option<Instant> {
        let last = self.0.as_ref()?;
        Some(*last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn answered_after(secs: u64) {
        sleep(Duration::from_secs(secs)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_come_after_a_long_upload() {
        let pace = Pace(Some(Arc::new(Mutex::new(Instant::now()))));
        let upload = pace.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                sleep(Duration::from_secs(50)).await;
                upload.moved();
            }
        });
        let answer = pace.within(PATIENCE, answered_after(550));
        assert_eq!(answer.await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stands_still_is_not_waited_for() {
        let pace = Pace(Some(Arc::new(Mutex::new(Instant::now()))));
        let upload = pace.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(50)).await;
            upload.moved();
        });
        let begun = Instant::now();
        assert_eq!(pace.within(PATIENCE, answered_after(999)).await, None);
        assert_eq!(begun.elapsed().as_secs(), 110);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_body_the_time_is_fixed() {
        let begun = Instant::now();
        let pace = Pace::default();
        assert_eq!(pace.within(PATIENCE, answered_after(999)).await, None);
        assert_eq!(begun.elapsed().as_secs(), 60);
        assert_eq!(pace.within(PATIENCE, answered_after(59)).await, Some(()));
    }
}
