//! An origin that does not read holds the client back, and no other upload; the proxy does not take
//! in for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::memory::{MIB, Memory};
use crate::origin::{self, Origin};
use crate::support::client::{Body, Client};
use crate::support::proxy::Proxy;
use crate::support::{until, within};
use crate::{pattern, turn};

/// Uploads that the origin does not read.
const STALLED: usize = 2;
/// Of each.
const LENGTH: u64 = 96 * MIB;
/// What sockets of their connections and the origin's own buffers may hold on a loopback.
const UNDERWAY: u64 = 96 * MIB;

#[tokio::test]
async fn an_origin_that_does_not_read_stops_the_client() {
    let _turn = turn::shared().await;
    let reads = Arc::new(Semaphore::new(0));
    let origin = Origin::start({
        let reads = Arc::clone(&reads);
        move |request, _| {
            let reads = Arc::clone(&reads);
            async move {
                if request.uri().path() == "/stalled" {
                    let permit = reads.acquire().await;
                    permit.expect("it is never closed").forget();
                }
                origin::digest(request).await
            }
        }
    })
    .await;
    for (what, two) in [("HTTP/1.1", false), ("HTTP/2", true)] {
        let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
        let client = if two {
            Client::http2(proxy.url())
        } else {
            Client::new(proxy.url())
        };
        assert_eq!(client.get("/warm").await.status, 200);
        let memory = Memory::of(&proxy);
        let taken = Arc::new(AtomicU64::new(0));
        let answers: Vec<_> = (0..STALLED)
            .map(|_| {
                let request = upload(&client, "/stalled", LENGTH, &taken);
                let client = client.clone();
                tokio::spawn(async move { client.send(request).await })
            })
            .collect();
        until("the upload has begun", || taken.load(Ordering::Relaxed) > 0).await;
        let mut before = 0;
        for _ in 0..50 {
            sleep(Duration::from_millis(200)).await;
            let now = taken.load(Ordering::Relaxed);
            if now == before {
                break;
            }
            before = now;
        }
        sleep(Duration::from_millis(500)).await;
        let held = taken.load(Ordering::Relaxed);
        assert_eq!(held, before, "{what}: the client is not held back");
        assert!(held < UNDERWAY, "{what}: {held} bytes were taken in");
        memory.assert_flat(&format!("an origin that does not read, {what}"));
        // With HTTP/2 on the same connection.
        let other = upload(&client, "/other", 4 * MIB, &Arc::default());
        let other = client.send(other).await;
        assert_eq!(other.text(), origin::digest_of(4 * MIB), "{what}");

        reads.add_permits(STALLED);
        for answer in answers {
            let answer = within("the rest", answer).await.expect("no panic");
            assert_eq!(answer.text(), origin::digest_of(LENGTH), "{what}");
        }
        memory.assert_flat(&format!("and that then reads, {what}"));
    }
}

fn upload(client: &Client, path: &str, length: u64, taken: &Arc<AtomicU64>) -> Request<Body> {
    let taken = Arc::clone(taken);
    let frames = pattern::pieces(length).map(move |piece| {
        taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok::<_, Infallible>(Frame::data(piece))
    });
    let mut request = client.request("PUT", path);
    *request.body_mut() = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    request
}
