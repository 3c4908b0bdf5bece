//! `Expect: 100-continue`: the origin says whether the body is to be sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::curl::{self, HTTP1};
use crate::memory::MIB;
use crate::origin::{self, Origin, read_head, say};
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::turn;

const ASK: &str = "PUT /upload HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\
                   expect: 100-continue\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn curl_is_told_to_continue() {
    const LENGTH: u64 = 8 * MIB;
    let _turn = turn::shared().await;
    let origin = Origin::start(|request, _| origin::digest(request)).await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let (_folder, path) = curl::file(LENGTH);
    let sent = curl::run(&[HTTP1, "-v", "-T", curl::arg(&path), &proxy.url()]).await;
    assert_eq!(sent.text(), origin::digest_of(LENGTH));
    for line in ["> Expect: 100-continue", "< HTTP/1.1 100 Continue"] {
        assert!(sent.stderr.contains(line), "{line}: {}", sent.stderr);
    }
}

/// And not by the proxy: nothing is heard before the origin has spoken.
#[tokio::test]
async fn it_is_the_origin_who_says_continue() {
    let _turn = turn::shared().await;
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let origin = Origin::raw(move |mut stream, _| {
        let told = Arc::clone(&told);
        async move {
            let head = read_head(&mut stream).await.expect("a head");
            assert!(head.contains("expect: 100-continue"), "{head}");
            told.notified().await;
            say(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.expect("a body");
            assert_eq!(&body, b"body");
            say(&mut stream, OK).await;
        }
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let mut client = ask(&proxy).await;
    let early = timeout(Duration::from_millis(400), client.read_u8()).await;
    assert!(early.is_err(), "the origin has said nothing yet");
    go_on.notify_one();
    finish(&mut client).await;
}

/// Many servers do not know the expectation, and wait for the body.
#[tokio::test]
async fn a_client_does_not_wait_for_ever_for_an_origin_that_says_nothing() {
    let _turn = turn::shared().await;
    let origin = Origin::raw(|mut stream, _| async move {
        read_head(&mut stream).await.expect("a head");
        stream.read_exact(&mut [0; 4]).await.expect("a body");
        say(&mut stream, OK).await;
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let mut client = ask(&proxy).await;
    let begun = Instant::now();
    finish(&mut client).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_refusal_by_the_head_alone_spares_the_upload() {
    let _turn = turn::shared().await;
    let origin = Origin::raw(|mut stream, _| async move {
        read_head(&mut stream).await.expect("a head");
        let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nbig\n";
        say(&mut stream, refusal).await;
        // It waits for what should not come.
        let _ = stream.read_u8().await;
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let (_folder, path) = curl::file(64 * MIB);
    for more in ["x-none: 1", "transfer-encoding: chunked"] {
        let told = "%{http_code} %{size_upload}";
        let expect = "expect: 100-continue";
        let begun = Instant::now();
        let path = curl::arg(&path);
        let url = proxy.url();
        let sent = curl::run(&[
            HTTP1, "-H", more, "-H", expect, "-T", path, "-w", told, &url,
        ])
        .await;
        assert_eq!(sent.text(), "big\n413 0", "{more}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{more}");
    }
}

async fn ask(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).await;
    let mut client = client.expect("the proxy listens");
    say(&mut client, ASK).await;
    client
}

async fn finish(client: &mut TcpStream) {
    let head = within("100 Continue", read_head(client)).await;
    let head = head.expect("the connection stays");
    assert_eq!(head, "http/1.1 100 continue\r\n\r\n");
    client.write_all(b"body").await.expect("the proxy reads");
    let head = within("the answer", read_head(client)).await;
    let head = head.expect("the connection stays");
    assert!(head.starts_with("http/1.1 200"), "{head}");
}
