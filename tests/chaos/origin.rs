//! The origin: a service in this process that names each of its answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use tokio::time::sleep;
use tower::Service;

use crate::history::{Fetch, FetchId, History, Life, Reply};
use crate::site::{Kind, LANGS, spec};
use crate::watched::find;

pub(crate) type Sent = Request<Empty<Bytes>>;
pub(crate) type Body = UnsyncBoxBody<Bytes, Broken>;
/// The field that names the fetch which brought a response, or confirmed it last.
pub(crate) const FETCH: &str = "x-fetch";
/// What stands in it before the number.
const MARK: &str = "fetch-number-";

/// The origin as one node sees it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    life: Life,
    history: Arc<History>,
    /// Counts all clones there are.
    _sign: Arc<()>,
}

/// The origin could not be reached, or broke off.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin broke off")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The fetch that these bytes were made of.
pub(crate) fn fetch_in(meta: &Bytes) -> Option<FetchId> {
    let begin = find(meta, MARK.as_bytes())? + MARK.len();
    let digits = meta.get(begin..begin + 8)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The fetch that a field's value names.
pub(crate) fn fetch_of(value: &str) -> Option<FetchId> {
    value.strip_prefix(MARK)?.parse().ok()
}

/// The first words of a body: for which key and language, and of which content.
pub(crate) fn words(key: usize, lang: u8, content: u64) -> String {
    format!("page {key} in {lang} of {content};")
}

/// What is done with one request, drawn at its beginning.
struct Plan {
    latency: Duration,
    reply: Reply,
    unreachable: bool,
    pieces: u32,
    pause: Duration,
    /// The body breaks off before this piece.
    breaks: Option<u32>,
}

impl Plan {
    fn draw(kind: Kind) -> Self {
        let ms = |range| Duration::from_millis(fastrand::u64(range));
        let mut plan = Self {
            latency: ms(2..40),
            reply: Reply::Storable,
            unreachable: false,
            pieces: 1,
            pause: Duration::ZERO,
            breaks: None,
        };
        match kind {
            Kind::Slow => plan.latency = ms(200..1_200),
            Kind::Dripping => {
                plan.pieces = 6;
                plan.pause = ms(60..220);
                plan.breaks = (fastrand::u32(..12) == 0).then(|| fastrand::u32(1..6));
            }
            Kind::Failing if fastrand::u32(..3) == 0 => {
                plan.reply = Reply::Failed;
                plan.unreachable = fastrand::bool();
            }
            Kind::Uncacheable => plan.reply = Reply::Uncacheable,
            _ => {}
        }
        plan
    }
}

impl Origin {
    pub(crate) fn new(life: Life, history: &Arc<History>, sign: &Arc<()>) -> Self {
        Self {
            life,
            history: Arc::clone(history),
            _sign: Arc::clone(sign),
        }
    }

    async fn answer(self, request: Sent) -> Result<Response<Body>, Broken> {
        let path = request.uri().path();
        let key: usize = path
            .rsplit('/')
            .next()
            .and_then(|key| key.parse().ok())
            .expect("a key");
        let spec = spec(key);
        let asked = request.headers().get(header::ACCEPT_LANGUAGE);
        let lang = asked.and_then(|asked| LANGS.iter().position(|lang| asked == lang));
        let lang = match spec.kind {
            Kind::Varying => u8::try_from(lang.expect("clients name one")).expect("few"),
            _ => 0,
        };
        let (running, id, began) = Running::begin(&self.history, self.life, key, lang);
        let plan = Plan::draw(spec.kind);
        sleep(plan.latency).await;
        if plan.unreachable {
            running.head(Reply::Failed);
            return Err(Broken);
        }
        let content = match spec.kind {
            Kind::Validated => began / 3_000_000,
            _ => id as u64,
        };
        let tag = format!("\"{content}\"");
        let confirmed = spec.kind == Kind::Validated
            && request
                .headers()
                .get(header::IF_NONE_MATCH)
                .is_some_and(|known| known == &tag);
        let mut response = Response::builder()
            .header(header::CACHE_CONTROL, spec.cache_control())
            .header(FETCH, format!("{MARK}{id:08}"))
            .header("x-content", content);
        match spec.kind {
            Kind::Validated => response = response.header(header::ETAG, tag),
            Kind::Varying => response = response.header(header::VARY, "accept-language"),
            _ => {}
        }
        let (status, reply) = match plan.reply {
            Reply::Failed => (StatusCode::SERVICE_UNAVAILABLE, Reply::Failed),
            _ if confirmed => (StatusCode::NOT_MODIFIED, Reply::Confirmed),
            reply => (StatusCode::OK, reply),
        };
        running.head(reply);
        let pieces = if confirmed { 0 } else { plan.pieces };
        let text = words(key, lang, content);
        let body = body(running, &text, pieces, plan.pause, plan.breaks);
        Ok(response
            .status(status)
            .body(body)
            .expect("the fields are valid"))
    }
}

impl Service<Sent> for Origin {
    type Response = Response<Body>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Broken>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Sent) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

/// So many pieces with a pause before each but the first.
fn body(running: Running, words: &str, pieces: u32, pause: Duration, breaks: Option<u32>) -> Body {
    let mut queue = VecDeque::new();
    for number in 0..pieces {
        let mut piece = if number == 0 {
            words.to_owned()
        } else {
            String::new()
        };
        let filled = piece + &"x".repeat(400);
        piece = if number + 1 == pieces {
            filled + "end"
        } else {
            filled
        };
        queue.push_back(Bytes::from(piece));
    }
    let steps = stream::unfold(
        (running, queue, 0_u32),
        move |(running, mut queue, at)| async move {
            if at > 0 && !queue.is_empty() {
                sleep(pause).await;
            }
            if breaks == Some(at) {
                queue.clear();
                return Some((Err(Broken), (running, queue, at + 1)));
            }
            let Some(piece) = queue.pop_front() else {
                if breaks.is_none() {
                    running.whole();
                }
                return None;
            };
            Some((Ok(Frame::data(piece)), (running, queue, at + 1)))
        },
    );
    StreamBody::new(steps).boxed_unsync()
}

/// A request that is being answered; dropped, it is over.
struct Running(Arc<History>, FetchId);

impl Running {
    fn begin(history: &Arc<History>, life: Life, key: usize, lang: u8) -> (Self, FetchId, u64) {
        let (id, began) = history.note(|notes, now| {
            notes.fetches.push(Fetch {
                life,
                key,
                lang,
                start: now,
                head: None,
                end: None,
                reply: Reply::None,
                whole: false,
            });
            (notes.fetches.len() - 1, now)
        });
        (Self(Arc::clone(history), id), id, began)
    }

    fn change(&self, change: impl FnOnce(&mut Fetch, u64)) {
        self.0.note(|notes, now| {
            // The notes may have been closed meanwhile.
            if let Some(fetch) = notes.fetches.get_mut(self.1) {
                change(fetch, now);
            }
        });
    }

    fn head(&self, reply: Reply) {
        self.change(|fetch, now| (fetch.head, fetch.reply) = (Some(now), reply));
    }

    fn whole(&self) {
        self.change(|fetch, _| fetch.whole = true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.change(|fetch, now| fetch.end = Some(now));
    }
}
