//! A request's body reaches the origin whole, whatever its size and method, and is kept nowhere.

use std::convert::Infallible;

use http::HeaderValue;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::curl::{self, HTTP1, HTTP2};
use crate::memory::{MIB, Memory};
use crate::origin::{self, Origin};
use crate::support::client::{Body, Client};
use crate::support::proxy::Proxy;
use crate::{pattern, turn};

#[tokio::test]
async fn a_large_upload_arrives_whole_and_leaves_the_memory_flat() {
    const LENGTH: u64 = 256 * MIB;
    let _turn = turn::shared().await;
    let origin = Origin::start(|request, _| origin::digest(request)).await;
    let (_folder, path) = curl::file(LENGTH);
    for (what, version, more) in [
        ("HTTP/1.1 with a length", HTTP1, "x-none: 1"),
        ("HTTP/1.1 chunked", HTTP1, "transfer-encoding: chunked"),
        ("HTTP/2", HTTP2, "x-none: 1"),
    ] {
        let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
        let url = format!("{}/upload", proxy.url());
        let warm = curl::run(&[version, "-d", "x", &url]).await;
        assert!(warm.text().starts_with("1 "));
        let memory = Memory::of(&proxy);
        let args = [version, "-H", more, "-T", curl::arg(&path), &url];
        let sent = curl::run(&args).await;
        assert_eq!(sent.text(), origin::digest_of(LENGTH), "{what}");
        memory.assert_flat(&format!("256 MiB up, {what}"));
    }
}

/// Reads, writes and what nobody has heard of; with a length and without one.
#[tokio::test]
async fn every_method_may_have_a_body() {
    const LENGTH: u64 = 2 * MIB;
    let _turn = turn::shared().await;
    let origin = Origin::start(|request, _| origin::digest(request)).await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW",
    ];
    for (version, client) in [
        ("1.1", Client::new(proxy.url())),
        ("2", Client::http2(proxy.url())),
    ] {
        for method in methods {
            for measured in [true, false] {
                let mut request = client.request(method, "/any");
                *request.body_mut() = body(LENGTH);
                let headers = request.headers_mut();
                if measured {
                    headers.insert("content-length", LENGTH.into());
                } else if version == "1.1" {
                    headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
                }
                let answer = client.send(request).await;
                let seen = answer.header("x-seen");
                let what = format!("{method}, HTTP/{version}, with a length: {measured}");
                assert_eq!(seen, origin::digest_of(LENGTH), "{what}");
                assert!(!answer.header("cache-status").contains("hit"), "{what}");
            }
        }
    }
}

fn body(length: u64) -> Body {
    let frames = pattern::pieces(length).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}
