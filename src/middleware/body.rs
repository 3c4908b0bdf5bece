//! The body of a response, wherever it comes from.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::entry::StoredBody;
use crate::flight::{Item, Reader};
use crate::middleware::window::Window;

/// The body of a response: the inner service's own, a stored one, or one that is being fetched.
///
/// A body that breaks off at the origin ends in an error here, never cleanly.
#[derive(Debug)]
#[pin_project]
pub struct ResponseBody<B> {
    #[pin]
    kind: Kind<B>,
}

#[derive(Debug)]
#[pin_project(project = KindProjection)]
enum Kind<B> {
    /// Passed on as it comes.
    Inner(#[pin] B),
    /// A part of what would be passed on.
    InnerPart(#[pin] B, Window),
    /// Stored; `None` once it is sent.
    Stored(Option<Bytes>),
    /// Put together, frame by frame; none is empty.
    Frames(vec::IntoIter<Bytes>),
    /// Read along while it is copied; with the bytes still to come, if they were announced.
    Log(Reader, Option<u64>),
    /// A part of that. `None` once it is sent: the rest is of no interest, nor how it ends.
    LogPart(Option<Reader>, Window),
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner(body),
        }
    }

    /// All of it: shared, not copied.
    pub(crate) fn stored(body: &StoredBody) -> Self {
        match body.pieces() {
            [] => Self::empty(),
            [piece] => Self::whole(piece.clone()),
            several => Self::frames(several.to_vec()),
        }
    }

    pub(crate) fn whole(body: Bytes) -> Self {
        Self {
            kind: Kind::Stored((!body.is_empty()).then_some(body)),
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Stored(None),
        }
    }

    pub(crate) fn log(reader: Reader, length: Option<u64>) -> Self {
        Self {
            kind: Kind::Log(reader, length),
        }
    }

    pub(crate) fn log_part(reader: Reader, window: Window) -> Self {
        Self {
            kind: Kind::LogPart(Some(reader), window),
        }
    }

    pub(crate) fn frames(frames: Vec<Bytes>) -> Self {
        Self {
            kind: Kind::Frames(frames.into_iter()),
        }
    }

    /// A part of the inner service's body. Any other stays as it is.
    pub(crate) fn part(self, window: Window) -> Self {
        let kind = match self.kind {
            Kind::Inner(body) => Kind::InnerPart(body, window),
            other => other,
        };
        Self { kind }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(match self.project().kind.project() {
            KindProjection::Inner(body) => {
                ready!(body.poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
            KindProjection::InnerPart(body, window) => ready!(poll_inner_part(body, window, cx)),
            KindProjection::Stored(body) => body.take().map(|bytes| Ok(Frame::data(bytes))),
            KindProjection::Frames(frames) => frames.next().map(|bytes| Ok(Frame::data(bytes))),
            KindProjection::Log(reader, left) => match ready!(reader.poll_next(cx)) {
                Some(Ok(Item::Data(bytes))) => {
                    if let Some(left) = left {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    Some(Ok(Frame::data(bytes)))
                }
                Some(Ok(Item::Trailers(trailers))) => Some(Ok(Frame::trailers(trailers))),
                Some(Err(_)) => Some(Err(Box::new(BodyError))),
                None => None,
            },
            KindProjection::LogPart(reader, window) => ready!(poll_log_part(reader, window, cx)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::InnerPart(_, window) | Kind::LogPart(_, window) => window.left() == 0,
            Kind::Stored(body) => body.is_none(),
            Kind::Frames(frames) => frames.len() == 0,
            Kind::Log(reader, _) => reader.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner(body) => body.size_hint(),
            Kind::Stored(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Kind::InnerPart(_, window) | Kind::LogPart(_, window) => {
                SizeHint::with_exact(window.left())
            }
            Kind::Frames(frames) => SizeHint::with_exact(
                frames
                    .as_slice()
                    .iter()
                    .map(|frame| frame.len() as u64)
                    .sum(),
            ),
            Kind::Log(_, Some(left)) => SizeHint::with_exact(*left),
            Kind::Log(_, None) => SizeHint::default(),
        }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Box<dyn StdError + Send + Sync>>>>;

fn poll_inner_part<B>(mut body: Pin<&mut B>, window: &mut Window, cx: &mut Context<'_>) -> Polled
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    while window.left() > 0 {
        let error = match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.data_ref().and_then(|data| window.through(data)) {
                Some(part) => return Poll::Ready(Some(Ok(Frame::data(part)))),
                None => continue,
            },
            Some(Err(error)) => error.into(),
            // However cleanly: it is not the end of the part.
            None => Box::new(BodyError),
        };
        window.close();
        return Poll::Ready(Some(Err(error)));
    }
    Poll::Ready(None)
}

fn poll_log_part(place: &mut Option<Reader>, window: &mut Window, cx: &Context<'_>) -> Polled {
    while let Some(reader) = place {
        let Some(Ok(Item::Data(bytes))) = ready!(reader.poll_next(cx)) else {
            // However cleanly: it is not the end of the part.
            *place = None;
            window.close();
            return Poll::Ready(Some(Err(Box::new(BodyError))));
        };
        let part = window.through(&bytes);
        if window.left() == 0 {
            *place = None;
        }
        if let Some(part) = part {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
    }
    Poll::Ready(None)
}

/// The origin broke off in the middle of a body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BodyError;

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin broke off in the middle of the body")
    }
}

impl StdError for BodyError {}

#[cfg(all(test, not(bellwether_loom)))]
mod tests {
    use http_body_util::{BodyExt, Empty, Full, StreamBody};

    use super::*;
    use crate::flight::{Log, Writer};
    use crate::semantics::range::Span;

    fn log() -> (Writer, std::sync::Arc<Log>) {
        Log::new(100, None)
    }

    #[tokio::test]
    async fn the_inner_bodys_hints_end_and_trailers_are_forwarded() {
        let full = ResponseBody::inner(Full::new(Bytes::from_static(b"abc")));
        assert_eq!(full.size_hint().exact(), Some(3));
        assert!(!full.is_end_stream());
        assert!(ResponseBody::inner(Empty::<Bytes>::new()).is_end_stream());

        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "1".parse().expect("a value"));
        let frames = [
            Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"a"))),
            Ok(Frame::trailers(trailers.clone())),
        ];
        let body = ResponseBody::inner(StreamBody::new(futures_util::stream::iter(frames)));
        let collected = body.collect().await.expect("a clean end");
        assert_eq!(collected.trailers(), Some(&trailers));
    }

    #[tokio::test]
    async fn a_stored_body_is_of_known_size_and_ends() {
        let body = ResponseBody::<Empty<Bytes>>::whole(Bytes::from_static(b"abc"));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.expect("a clean end").to_bytes(), "abc");
        assert!(ResponseBody::<Empty<Bytes>>::empty().is_end_stream());
    }

    #[tokio::test]
    async fn frames_are_of_known_size_and_end() {
        let frames = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        let mut body = ResponseBody::<Empty<Bytes>>::frames(frames);
        for left in [3, 1] {
            assert_eq!(body.size_hint().exact(), Some(left));
            assert!(!body.is_end_stream());
            body.frame().await.expect("a frame").expect("data");
        }
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn a_part_ends_with_its_last_byte_and_leaves_the_log() {
        let span = Span {
            first: 1,
            last: 2,
            of: 9,
        };
        let (writer, log) = log();
        let reader = log.reader().expect("whole");
        let logged = ResponseBody::<Full<Bytes>>::log_part(reader, Window::of(&span));
        writer.push(b"abcdefghi");
        let whole = Full::new(Bytes::from_static(b"abcdefghi"));
        let inner = ResponseBody::inner(whole).part(Window::of(&span));
        for mut body in [logged, inner] {
            assert_eq!(body.size_hint().exact(), Some(2));
            assert!(!body.is_end_stream());
            let frame = body.frame().await.expect("a frame").expect("data");
            assert_eq!(frame.into_data().expect("data"), "bc");
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(!writer.has_readers());
            assert!(body.frame().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_part_that_breaks_off_is_one_error_and_then_nothing() {
        let span = Span {
            first: 1,
            last: 5,
            of: 9,
        };
        let (writer, log) = log();
        let reader = log.reader().expect("whole");
        let logged = ResponseBody::<Full<Bytes>>::log_part(reader, Window::of(&span));
        writer.push(b"abc");
        drop(writer);
        let whole = Full::new(Bytes::from_static(b"abc"));
        let inner = ResponseBody::inner(whole).part(Window::of(&span));
        for mut body in [logged, inner] {
            body.frame().await.expect("a frame").expect("data");
            assert!(!body.is_end_stream());
            let error = body.frame().await.expect("a frame").expect_err("it ended");
            assert!(error.is::<BodyError>());
            assert!(body.frame().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_ends_in_an_error() {
        let (writer, log) = log();
        let body = ResponseBody::<Empty<Bytes>>::log(log.reader().expect("whole"), Some(5));
        assert_eq!(body.size_hint().exact(), Some(5));
        writer.push(b"ab");
        drop(writer);
        let error = body.collect().await.expect_err("it broke off");
        assert!(error.is::<BodyError>());
    }
}
