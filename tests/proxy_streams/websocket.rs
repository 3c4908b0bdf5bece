//! WebSockets through the proxy, with a library for them at both ends: over HTTP/1.1, and over
//! HTTP/2 by the extended CONNECT of RFC 8441.

mod http1;
mod http2;

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use crate::memory::MIB;
use crate::origin::Origin;
use crate::pattern;
use crate::support::proxy::Proxy;
use crate::support::within;

/// What the origin has to report of a WebSocket.
#[derive(Debug)]
enum Report {
    /// It was opened with this head.
    Opened(String, HeaderMap),
    /// It has ended; with this frame, if it was closed by one.
    Ended(Option<CloseFrame>),
}

/// An origin that echoes what it is sent, until it is told to `leave`.
async fn stage() -> (Origin, Proxy, mpsc::Receiver<Report>) {
    let (reports, reported) = mpsc::channel(64);
    let origin = Origin::raw(move |stream, _| {
        let reports = reports.clone();
        async move {
            let mut opened = None;
            #[expect(clippy::result_large_err, reason = "the library's own callback")]
            let note = |request: &Request, mut response: Response| {
                let line = format!("{} {}", request.method(), request.uri());
                opened = Some(Report::Opened(line, request.headers().clone()));
                if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                    let headers = response.headers_mut();
                    headers.insert("sec-websocket-protocol", protocol.clone());
                }
                Ok(response)
            };
            let socket = tokio_tungstenite::accept_hdr_async(stream, note).await;
            let Ok(socket) = socket else { return };
            let opened = opened.expect("it was noted");
            reports.send(opened).await.expect("the test goes on");
            let end = echo(socket).await;
            let _ = reports.send(Report::Ended(end)).await;
        }
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    (origin, proxy, reported)
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
) -> Option<CloseFrame> {
    let mut end = None;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) if text == "leave" => return None,
            Message::Text(_) | Message::Binary(_) => {
                let _ = socket.send(message).await;
            }
            Message::Close(frame) => end = frame,
            _ => {}
        }
    }
    end
}

/// Messages of all kinds and sizes, there and back, and an orderly end.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    reported: &mut mpsc::Receiver<Report>,
) {
    let large = pattern::pieces(4 * MIB).fold(Vec::new(), |mut all, piece| {
        all.extend_from_slice(&piece);
        all
    });
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::text("\u{e4}".repeat(70_000)),
        Message::binary(large),
        Message::Ping("are you there".into()),
        Message::binary(vec![0]),
    ];
    for message in messages {
        let expected = match &message {
            Message::Ping(data) => Message::Pong(data.clone()),
            other => other.clone(),
        };
        within("a message", socket.send(message))
            .await
            .expect("the socket is open");
        assert_eq!(heard(socket).await, Some(expected));
    }
    let goodbye = CloseFrame {
        code: CloseCode::Away,
        reason: "enough".into(),
    };
    within("the close", socket.close(Some(goodbye.clone())))
        .await
        .expect("the socket is open");
    assert_eq!(
        heard(socket).await,
        Some(Message::Close(Some(goodbye.clone())))
    );
    assert_eq!(heard(socket).await, None);
    assert_eq!(ended(reported).await, Some(goodbye));
}

/// The next message; none at the end, however it comes.
async fn heard<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Option<Message> {
    within("a message", socket.next()).await?.ok()
}

async fn opened(reported: &mut mpsc::Receiver<Report>) -> (String, HeaderMap) {
    match within("a WebSocket at the origin", reported.recv()).await {
        Some(Report::Opened(line, headers)) => (line, headers),
        other => panic!("no WebSocket was opened: {other:?}"),
    }
}

async fn ended(reported: &mut mpsc::Receiver<Report>) -> Option<CloseFrame> {
    match within("the end at the origin", reported.recv()).await {
        Some(Report::Ended(frame)) => frame,
        other => panic!("no WebSocket has ended: {other:?}"),
    }
}
