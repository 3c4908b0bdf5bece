//! The layer.

use tower_layer::Layer;

use crate::config::Cache;
use crate::middleware::CacheService;

/// Puts a [`Cache`] before a service. See the [module](crate::middleware) for what it does.
#[derive(Debug, Clone)]
pub struct CacheLayer {
    cache: Cache,
}

impl Cache {
    /// A layer that puts this cache before a service. All layers of one cache share its entries,
    /// so they belong before the same site.
    #[must_use]
    pub fn layer(&self) -> CacheLayer {
        CacheLayer {
            cache: self.clone(),
        }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(self.cache.clone(), inner)
    }
}
