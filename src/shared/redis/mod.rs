//! The shared tier in Redis.
//!
//! The protocol is in the scripts beside this file; everything here is about calling them without
//! ever making a request wait for a server that is not there.

mod breaker;
mod debts;
mod events;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod hub;
mod link;
mod names;
mod ops;
mod payments;
mod reply;
mod script;
mod supervisor;
mod tls;
mod topology;
mod url;
mod way;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::debts::Debts;
use self::hub::Hub;
use self::names::Space;
use self::tls::Tls;
use self::topology::Topology;
use self::url::Target;
use crate::error::Error;

/// The shared tier in a Redis (6.0 or later) or Valkey server.
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
    topology: Topology,
    space: Space,
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

    /// Settings for a connection to this URL: `redis://[[user]:password@]host[:port][/db]`.
    #[must_use]
    pub fn builder(url: &str) -> RedisTierBuilder {
        RedisTierBuilder {
            url: url.to_owned(),
            namespace: "default".to_owned(),
            timeout: Duration::from_millis(100),
        }
    }

    /// Whether calls go to the server now; if not, they fail at once.
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
    fn drop(&mut self) {
        self.topology.wake();
    }
}

/// Settings of a [`RedisTier`].
#[derive(Clone)]
pub struct RedisTierBuilder {
    url: String,
    namespace: String,
    timeout: Duration,
}

impl RedisTierBuilder {
    /// Keeps caches apart that share a server: nodes of one fleet have the same namespace. 1 to 64
    /// of `a-z A-Z 0-9 . _ -`. Default: `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Most time one call may take, from 1 ms to 10 s. Too short, and bodies do not fit in, so
    /// that a healthy server counts as failing; too long, and requests wait for a sick one (five
    /// times this long, until it is given up). Default: 100 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, taking about a second at most.
    ///
    /// A server that cannot be reached, or refuses the password, is not an error: it is logged,
    /// the tier starts out of reach, and goes on trying.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a setting is wrong. The text never holds
    /// the password.
    ///
    /// # Cancellation
    /// Dropping the future drops the tier.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<RedisTier, Error> {
        let target = Target::parse(&self.url)?;
        let space = Space::new(&self.namespace, target.db)?;
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&self.timeout) {
            return Err(Error::config(format!(
                "redis timeout: 1ms to 10s are allowed, got {:?}",
                self.timeout
            )));
        }
        let tls = Tls::default();
        let topology = Topology::new(&target, &tls)
            .map_err(|_| Error::config(format!("redis url: {target} cannot be used")))?;
        let inner = Arc::new(Inner {
            target,
            topology,
            space,
            namespace: self.namespace,
            timeout: self.timeout,
            hub: Hub::new(),
            debts: Debts::new(),
        });
        inner.topology.start(&Arc::downgrade(&inner)).await;
        Ok(RedisTier { inner })
    }
}

impl fmt::Debug for RedisTierBuilder {
    /// Leaves out the URL: it may hold a password, and may not be well-formed yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTierBuilder")
            .field("namespace", &self.namespace)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
