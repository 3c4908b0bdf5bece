//! The Tower face: the only place that knows `tower::Service` and `http_body`.
//!
//! A [`CacheLayer`] wraps any service of HTTP requests whose bodies are of [`Bytes`](bytes::Bytes).
//! What fires when:
//!
//! - GET and HEAD are looked up; a hit is answered without the inner service, and even if that is
//!   not ready;
//! - a GET with `Range` is looked up like any other, see [below](#ranges);
//! - other safe methods, upgrades, requests with a body or with `Cache-Control: no-store` go
//!   straight through;
//! - every other method goes through and, if it succeeds, invalidates what it changed
//!   (RFC 9111 §4.4).
//!
//! The inner service is cloned for each request that goes to it, and the clone is driven ready
//! before it is called. The layer itself is always ready: a saturated origin must not hold back
//! hits, and a place that was reserved for a request which then is a hit would be lost to others.
//!
//! The layer adds no error: trouble of the cache is a bypass. A leading request gets the inner
//! service's own error; those who waited for it get 502 or 504 with the reason in `Cache-Status`.
//!
//! # Ranges
//! Parts are cut out of stored bodies (RFC 9110 §14): one or several ranges, suffixes, `If-Range`,
//! 416. What overlaps or adjoins is joined; more than 16 ranges, other units than bytes and several
//! ranges of a body with a `Content-Encoding` get the whole. Only a 200 is cut.
//!
//! If nothing is stored, the origin is asked for the whole, once for everybody. A single range is
//! cut out of it as it streams in, if the length is known; else the answer is a 200. So who wants
//! the end of a body waits for what is before it, up to `max_body_size`.
//!
//! A response that turns out not to be storable is cut for the one client whose request it answers,
//! if the range begins within `max_body_size`; else that client gets the 200. From then on requests
//! for it go to the origin with their `Range`. So do those for bytes beyond `max_body_size`, if
//! nothing is stored.
//!
//! # Runtime
//! Refreshes run in tasks of their own, so the layer has to be called within a tokio runtime.
//!
//! # Examples
//! ```
//! # async fn home() -> &'static str { "home" }
//! # fn main() -> Result<(), bellwether::Error> {
//! use axum::{Router, routing::get};
//! use bellwether::Cache;
//!
//! let cache = Cache::builder().build()?;
//! let app: Router = Router::new().route("/", get(home)).layer(cache.layer());
//! # Ok(())
//! # }
//! ```
//! Under any `ServiceBuilder`, with settings:
//! ```
//! # fn main() -> Result<(), bellwether::Error> {
//! use bellwether::{Cache, MIB};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{Empty, Full};
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let cache = Cache::builder().local_capacity(16 * MIB).default_ttl(Duration::from_secs(5)).build()?;
//! async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("hello")))
//! }
//! let service = ServiceBuilder::new().layer(cache.layer()).service(service_fn(hello));
//! # let _ = service;
//! # Ok(())
//! # }
//! ```

mod body;
mod client;
mod consult;
mod demand;
mod flock;
mod future;
mod landed;
mod layer;
mod origin;
mod own;
mod partial;
mod pass;
mod respond;
mod service;
mod window;

pub use body::{BodyError, ResponseBody};
pub use future::ResponseFuture;
pub use layer::CacheLayer;
pub use service::CacheService;
