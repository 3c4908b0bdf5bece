//! Trailers reach who can take them, and a HEAD has the head of a GET.

use http::header::{CONNECTION, HeaderValue, TE};
use http_body_util::BodyExt;

use crate::origin::{Origin, read_head, say};
use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::turn;

/// `/name?directive` is answered in chunks, under that directive, with a trailer at the end. To
/// HEAD without a body.
async fn stage() -> (Origin, Proxy) {
    let origin = Origin::raw(|mut stream, _| async move {
        while let Ok(head) = read_head(&mut stream).await {
            let (_, rest) = head.split_once('?').expect("a query");
            let (directive, _) = rest.split_once(' ').expect("a request line");
            let start = format!("HTTP/1.1 200 OK\r\ncache-control: {directive}\r\n");
            say(&mut stream, &start).await;
            if head.starts_with("head ") || head.contains("/length") {
                say(&mut stream, "content-length: 10\r\n\r\n").await;
                if !head.starts_with("head ") {
                    say(&mut stream, "first last").await;
                }
                continue;
            }
            let end = "trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                       6\r\nfirst \r\n4\r\nlast\r\n0\r\nx-sum: 42\r\n\r\n";
            say(&mut stream, end).await;
        }
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    (origin, proxy)
}

#[tokio::test]
async fn trailers_of_a_miss_reach_who_can_take_them() {
    let _turn = turn::shared().await;
    let (_origin, proxy) = stage().await;
    let one = || Client::new(proxy.url());
    for (number, (client, te, sum)) in [
        (one(), true, Some("42")),
        (one(), false, None),
        (Client::http2(proxy.url()), true, Some("42")),
        (Client::http2(proxy.url()), false, Some("42")),
    ]
    .into_iter()
    .enumerate()
    {
        for directive in ["no-store", "max-age=60"] {
            let page = format!("/page{number}?{directive}");
            let mut request = client.request("GET", &page);
            if te {
                let headers = request.headers_mut();
                headers.insert(TE, HeaderValue::from_static("trailers"));
                if number < 2 {
                    headers.insert(CONNECTION, HeaderValue::from_static("te"));
                }
            }
            let response = client.open(request).await;
            let status = response.headers()["cache-status"].to_str().unwrap();
            assert!(status.contains("fwd=miss"), "{page}: {status}");
            let body = within("the body", response.into_body().collect()).await;
            let body = body.expect("a clean end");
            let trailers = body.trailers().cloned().unwrap_or_default();
            let seen = trailers.get("x-sum").map(|sum| sum.to_str().unwrap());
            assert_eq!(seen, sum, "{page}, te: {te}");
            assert_eq!(body.to_bytes(), "first last", "{page}");
        }
        // They are not stored, so a hit announces none.
        let hit = client.get(&format!("/page{number}?max-age=60")).await;
        assert!(hit.header("cache-status").contains("hit"));
        assert_eq!(hit.text(), "first last");
        assert!(!hit.headers.contains_key("trailer"));
    }
}

#[tokio::test]
async fn a_head_has_the_head_of_a_get_and_no_body() {
    let _turn = turn::shared().await;
    let (_origin, proxy) = stage().await;
    for client in [Client::new(proxy.url()), Client::http2(proxy.url())] {
        for directive in ["no-store", "max-age=60"] {
            // On one connection: a body would be taken for the head of the next answer.
            for method in ["HEAD", "HEAD", "GET", "HEAD"] {
                let page = format!("/length?{directive}");
                let answer = client.send(client.request(method, &page)).await;
                assert_eq!(answer.status, 200, "{method} {page}");
                assert_eq!(answer.header("content-length"), "10", "{method} {page}");
                let body = if method == "GET" { "first last" } else { "" };
                assert_eq!(answer.text(), body, "{method} {page}");
            }
        }
    }
}
