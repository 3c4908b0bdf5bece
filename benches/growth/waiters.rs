//! Many who wait for one cold page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bellwether::Cache;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};

use crate::{memory, now};

pub(crate) struct Waited {
    pub(crate) waiters: usize,
    /// Of memory, for each.
    pub(crate) bytes: f64,
    /// From the origin's answer to the last one's.
    pub(crate) last: Duration,
    pub(crate) origin: usize,
}

/// `waiters` tasks ask for one page; the origin answers when all wait.
pub(crate) async fn wait(waiters: usize) -> Waited {
    let gate = Arc::new(Semaphore::new(0));
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let cache = Cache::builder().build().expect("the defaults");
    let service = {
        let (gate, asked) = (Arc::clone(&gate), Arc::clone(&asked));
        cache
            .layer()
            .layer(service_fn(move |_: Request<Empty<Bytes>>| {
                let (gate, asked) = (Arc::clone(&gate), Arc::clone(&asked));
                async move {
                    asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let _open = gate.acquire().await;
                    let response = Response::builder()
                        .header("cache-control", "max-age=60")
                        .body(Full::<Bytes>::from(vec![b'x'; 1_024]));
                    Ok::<_, Infallible>(response.expect("a response"))
                }
            }))
    };
    let idle = memory::own();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..waiters {
        let service = service.clone();
        tasks.spawn(async move {
            let request = Request::get("/")
                .header("host", "growth.test")
                .body(Empty::<Bytes>::new())
                .expect("a request");
            let response = service.oneshot(request).await.expect("infallible");
            assert!(response.status().is_success());
            let body = response
                .into_body()
                .collect()
                .await
                .expect("whole")
                .to_bytes();
            assert_eq!(body.len(), 1_024);
        });
    }
    // All have asked once the counters stand still.
    tokio::time::sleep(Duration::from_millis(200 + waiters as u64 / 50)).await;
    let bytes = memory::own().saturating_sub(idle) as f64 / waiters as f64;
    let began = now();
    gate.add_permits(1_000_000);
    while let Some(done) = tasks.join_next().await {
        done.expect("nobody panics");
    }
    Waited {
        waiters,
        bytes,
        last: began.elapsed(),
        origin: asked.load(std::sync::atomic::Ordering::SeqCst),
    }
}
