//! An origin that answers in the middle of an upload is heard, and the client does not hang.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use crate::curl::{self, HTTP1};
use crate::memory::{MIB, Memory};
use crate::origin::{Origin, read_head, say};
use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::{pattern, turn};

const LENGTH: u64 = 64 * MIB;
const SOON: Duration = Duration::from_secs(5);

/// How the origin goes on after its answer.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It reads nothing, and keeps the connection for a while.
    Stays,
    /// It closes, with what was sent to it unread: a reset.
    Leaves,
}

async fn refuses(then: Then) {
    let _turn = turn::shared().await;
    let origin = Origin::raw(move |mut stream, _| async move {
        if read_head(&mut stream).await.is_err() {
            return;
        }
        // So that the upload is well under way.
        let _ = stream.read_exact(&mut vec![0; 1 << 20]).await;
        let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\
                       connection: close\r\n\r\nbig\n";
        say(&mut stream, refusal).await;
        if matches!(then, Then::Stays) {
            sleep(Duration::from_secs(30)).await;
        }
    })
    .await;
    // Who stays keeps the proxy's connection, and what is under way in it.
    let rounds = match then {
        Then::Stays => 3,
        Then::Leaves => 10,
    };
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let memory = Memory::of(&proxy);
    let (_folder, path) = curl::file(LENGTH);
    for more in ["x-none: 1", "transfer-encoding: chunked"] {
        for round in 0..rounds {
            let begun = Instant::now();
            let (path, url) = (curl::arg(&path), proxy.url());
            let args = [HTTP1, "-H", more, "-H", "expect:", "-T", path];
            let sent = curl::run(&[&args[..], &["-w", "%{http_code}", &url]].concat()).await;
            let what = format!("{then:?}, HTTP/1.1, {more}, round {round}");
            let said = String::from_utf8_lossy(&sent.stdout);
            assert_eq!(said, "big\n413", "{what}: {}", sent.stderr);
            assert!(begun.elapsed() < SOON, "{what}");
        }
    }
    // Not with curl: of what ends such an upload with HTTP/2, a reset that means no error
    // (RFC 9113 §8.1), its versions of 2023 make one.
    for round in 0..rounds {
        let client = Client::http2(proxy.url());
        let frames = pattern::pieces(LENGTH).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let mut request = client.request("PUT", "/");
        *request.body_mut() = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let answer = client.send(request).await;
        let what = format!("{then:?}, HTTP/2, round {round}");
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (413, "big\n"),
            "{what}"
        );
        assert!(answer.took < SOON, "{what}");
    }
    memory.assert_flat(&format!("refused uploads, {then:?}"));
}

#[tokio::test]
async fn an_origin_that_answers_early_and_stays_is_heard() {
    refuses(Then::Stays).await;
}

#[tokio::test]
async fn an_origin_that_answers_early_and_leaves_is_heard() {
    refuses(Then::Leaves).await;
}
