//! What flows through the proxy: bodies both ways, tunnels, and the admin port beside it.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::UPGRADE;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::client::Client;
use crate::support::origin::{Origin, Page, Part};
use crate::support::proxy::Proxy;
use crate::support::{until, within};

async fn pair() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_body_begins_before_the_origin_has_ended_it() {
    let (origin, proxy) = pair().await;
    for (path, cache_control) in [("/stored", "max-age=60"), ("/passed", "no-store")] {
        let parts = [
            Part::Data("first".into()),
            Part::Hold,
            Part::Data("last".into()),
        ];
        origin.serve(path, Page::parts(parts).cache_control(cache_control));
        let client = proxy.client();
        let mut body = client.open(client.request("GET", path)).await.into_body();
        let first = within("the first part", body.frame())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(first.into_data().unwrap(), "first");
        // The origin has been asked for more by now, or will be: it has to wait before we let go.
        until("the rest has come", {
            let rest = tokio::spawn(body.collect());
            let origin = &origin;
            move || {
                origin.release();
                rest.is_finished()
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_body_that_the_origin_breaks_off_breaks_off_for_the_client() {
    let (origin, proxy) = pair().await;
    for (path, cache_control) in [("/stored", "max-age=60"), ("/passed", "no-store")] {
        let parts = [Part::Data("first".into()), Part::Hold, Part::Break];
        origin.serve(path, Page::parts(parts).cache_control(cache_control));
        let client = proxy.client();
        let mut body = client.open(client.request("GET", path)).await.into_body();
        within("the first part", body.frame())
            .await
            .unwrap()
            .unwrap();
        let rest = tokio::spawn(body.collect());
        until("the break has come", || {
            origin.release();
            rest.is_finished()
        })
        .await;
        assert!(
            rest.await.unwrap().is_err(),
            "{path}: a broken body is no clean end"
        );
    }
}

#[tokio::test]
async fn a_request_body_is_passed_on_as_it_comes() {
    let (origin, proxy) = pair().await;
    let (sender, mut receiver) = mpsc::channel::<&'static str>(1);
    let frames = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let frames = futures_util::StreamExt::map(frames, |data| {
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(data.as_bytes())))
    });
    let client = proxy.client();
    let mut request = client.request("POST", "/upload");
    *request.body_mut() = StreamBody::new(frames).boxed_unsync();
    let answer = tokio::spawn(async move { client.send(request).await });
    sender.send("first").await.unwrap();
    until("the origin has the head", || {
        origin.requests_to("/upload") == 1
    })
    .await;
    drop(sender);
    assert_eq!(answer.await.unwrap().status, 200);
}

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let proxy = Proxy::spawn(&["--origin", &url]).await;
    tokio::spawn(async move {
        let (mut stream, _) = origin.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.contains("upgrade: echo"), "{head}");
        let switch =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(switch.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let ask = "GET /ws HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let head = within("the switch", read_head(&mut stream))
        .await
        .to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(
        head.contains(UPGRADE.as_str()) && head.contains("connection: upgrade"),
        "{head}"
    );
    stream.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    within("the echo", stream.read_exact(&mut echo))
        .await
        .unwrap();
    assert_eq!(&echo, b"ping");
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head has an end"));
    }
    String::from_utf8(head).expect("a head is text")
}

#[tokio::test]
async fn the_admin_port_answers_its_three_requests_and_no_other() {
    let origin = Origin::start().await;
    // A port has to be known beforehand: only the proxy's own address is printed.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let proxy = Proxy::spawn(&["--origin", &origin.url(), "--admin", &admin]).await;
    let client = Client::new(format!("http://{admin}"));
    assert_eq!(client.get("/health").await.text(), "ok\n");
    let stats = client.get("/stats").await;
    assert_eq!(stats.header("content-type"), "application/json");
    assert!(stats.text().starts_with("{\"hits\":") && stats.text().ends_with("}\n"));

    let purge = format!("/purge?uri={}/page", proxy.url());
    let answer = client.send(client.request("POST", &purge)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), format!("purged {}/page\n", origin.url()));
    for (method, path, status) in [
        ("POST", "/purge", 400),
        ("POST", "/purge?uri=/page", 400),
        ("GET", purge.as_str(), 405),
        ("POST", "/stats", 405),
        ("GET", "/", 404),
    ] {
        let answer = client.send(client.request(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}
