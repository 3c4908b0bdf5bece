//! The seam to what is fetched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HeaderName;

use crate::engine::Failure;
use crate::entry::{Head, Lifetime, Record};
use crate::flight::{Broken, Item};
use crate::key::Key;
use crate::shared::BoxFuture;

/// One request that may be sent to the origin, once.
///
/// # Contract
/// What the engine does not take over (a response that cannot be stored, an error) the origin
/// hands to the client it belongs to, before `fetch` returns. Dropped unspent, it goes back to
/// that client, who may need it still.
///
/// # Cancellation
/// Dropping the future of `fetch` ends the request; the client is told by the flight's result.
pub(crate) trait Origin: Send + 'static {
    /// Sends the request, asking only for confirmation if there is a `basis` with validators.
    fn fetch(self: Box<Self>, basis: Option<Arc<Record>>) -> BoxFuture<'static, Fetched>;
}

/// Which variant of a URL a request asks for.
pub(crate) trait Select: Send + Sync + 'static {
    /// The key of the variant under a rule of this generation and these fields.
    fn variant(&self, generation: u64, fields: &[HeaderName]) -> Key;
}

/// What came of a fetch.
pub(crate) enum Fetched {
    /// It may be stored; its body is still to come.
    Storable(Draft),
    /// The basis is confirmed: this is its updated head.
    Confirmed {
        /// The updated head.
        head: Head,
        /// How long it may be used from now on.
        lifetime: Lifetime,
    },
    /// It cannot be stored. The client has it already.
    Refused {
        /// Why, as a word.
        reason: &'static str,
        /// It may well be storable for a request without `Authorization`.
        authorized_only: bool,
    },
    /// The origin gave no usable answer. What it did give, the client has already.
    Failed(Failure),
}

/// A response that may be stored.
pub(crate) struct Draft {
    pub(crate) head: Head,
    pub(crate) lifetime: Lifetime,
    /// The request fields that it varies on; sorted.
    pub(crate) vary: Vec<HeaderName>,
    /// Bytes of body that are announced.
    pub(crate) length: Option<u64>,
    pub(crate) body: Pin<Box<dyn Source>>,
}

/// A body as it arrives.
pub(crate) trait Source: Send {
    /// The next piece; `None` at a clean end.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Broken>>>;
}
