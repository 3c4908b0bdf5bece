//! The upgrade of RFC 6455.

use futures_util::SinkExt;
use http::HeaderValue;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::{converse, ended, heard, opened, stage};
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::turn;

async fn open(proxy: &Proxy) -> WebSocketStream<TcpStream> {
    let url = format!("ws://{}/chat?room=1", proxy.address());
    let mut request = url.into_client_request().expect("a valid URL");
    let protocol = HeaderValue::from_static("chat.v1");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol.clone());
    let stream = TcpStream::connect(proxy.address()).await;
    let stream = stream.expect("the proxy listens");
    let opening = tokio_tungstenite::client_async(request, stream);
    let (socket, response) = within("the upgrade", opening).await.expect("a WebSocket");
    assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
    socket
}

#[tokio::test]
async fn messages_go_both_ways_over_http_1_1() {
    let _turn = turn::shared().await;
    let (_origin, proxy, mut reported) = stage().await;
    let mut socket = open(&proxy).await;
    let (line, _) = opened(&mut reported).await;
    assert_eq!(line, "GET /chat?room=1");
    converse(&mut socket, &mut reported).await;
}

#[tokio::test]
async fn the_end_of_one_side_is_the_end_of_the_other_over_http_1_1() {
    let _turn = turn::shared().await;
    let (_origin, proxy, mut reported) = stage().await;
    let socket = open(&proxy).await;
    opened(&mut reported).await;
    drop(socket);
    assert_eq!(ended(&mut reported).await, None);

    let mut socket = open(&proxy).await;
    opened(&mut reported).await;
    let leave = socket.send(Message::text("leave")).await;
    leave.expect("the socket is open");
    assert_eq!(ended(&mut reported).await, None);
    assert_eq!(heard(&mut socket).await, None);
}
