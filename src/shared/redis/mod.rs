//! The shared tier in Redis.
//!
//! The protocol is in the scripts beside this file; everything here is about calling them without
//! ever making a request wait for a server that is not there.

mod breaker;
mod builder;
mod debts;
mod era;
mod events;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod hub;
mod link;
mod locks;
mod names;
mod ops;
mod payments;
mod purges;
mod reply;
mod report;
mod script;
mod shards;
mod supervisor;
mod tls;
mod topology;
mod url;
mod watch;
mod way;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::builder::RedisTierBuilder;
use self::debts::Debts;
use self::hub::Hub;
pub(crate) use self::locks::{LockClaim, LockClaimed, LockHeld};
use self::names::Space;
pub use self::report::{Finding, Report, Severity};
use self::tls::Tls;
use self::topology::Topology;
use self::url::Target;
use crate::error::Error;

/// The shared tier in Redis (6.0 or later) or Valkey: one server, a master and its replicas watched
/// over by Sentinel, or a Cluster. Which it is says the URL; [`docs::redis`](crate::docs::redis) has
/// all forms of it, the least rights that its user needs, and what is advised for each.
///
/// Clones share the connections. A task of the runtime that [`connect`](Self::connect) was called
/// on keeps them up; it ends when the last clone is dropped, and with its runtime.
///
/// A server that is slow, frozen, gone or full costs no request more than the timeout, and after a
/// few failures nothing at all: calls fail at once until the server was reached again. Purges that
/// failed meanwhile are delivered first.
#[derive(Clone)]
pub struct RedisTier {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    tls: Tls,
    topology: Topology,
    space: Arc<Space>,
    namespace: String,
    timeout: Duration,
    hub: Hub,
    debts: Debts,
}

impl RedisTier {
    /// Connects with all defaults. See [`RedisTierBuilder::connect`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the URL is malformed.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder(url).connect().await
    }

    /// Settings for a connection to this URL: `redis://[[user]:password@]host[:port][/db]`, or one of
    /// the other forms in [`docs::redis`](crate::docs::redis).
    #[must_use]
    pub fn builder(url: &str) -> RedisTierBuilder {
        RedisTierBuilder::new(url)
    }

    /// Whether calls go to the server now; if not, they fail at once. With a cluster: whether any
    /// do.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.topology.is_up()
    }
}

impl fmt::Debug for RedisTier {
    /// Never shows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTier")
            .field("url", &format_args!("{}", self.inner.target))
            .field("namespace", &self.inner.namespace)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// Ends the tasks.
    fn drop(&mut self) {
        self.topology.end();
    }
}
