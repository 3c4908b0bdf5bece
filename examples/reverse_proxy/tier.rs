//! The shared tier: how it is reached, and the report on it. Built without the feature `redis`,
//! there is none.

use bellwether::CacheBuilder;

use crate::Failure;
use crate::settings::Redis;

/// The connection to it.
#[cfg(feature = "redis")]
#[derive(Debug, Clone)]
pub(crate) struct Tier(bellwether::RedisTier);

#[cfg(feature = "redis")]
impl Tier {
    /// Connects, which takes a second at most. A server that is away is no error.
    pub(crate) async fn connect(redis: &Redis) -> Result<Self, Failure> {
        let tier = bellwether::RedisTier::builder(&redis.url);
        #[cfg(feature = "tls")]
        let tier = match &redis.ca {
            Some(ca) => tier.ca_certificate(ca.clone()),
            None => tier,
        };
        #[cfg(feature = "tls")]
        let tier = match &redis.identity {
            Some((certificate, key)) => tier.client_certificate(certificate.clone(), key.clone()),
            None => tier,
        };
        let tier = tier.connect().await;
        tier.map(Self)
            .map_err(|error| Failure::of_cache(&error, "--redis: "))
    }

    /// Hands it to the cache.
    pub(crate) fn share(&self, builder: CacheBuilder) -> CacheBuilder {
        builder.shared(self.0.clone())
    }

    /// What is to be said of it, in lines, and whether there is a problem. Takes two seconds at most.
    pub(crate) async fn report(&self) -> (String, bool) {
        let report = self.0.report().await;
        (report.to_string(), report.has_problems())
    }
}

/// There is none.
#[cfg(not(feature = "redis"))]
#[derive(Debug, Clone)]
pub(crate) enum Tier {}

#[cfg(not(feature = "redis"))]
impl Tier {
    pub(crate) async fn connect(redis: &Redis) -> Result<Self, Failure> {
        let _ = redis;
        Err(Failure::usage(
            "--redis: built without it, add the feature \"redis\"",
        ))
    }

    pub(crate) fn share(&self, _: CacheBuilder) -> CacheBuilder {
        match *self {}
    }

    pub(crate) async fn report(&self) -> (String, bool) {
        match *self {}
    }
}

/// Reports in the background: no start waits for a server that is away.
pub(crate) fn report_soon(tier: Tier) {
    tokio::spawn(async move {
        let (report, problems) = tier.report().await;
        if problems {
            tracing::warn!("the shared tier, as it is now:\n{report}");
        } else {
            tracing::info!("the shared tier, as it is now:\n{report}");
        }
    });
}
