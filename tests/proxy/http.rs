//! The proxy as a hop: what it changes on the way, and whom a request is for.

use http::header::{CONNECTION, HOST, HeaderValue, TE, VIA};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::Client;
use crate::support::origin::{Origin, Page};
use crate::support::proxy::Proxy;
use crate::support::within;

async fn pair() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    (origin, proxy)
}

/// Sends bytes on a connection of their own and reads what comes until it is closed.
async fn raw(proxy: &Proxy, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address())
        .await
        .expect("the proxy listens");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the proxy reads");
    let mut answer = String::new();
    let read = within("a raw answer", stream.read_to_string(&mut answer)).await;
    read.expect("the proxy answers in text");
    answer
}

#[tokio::test]
async fn fields_of_one_hop_do_not_pass_in_either_direction() {
    let (origin, proxy) = pair().await;
    let page = Page::new("x")
        .header("connection", "x-hop")
        .header("x-hop", "1");
    let page = page.header("keep-alive", "timeout=9").header("x-end", "1");
    origin.serve("/hop", page.cache_control("no-store"));

    let client = proxy.client();
    let mut request = client.request("GET", "/hop");
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("x-mine"));
    headers.insert("x-mine", HeaderValue::from_static("1"));
    headers.insert("x-own", HeaderValue::from_static("1"));
    headers.insert(
        "proxy-authorization",
        HeaderValue::from_static("Basic eA=="),
    );
    headers.insert(TE, HeaderValue::from_static("trailers, gzip"));
    let answer = client.send(request).await;
    assert_eq!(answer.text(), "x");
    assert_eq!(answer.header("x-end"), "1");
    for gone in ["x-hop", "keep-alive"] {
        assert_eq!(answer.header(gone), "", "{gone}");
    }
    assert_eq!(answer.header("via"), "1.1 bellwether");

    let [head] = &origin.heads("/hop")[..] else {
        panic!("the origin was asked once");
    };
    for gone in ["x-mine", "proxy-authorization"] {
        assert!(!head.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(head.headers["x-own"], "1");
    assert_eq!(head.headers[TE], "trailers");
    assert_eq!(head.headers[VIA], "1.1 bellwether");
    assert_eq!(head.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(head.headers["x-forwarded-proto"], "http");
    assert_eq!(head.headers["forwarded"], "for=127.0.0.1;proto=http");
}

#[tokio::test]
async fn the_nodes_own_address_is_the_origins_site_and_any_other_host_is_kept() {
    let (origin, proxy) = pair().await;
    let client = proxy.client();
    let localhost = format!("localhost:{}", proxy.address().port());
    for (path, host, seen) in [
        ("/own", None, origin.authority()),
        ("/localhost", Some(localhost.as_str()), origin.authority()),
        ("/site", Some("shop.example"), "shop.example".to_owned()),
        ("/port", Some("127.0.0.1:1"), "127.0.0.1:1".to_owned()),
    ] {
        let mut request = client.request("GET", path);
        if let Some(host) = host {
            let host = HeaderValue::from_str(host).unwrap();
            request.headers_mut().insert(HOST, host);
        }
        assert_eq!(client.send(request).await.status, 200);
        let head = &origin.heads(path)[0];
        assert_eq!(head.headers[HOST], seen, "{path}");
        let forwarded = head.headers.get("x-forwarded-host");
        let kept = (seen != origin.authority()).then_some(seen.as_str());
        assert_eq!(forwarded.map(|host| host.to_str().unwrap()), kept, "{path}");
    }
}

#[tokio::test]
async fn old_and_unclear_requests_are_told_apart() {
    let (origin, proxy) = pair().await;
    let old = raw(&proxy, "GET /old HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
    assert_eq!(origin.heads("/old")[0].headers[HOST], origin.authority());
    assert_eq!(origin.heads("/old")[0].headers[VIA], "1.0 bellwether");

    for (bad, status) in [
        ("GET /bad HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        (
            "GET /bad HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET /bad HTTP/1.1\r\nhost: a/b\r\nconnection: close\r\n\r\n",
            "400",
        ),
        (
            "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\nconnection: close\r\n\r\n",
            "405",
        ),
    ] {
        let answer = raw(&proxy, bad).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{bad}: {answer}"
        );
    }
    assert_eq!(origin.requests_to("/bad"), 0);

    let absolute = "GET http://shop.example/abs?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(raw(&proxy, absolute).await.starts_with("HTTP/1.1 200"));
    let head = &origin.heads("/abs")[0];
    assert_eq!(
        (head.uri.to_string().as_str(), &head.headers[HOST]),
        ("/abs?q", &"shop.example".parse().unwrap())
    );
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_too() {
    let (origin, proxy) = pair().await;
    origin.serve("/two", Page::new("over two"));
    let answer = Client::http2(proxy.url()).get("/two?x=1").await;
    assert_eq!(answer.text(), "over two");
    let head = &origin.heads("/two")[0];
    assert_eq!(head.uri, "/two?x=1");
    assert_eq!(head.headers[HOST], origin.authority());
    assert_eq!(head.headers[VIA], "2 bellwether");
}

#[tokio::test]
async fn an_unreachable_origin_is_a_502_that_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let proxy = Proxy::spawn(&["--origin", &nobody]).await;
    for (method, path, fwd) in [("GET", "/a", "fwd=miss"), ("POST", "/b", "fwd=method")] {
        let client = proxy.client();
        let answer = client.send(client.request(method, path)).await;
        assert_eq!(answer.status, 502);
        let status = answer.header("cache-status");
        assert!(status.starts_with("bellwether; "), "{status}");
        assert!(
            status.contains(fwd) && status.contains("detail=origin-unreachable"),
            "{status}"
        );
    }
    assert!(!proxy.stderr().contains("panic"), "{}", proxy.stderr());
}

/// hyper's client takes interim responses in, and its server sends none but 100: they end here, and
/// leave nothing behind (RFC 9110 §15.2).
#[tokio::test]
async fn interim_responses_are_dropped_and_nothing_of_them_is_stored() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the proxy connects");
        let mut head = [0; 2048];
        let _ = stream.read(&mut head).await.expect("the proxy asks");
        let interim = "HTTP/1.1 102 Processing\r\nx-interim: 1\r\n\r\n\
                       HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\
                       cache-control: no-store\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 4\r\n\r\nbody";
        for part in [interim, last] {
            stream
                .write_all(part.as_bytes())
                .await
                .expect("the proxy reads");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stream
    });
    let proxy = Proxy::spawn(&["--origin", &format!("http://{address}")]).await;
    let client = proxy.client();
    for status in ["fwd=miss", "; hit"] {
        let answer = client.send(client.request("GET", "/")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "body"));
        assert!(answer.header("cache-status").contains(status));
        for gone in ["x-interim", "link"] {
            assert_eq!(answer.header(gone), "", "{gone}");
        }
    }
    drop(served.await.expect("one request was enough"));
}
