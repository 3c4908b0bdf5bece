//! Request and response flow at once: the origin's answer to a piece comes before the next piece.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::memory::MIB;
use crate::origin::Origin;
use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::{pattern, turn};

#[tokio::test]
async fn an_echo_comes_back_while_the_upload_still_runs() {
    let _turn = turn::shared().await;
    let origin = Origin::start(|request, _| async {
        let body = request.into_body();
        Response::new(body.boxed_unsync())
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    for (two, client) in [
        (false, Client::new(proxy.url())),
        (true, Client::http2(proxy.url())),
    ] {
        for method in ["POST", "GET", "OPTIONS"] {
            let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
            let pieces = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
            let frames = futures_util::StreamExt::map(pieces, |piece| {
                Ok::<_, Infallible>(Frame::data(piece))
            });
            let mut request = client.request(method, "/echo");
            if !two {
                let chunked = HeaderValue::from_static("chunked");
                request.headers_mut().insert("transfer-encoding", chunked);
            }
            *request.body_mut() = StreamBody::new(frames).boxed_unsync();
            let mut body = client.open(request).await.into_body();
            for piece in pattern::pieces(4 * MIB) {
                sender.send(piece.clone()).await.expect("the proxy reads");
                let mut back = Vec::new();
                while back.len() < piece.len() {
                    let frame = within("the echo of a piece", body.frame()).await;
                    let frame = frame.expect("the echo goes on").expect("and is whole");
                    back.extend_from_slice(frame.data_ref().expect("data"));
                }
                assert_eq!(back, piece);
            }
            drop(sender);
            let rest = within("the end", body.collect()).await;
            assert_eq!(rest.expect("a clean end").to_bytes(), "");
        }
    }
}
