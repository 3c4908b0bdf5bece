//! The inner service as the origin of a refresh.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderValue, LAST_MODIFIED, SET_COOKIE,
};
use http::{Method, Request, Response, StatusCode, response};
use http_body::Body;
use pin_project::pin_project;
use tokio::sync::oneshot;
use tower::ServiceExt;
use tower_service::Service;

use crate::config::{Scope, Shared};
use crate::engine::Failure;
use crate::engine::origin::{Draft, Fetched, Origin, Source};
use crate::entry::{Head, Lines, Packed, Record, StoredBody};
use crate::flight::{Broken, Item};
use crate::local::Proof;
use crate::semantics::directives::ResponseDirectives;
use crate::semantics::policy::SetCookie;
use crate::semantics::storable::{self, Refusal, RequestTraits};
use crate::semantics::vary::Vary;
use crate::semantics::{fields, validate};
use crate::shared::BoxFuture;

/// What comes back to the client whose request was to be sent.
pub(crate) enum Back<S, B, RB, E> {
    /// It was not needed.
    Unspent(S, Request<B>),
    /// It was sent, and the response is nobody else's.
    Response(Response<RB>),
    /// It was sent, and a stored response was confirmed that may not be used again.
    Confirmed(Head, StoredBody),
    /// It was sent, and is being stored without these fields, which are nobody else's.
    Withheld(HeaderMap),
    /// The inner service failed.
    Error(E),
}

/// The way back to the client.
type Return<S, B, RB> = oneshot::Sender<Back<S, B, RB, <S as Service<Request<B>>>::Error>>;

/// A client's request on its way to the inner service.
pub(crate) struct Outbound<S, B, RB>
where
    S: Service<Request<B>>,
{
    parts: Option<(S, Request<B>)>,
    back: Option<Return<S, B, RB>>,
    shared: Arc<Shared>,
    scope: Arc<Scope>,
    traits: RequestTraits,
}

impl<S, B, RB> Outbound<S, B, RB>
where
    S: Service<Request<B>>,
{
    #[expect(
        clippy::type_complexity,
        reason = "both ends of one channel, named once"
    )]
    pub(crate) fn new(
        service: S,
        request: Request<B>,
        shared: Arc<Shared>,
        scope: Arc<Scope>,
        authorized: bool,
    ) -> (Self, oneshot::Receiver<Back<S, B, RB, S::Error>>) {
        let (back, receiver) = oneshot::channel();
        let traits = RequestTraits {
            authorization: authorized,
            method_get: true,
        };
        (
            Self {
                parts: Some((service, request)),
                back: Some(back),
                shared,
                scope,
                traits,
            },
            receiver,
        )
    }

    fn give_back(&mut self, back: Back<S, B, RB, S::Error>) {
        if let Some(sender) = self.back.take() {
            // The client may have left.
            let _ = sender.send(back);
        }
    }
}

impl<S, B, RB> Drop for Outbound<S, B, RB>
where
    S: Service<Request<B>>,
{
    fn drop(&mut self) {
        if let Some((service, request)) = self.parts.take() {
            self.give_back(Back::Unspent(service, request));
        }
    }
}

impl<S, B, RB> Origin for Outbound<S, B, RB>
where
    S: Service<Request<B>, Response = Response<RB>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn fetch(mut self: Box<Self>, basis: Option<Arc<Record>>) -> BoxFuture<'static, Fetched> {
        Box::pin(async move {
            let (mut service, mut request) = self.parts.take().expect("an origin is asked once");
            let held = basis.clone();
            let basis = basis.filter(|basis| has_validator(&basis.head));
            validate::ask_conditionally(
                request.headers_mut(),
                basis.as_ref().map(|basis| &basis.head),
            );
            lower_host(request.headers_mut());
            // HEAD is answered from GET.
            *request.method_mut() = Method::GET;
            let clock = Arc::clone(&self.shared.engine.clock);
            let sent = clock.wall();
            let answer = match service.ready().await {
                Ok(ready) => ready.call(request).await,
                Err(error) => Err(error),
            };
            let received = clock.wall();
            let response = match answer {
                Ok(response) => response,
                Err(error) => {
                    self.give_back(Back::Error(error));
                    return Fetched::Failed(Failure::UNREACHABLE);
                }
            };
            if response.status() == StatusCode::NOT_MODIFIED
                && let Some(basis) = basis
            {
                return self.confirm(&basis, response, sent, received);
            }
            if response.status() == StatusCode::NOT_MODIFIED {
                // Nobody asked under a condition: it is no answer.
                return Fetched::Failed(Failure {
                    status: 502,
                    detail: "unexpected-304",
                });
            }
            self.judge(response, held.as_deref(), sent, received)
        })
    }
}

impl<S, B, RB> Outbound<S, B, RB>
where
    S: Service<Request<B>>,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn judge(
        &mut self,
        response: Response<RB>,
        held: Option<&Record>,
        sent: std::time::SystemTime,
        received: std::time::SystemTime,
    ) -> Fetched {
        let (status, headers) = (response.status(), response.headers());
        let length = length(&response);
        let judged = storable::judge(
            &self.traits,
            status,
            headers,
            &self.scope.policy,
            sent,
            received,
        );
        let refused = match &judged {
            Err(refusal) => Some((refusal.as_str(), *refusal == Refusal::Authorization)),
            // An error that may be stored does not take the place of what may still be served.
            Ok(_) if is_failing(status) && held.is_some_and(|held| self.may_replace(held)) => {
                Some(("origin-error", false))
            }
            Ok(_) => self.shared.misfit(&response).map(|why| (why, false)),
        };
        match (judged, refused) {
            (Ok(lifetime), None) => {
                let policy = &self.scope.policy;
                let vary = match policy.vary(headers) {
                    Vary::Fields(fields) => fields,
                    Vary::None | Vary::Any => Vec::new(),
                };
                let (mut parts, body) = response.into_parts();
                if policy.set_cookie == SetCookie::Strip {
                    parts.headers.remove(SET_COOKIE);
                }
                let directives = policy.directives(&parts.headers);
                let withheld = fields::withheld(&parts.headers, &directives);
                let head = stored_head(&parts, &directives, received);
                if !withheld.is_empty() {
                    self.give_back(Back::Withheld(withheld));
                }
                Fetched::Storable(Draft {
                    head,
                    lifetime,
                    vary,
                    length,
                    body: Box::pin(BodySource { body }),
                })
            }
            (_, refused) => {
                let (reason, authorized_only) = refused.unwrap_or(("uncacheable", false));
                self.give_back(Back::Response(response));
                if is_failing(status) {
                    return Fetched::Failed(Failure {
                        status: status.as_u16(),
                        detail: "origin-error",
                    });
                }
                Fetched::Refused {
                    reason,
                    authorized_only,
                }
            }
        }
    }

    /// True if what is held may be served in place of an error.
    fn may_replace(&self, held: &Record) -> bool {
        let now = self.shared.engine.now();
        held.windows.usable_on_error(now, false)
    }

    fn confirm(
        &mut self,
        basis: &Record,
        response: Response<RB>,
        sent: std::time::SystemTime,
        received: std::time::SystemTime,
    ) -> Fetched {
        let stored = basis.head.head();
        if !validate::selects(&stored, response.headers()) {
            // What we named is current, says the origin, and names something else (some add a
            // suffix to the tag of a compressed response, and drop it here). It updates nothing
            // (RFC 9111 §4.3.4), but answers this client. The verdict sends the next ones
            // unconditionally; what they bring overrules it, and is led without a basis.
            self.give_back(Back::Confirmed(stored, basis.body.clone()));
            return Fetched::Refused {
                reason: "unexpected-304",
                authorized_only: false,
            };
        }
        let policy = &self.scope.policy;
        let mut not_modified = response.into_parts().0.headers;
        if policy.set_cookie == SetCookie::Strip {
            not_modified.remove(SET_COOKIE);
        }
        let (mut head, withheld) =
            validate::freshened(&stored, &not_modified, |fields| policy.directives(fields));
        fields::ensure_date(&mut head.headers, received);
        let refusal = if covers(basis, &policy.vary(&head.headers)) {
            let judged = storable::judge_freshened(
                &self.traits,
                &head,
                &not_modified,
                policy,
                sent,
                received,
            );
            match judged {
                Ok(lifetime) => {
                    if !withheld.is_empty() {
                        self.give_back(Back::Withheld(withheld));
                    }
                    return Fetched::Confirmed { head, lifetime };
                }
                Err(refusal) => (refusal.as_str(), refusal == Refusal::Authorization),
            }
        } else {
            // What is stored was chosen without a field that now matters: it is this client's only.
            ("vary-changed", false)
        };
        // Its own fields are this client's, and so is the whole now.
        head.headers.extend(withheld);
        self.give_back(Back::Confirmed(head, basis.body.clone()));
        let (reason, authorized_only) = refusal;
        Fetched::Refused {
            reason,
            authorized_only,
        }
    }
}

impl Shared {
    /// Why a response does not fit into the store, although it may be stored; as far as its head
    /// shows that.
    pub(crate) fn misfit<B: Body>(&self, response: &Response<B>) -> Option<&'static str> {
        if length(response).is_some_and(|length| length > self.engine.tuning.max_body) {
            return Some("too-large");
        }
        is_event_stream(response.headers()).then_some("event-stream")
    }

    /// True if the head of a storable response is what overrules a verdict.
    pub(crate) fn proves<B: Body>(&self, response: &Response<B>, proof: Proof) -> bool {
        self.misfit(response).is_none()
            && match proof {
                Proof::Storable => true,
                Proof::Length => length(response).is_some(),
                Proof::Nothing => false,
            }
    }
}

/// RFC 5861 §4: these mean that the origin fails.
pub(crate) fn is_failing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

fn stored_head(
    parts: &response::Parts,
    directives: &ResponseDirectives,
    received: std::time::SystemTime,
) -> Head {
    let mut headers = fields::stored(&parts.headers, directives);
    fields::announce_trailers(&mut headers, &parts.headers);
    fields::ensure_date(&mut headers, received);
    Head {
        status: parts.status,
        headers,
    }
}

/// True if `basis` was chosen by all that it is now said to vary on.
fn covers(basis: &Record, vary: &Vary) -> bool {
    match vary {
        Vary::None => true,
        Vary::Any => false,
        Vary::Fields(fields) => basis
            .rule
            .as_ref()
            .is_some_and(|rule| fields.iter().all(|field| rule.fields.contains(field))),
    }
}

/// The key has the host in lower case, so the origin gets it so: what it sees and the key does not
/// show is how caches are poisoned.
fn lower_host(headers: &mut HeaderMap) {
    if let Some(host) = headers.get_mut(HOST)
        && host.as_bytes().iter().any(u8::is_ascii_uppercase)
        && let Ok(lower) = HeaderValue::from_bytes(&host.as_bytes().to_ascii_lowercase())
    {
        *host = lower;
    }
}

fn has_validator(head: &Packed) -> bool {
    head.line(&ETAG).is_some() || head.line(&LAST_MODIFIED).is_some()
}

/// The length of the body, if it is known.
fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    content_length(response.headers()).or_else(|| response.body().size_hint().exact())
}

/// What `Content-Length` announces. Several that agree are one; what cannot be read is no promise.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// It never ends, and every listener wants it as it comes.
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..17))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The inner service's body as the engine reads it.
#[pin_project]
struct BodySource<B> {
    #[pin]
    body: B,
}

impl<B> Source for BodySource<B>
where
    B: Body<Data = Bytes> + Send,
{
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Broken>>> {
        let mut body = self.project().body;
        loop {
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(Broken)));
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Item::Data(data)))),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(Some(Ok(Item::Trailers(trailers))));
                    }
                }
            }
        }
    }
}
