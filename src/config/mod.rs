//! Stub.
#![allow(missing_docs, missing_debug_implementations)]
use crate::error::Error;
use std::time::Duration;

pub const MIB: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub struct Cache;

#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub hits: u64,
    pub stale: u64,
    pub led: u64,
    pub followed: u64,
    pub remote_followed: u64,
    pub shared_hits: u64,
    pub bypassed: u64,
    pub failed: u64,
    pub local_entries: u64,
    pub local_bytes: u64,
}

impl Cache {
    pub fn builder() -> CacheBuilder {
        CacheBuilder
    }
    pub fn layer(&self) -> crate::middleware::CacheLayer {
        crate::middleware::CacheLayer
    }
    pub async fn purge(&self, _uri: &http::Uri) -> Result<(), Error> {
        Ok(())
    }
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}

#[derive(Debug)]
pub struct CacheBuilder;

impl CacheBuilder {
    pub fn local_capacity(self, _: u64) -> Self {
        self
    }
    pub fn max_body_size(self, _: u64) -> Self {
        self
    }
    pub fn shared_max_body_size(self, _: u64) -> Self {
        self
    }
    pub fn default_ttl(self, _: Duration) -> Self {
        self
    }
    pub fn grace(self, _: Duration) -> Self {
        self
    }
    pub fn fetch_timeout(self, _: Duration) -> Self {
        self
    }
    pub fn name(self, _: &str) -> Self {
        self
    }
    pub fn shared<T: 'static>(self, _: T) -> Self {
        self
    }
    pub fn build(self) -> Result<Cache, Error> {
        Ok(Cache)
    }
}

#[cfg(feature = "redis")]
#[derive(Debug)]
pub struct RedisTier;
#[cfg(feature = "redis")]
impl RedisTier {
    pub async fn connect(_: &str) -> Result<Self, Error> {
        Ok(Self)
    }
}
