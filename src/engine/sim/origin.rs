//! The site as the origin of refreshes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, StatusCode};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::history::{Purpose, Reply};
use super::ledger::FETCH;
use super::site::{KIND, Site, Span, Weather};
use crate::engine::Failure;
use crate::engine::origin::{Draft, Fetched, Origin, Source};
use crate::entry::{Head, Record};
use crate::flight::{Broken, Item};
use crate::shared::BoxFuture;

/// What comes back to the client whose request was to be sent.
pub(super) enum Back {
    /// It was not needed.
    Unspent,
    /// It was sent, and this is nobody else's.
    Own(usize, Reply),
}

/// A client's request on its way to the site.
pub(super) struct Caller {
    pub(super) site: Arc<Site>,
    pub(super) node: usize,
    pub(super) key: usize,
    pub(super) kind: u8,
    pub(super) back: Option<oneshot::Sender<Back>>,
}

impl Caller {
    fn give_back(&mut self, back: Back) {
        if let Some(sender) = self.back.take() {
            let _ = sender.send(back);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.give_back(Back::Unspent);
    }
}

impl Origin for Caller {
    fn fetch(mut self: Box<Self>, basis: Option<Arc<Record>>) -> BoxFuture<'static, Fetched> {
        Box::pin(async move {
            // From here on it is spent, however it ends.
            let back = self.back.take();
            let (site, key) = (Arc::clone(&self.site), self.key);
            let span = site.begin(self.node, key, self.kind, Purpose::Refresh);
            let reply = site.work(&span, key).await;
            let own = |back: Option<oneshot::Sender<Back>>| {
                if let Some(back) = back {
                    let _ = back.send(Back::Own(span.fetch, reply));
                }
            };
            let spec = &site.specs[key];
            match reply {
                Reply::Failed => {
                    own(back);
                    Fetched::Failed(Failure::UNREACHABLE)
                }
                Reply::Refused => {
                    own(back);
                    Fetched::Refused {
                        reason: "no-store",
                        authorized_only: false,
                    }
                }
                _ => {
                    let version = site
                        .history
                        .note(|notes, _| notes.fetches[span.fetch].version);
                    let head = head(version, span.fetch);
                    let known = basis
                        .as_ref()
                        .map(|basis| basis.head.headers()[VERSION].clone());
                    if spec.confirms && known.is_some_and(|known| known == head.headers[VERSION]) {
                        span.head(Reply::Confirmed);
                        span.change(|fetch, _| fetch.whole = true);
                        let lifetime = spec.lifetime();
                        return Fetched::Confirmed { head, lifetime };
                    }
                    let weather = site.weather();
                    let text = site.body(key, self.kind, version);
                    let announced = site.draw(2) == 0;
                    Fetched::Storable(Draft {
                        head,
                        lifetime: spec.lifetime(),
                        vary: if spec.varies { vec![KIND] } else { Vec::new() },
                        length: announced.then_some(text.len() as u64),
                        body: Box::pin(Body::new(&text, announced, weather, span)),
                    })
                }
            }
        })
    }
}

const VERSION: &str = "x-version";

fn head(version: u64, fetch: usize) -> Head {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from(version));
    headers.insert(FETCH, HeaderValue::from(fetch));
    Head {
        status: StatusCode::OK,
        headers,
    }
}

/// The fetch that brought or last confirmed a response.
pub(super) fn fetch_of(record: &Record) -> usize {
    let headers = record.head.headers();
    let value = headers[FETCH].to_str().expect("digits");
    value.parse().expect("digits")
}

/// A body on its way.
struct Body {
    chunks: VecDeque<Bytes>,
    /// It breaks off instead of ending.
    breaks: bool,
    short: bool,
    pause: Option<Pin<Box<Sleep>>>,
    span: Span,
}

impl Body {
    fn new(text: &str, announced: bool, weather: Weather, span: Span) -> Self {
        let site = Arc::clone(&span.site);
        let spec = &site.specs[site.history.note(|notes, _| notes.fetches[span.fetch].key)];
        let size = text.len().div_ceil(spec.chunks);
        let mut chunks: VecDeque<_> = text
            .as_bytes()
            .chunks(size)
            .map(Bytes::copy_from_slice)
            .collect();
        let breaks = site.draw(1_000) < weather.broken;
        // Without a length nobody could tell.
        let short = announced && site.draw(1_000) < weather.short;
        if breaks || short {
            chunks.pop_back();
        }
        Self {
            chunks,
            breaks,
            short,
            pause: None,
            span,
        }
    }
}

impl Source for Body {
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Item, Broken>>> {
        let gap = {
            let site = &self.span.site;
            site.specs[site
                .history
                .note(|notes, _| notes.fetches[self.span.fetch].key)]
            .gap
        };
        if gap > 0 {
            let gap = Duration::from_millis(gap);
            let pause = self
                .pause
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(gap)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(match self.chunks.pop_front() {
            Some(chunk) => Some(Ok(Item::Data(chunk))),
            None if self.breaks => Some(Err(Broken)),
            None => {
                let whole = !self.short;
                self.span.change(|fetch, _| fetch.whole = whole);
                None
            }
        })
    }
}
