//! The extended CONNECT of RFC 8441.

use bytes::Bytes;
use futures_util::SinkExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::{converse, ended, heard, opened, stage};
use crate::origin::{Origin, read_head, say};
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::turn;

type Sender = SendRequest<Empty<Bytes>>;
type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection whose settings have been exchanged.
async fn connect(proxy: &Proxy) -> Sender {
    let stream = TcpStream::connect(proxy.address()).await;
    let stream = TokioIo::new(stream.expect("the proxy listens"));
    let shaken = handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = shaken.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let options = Request::connect("example.com:443").body(Empty::new());
    let plain = sender.send_request(options.expect("a valid request"));
    let plain = within("the settings", plain).await.expect("an answer");
    assert_eq!(plain.status(), StatusCode::METHOD_NOT_ALLOWED);
    sender
}

async fn ask(
    sender: &mut Sender,
    proxy: &Proxy,
    protocol: &'static str,
) -> Result<(Socket, HeaderMap), StatusCode> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("{}/chat?room=1", proxy.url()))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat.v1")
        // A tunnel has nothing to do with what a cache may hold.
        .header("cache-control", "only-if-cached")
        .body(Empty::new());
    let response = sender.send_request(request.expect("a valid request"));
    let response = within("the tunnel", response).await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    if status != StatusCode::OK {
        return Err(status);
    }
    let upgraded = hyper::upgrade::on(response).await.expect("a tunnel");
    let stream = TokioIo::new(upgraded);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    Ok((socket, headers))
}

#[tokio::test]
async fn messages_go_both_ways_over_http_2() {
    let _turn = turn::shared().await;
    let (_origin, proxy, mut reported) = stage().await;
    let mut sender = connect(&proxy).await;
    let asked = ask(&mut sender, &proxy, "websocket").await;
    let (mut socket, headers) = asked.expect("a WebSocket");
    assert_eq!(headers["sec-websocket-protocol"], "chat.v1");
    for gone in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    let (line, headers) = opened(&mut reported).await;
    assert_eq!(line, "GET /chat?room=1");
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["via"], "2 bellwether");
    converse(&mut socket, &mut reported).await;
}

#[tokio::test]
async fn many_of_one_connection_are_apart_and_have_keys_of_their_own() {
    let _turn = turn::shared().await;
    let (_origin, proxy, mut reported) = stage().await;
    let mut sender = connect(&proxy).await;
    let (mut sockets, mut keys) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let asked = ask(&mut sender, &proxy, "websocket").await;
        sockets.push(asked.expect("a WebSocket").0);
        let (_, headers) = opened(&mut reported).await;
        keys.push(headers["sec-websocket-key"].to_str().unwrap().to_owned());
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 8);
    let message = |number: usize| Message::text(format!("to {number}"));
    for (number, socket) in sockets.iter_mut().enumerate() {
        let sent = socket.send(message(number)).await;
        sent.expect("the socket is open");
    }
    for (number, socket) in sockets.iter_mut().enumerate().rev() {
        assert_eq!(heard(socket).await, Some(message(number)));
    }
}

#[tokio::test]
async fn the_end_of_one_side_is_the_end_of_the_other_over_http_2() {
    let _turn = turn::shared().await;
    let (_origin, proxy, mut reported) = stage().await;
    let mut sender = connect(&proxy).await;
    let asked = ask(&mut sender, &proxy, "websocket").await;
    let (socket, _) = asked.expect("a WebSocket");
    opened(&mut reported).await;
    drop(socket);
    assert_eq!(ended(&mut reported).await, None);

    // The connection outlives its tunnels.
    let asked = ask(&mut sender, &proxy, "websocket").await;
    let (mut socket, _) = asked.expect("a WebSocket");
    opened(&mut reported).await;
    let leave = socket.send(Message::text("leave")).await;
    leave.expect("the socket is open");
    assert_eq!(ended(&mut reported).await, None);
    assert_eq!(heard(&mut socket).await, None);
}

#[tokio::test]
async fn only_a_websocket_is_a_tunnel_and_only_if_the_origin_agrees() {
    let _turn = turn::shared().await;
    let (_origin, proxy, _reported) = stage().await;
    let mut sender = connect(&proxy).await;
    let other = ask(&mut sender, &proxy, "connect-udp").await;
    assert_eq!(other.err(), Some(StatusCode::METHOD_NOT_ALLOWED));

    let wrong = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 4\r\n\r\npage";
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    for (answer, status) in [
        (wrong, StatusCode::BAD_GATEWAY),
        (page, StatusCode::BAD_GATEWAY),
        (refusal, StatusCode::FORBIDDEN),
    ] {
        let origin = Origin::raw(move |mut stream, _| async move {
            while read_head(&mut stream).await.is_ok() {
                say(&mut stream, answer).await;
            }
        })
        .await;
        let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
        let mut sender = connect(&proxy).await;
        for _ in 0..2 {
            let asked = ask(&mut sender, &proxy, "websocket").await;
            assert_eq!(asked.err(), Some(status), "{answer}");
        }
    }
}
