//! A proxy on pingora, whose parts for caching are put together as its documents say: `pingora
//! ORIGIN LISTEN`. A lock for each key, stale pages served while one request refreshes in the
//! background or the origin fails, and what proved uncacheable is not locked.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use pingora::cache::cache_control::CacheControl;
use pingora::cache::eviction::simple_lru::Manager;
use pingora::cache::filters::resp_cacheable;
use pingora::cache::lock::{CacheKeyLockImpl, CacheLock};
use pingora::cache::predictor::Predictor;
use pingora::cache::{CacheKey, CacheMetaDefaults, MemCache, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

type Failure = pingora::BError;

static STORE: LazyLock<MemCache> = LazyLock::new(MemCache::new);
static EVICTION: LazyLock<Manager> = LazyLock::new(|| Manager::new(1 << 30));
static PREDICTOR: LazyLock<Predictor<16>> = LazyLock::new(|| Predictor::new(1_024, None));
static LOCK: LazyLock<Box<CacheKeyLockImpl>> =
    LazyLock::new(|| CacheLock::new_boxed(Duration::from_secs(10)));
/// Only what says how long it is fresh, and is stale as it says.
static DEFAULTS: CacheMetaDefaults = CacheMetaDefaults::new(|_| None, 0, 0);

struct Proxy {
    origin: String,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>, Failure> {
        let peer = HttpPeer::new(&self.origin, false, String::new());
        Ok(Box::new(peer))
    }

    fn request_cache_filter(&self, session: &mut Session, (): &mut ()) -> Result<(), Failure> {
        session.cache.enable(
            &*STORE,
            Some(&*EVICTION),
            Some(&*PREDICTOR),
            Some(LOCK.as_ref()),
            None,
        );
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, (): &mut ()) -> Result<CacheKey, Failure> {
        let head: &RequestHeader = session.req_header();
        let host = head.headers.get("host").map_or(&b""[..], |host| host.as_bytes());
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(CacheKey::new([host, path.as_bytes()].concat(), ""))
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        (): &mut (),
    ) -> Result<RespCacheable, Failure> {
        let control = CacheControl::from_resp_headers(response);
        let authorized = session.req_header().headers.contains_key("authorization");
        Ok(resp_cacheable(control.as_ref(), response.clone(), authorized, &DEFAULTS))
    }

    /// Where the page says so: pingora looks at that itself.
    fn should_serve_stale(&self, _: &mut Session, (): &mut (), _: Option<&Error>) -> bool {
        true
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [origin, listen] = &arguments[..] else {
        return Err("usage: pingora ORIGIN LISTEN".into());
    };
    let config = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, config);
    server.bootstrap();
    let proxy = Proxy {
        origin: origin.clone(),
    };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(listen);
    server.add_service(service);
    println!("listening on http://{listen}");
    server.run_forever()
}
