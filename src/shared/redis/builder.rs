//! Settings of the connection, and how it is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::debts::Debts;
use super::hub::Hub;
use super::names::Space;
use super::tls::Tls;
use super::topology::Topology;
use super::url::Target;
use super::{Inner, RedisTier};
use crate::error::Error;

/// Settings of a [`RedisTier`].
#[derive(Clone)]
pub struct RedisTierBuilder {
    url: String,
    namespace: String,
    timeout: Duration,
    tls: Tls,
}

impl RedisTierBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            namespace: "default".to_owned(),
            timeout: Duration::from_millis(100),
            tls: Tls::default(),
        }
    }

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

    /// Trusts servers that one of these certificates (PEM, several may follow one another) vouches
    /// for, and no others. Only for `rediss` URLs. Default: the certificates of the system.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.authorities = Some(pem.into());
        self
    }

    /// Shows servers this certificate (PEM, with those that vouch for it behind it), whose private
    /// key this is (PEM). Only for `rediss` URLs. Default: none.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
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
        self.tls.check(target.tls)?;
        let topology = Topology::new(&target, &self.tls)
            .map_err(|_| Error::config(format!("redis url: {target} cannot be used")))?;
        let inner = Arc::new(Inner {
            target,
            tls: self.tls,
            topology,
            space: Arc::new(space),
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
    /// Leaves out the URL, which may hold a password and may not be well-formed yet, and the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTierBuilder")
            .field("namespace", &self.namespace)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
