//! Server-sent events: each is there before the next is sent, every listener has the origin to
//! itself, and whoever leaves lets go of it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::curl::{self, HTTP1, HTTP2};
use crate::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::turn;

/// What "promptly" and "well before" mean on a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// The origin's end of one stream of events.
struct Stream {
    peer: SocketAddr,
    events: mpsc::Sender<Bytes>,
}

/// One who listens.
struct Listener {
    client: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    async fn hear(&mut self, text: &str) {
        let line = timeout(SOON, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{text:?} does not come"));
        let line = line.expect("it is text").expect("it goes on");
        assert_eq!(line, format!("data: {text}"));
        let blank = timeout(SOON, self.lines.next_line()).await;
        let blank = blank.expect("the rest comes").expect("it is text");
        assert_eq!(blank.as_deref(), Some(""));
    }
}

impl Stream {
    async fn say(&self, text: &str) {
        let event = format!("data: {text}\n\n");
        let said = self.events.send(event.into()).await;
        said.expect("the proxy listens");
    }
}

/// An origin that reports each stream it is asked for.
async fn stage() -> (Origin, Proxy, mpsc::Receiver<Stream>) {
    let (streams, opened) = mpsc::channel(8);
    let origin = Origin::start(move |_, peer| {
        let streams = streams.clone();
        async move {
            let (events, mut told) = mpsc::channel::<Bytes>(1);
            let stream = Stream { peer, events };
            streams.send(stream).await.expect("the test goes on");
            let events = futures_util::stream::poll_fn(move |cx| told.poll_recv(cx));
            let frames = futures_util::StreamExt::map(events, |event| Ok(Frame::data(event)));
            let response = Response::builder()
                .header("content-type", "text/event-stream")
                // Even if the origin forgets that nobody may keep it.
                .header("cache-control", "max-age=60")
                .body(StreamBody::new(frames).boxed_unsync());
            response.expect("tests write valid responses")
        }
    })
    .await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    (origin, proxy, opened)
}

async fn listen(
    version: &str,
    proxy: &Proxy,
    opened: &mut mpsc::Receiver<Stream>,
) -> (Listener, Stream) {
    let mut client = curl::start(&[version, "-N", &format!("{}/events", proxy.url())]);
    let stream = within("a request for events", opened.recv()).await;
    let stdout = client.stdout.take().expect("it is piped");
    let lines = BufReader::new(stdout).lines();
    let listener = Listener { client, lines };
    (listener, stream.expect("the origin lives"))
}

#[tokio::test]
async fn each_event_is_heard_before_the_next_is_sent() {
    let _turn = turn::shared().await;
    for version in [HTTP1, HTTP2] {
        let (_origin, proxy, mut opened) = stage().await;
        let (mut listener, stream) = listen(version, &proxy, &mut opened).await;
        for number in 0..20 {
            let text = format!("event {number}");
            stream.say(&text).await;
            listener.hear(&text).await;
        }
        drop(stream);
        let ended = within("the end", listener.client.wait()).await;
        assert!(ended.expect("it runs").success(), "a clean end");
    }
}

#[tokio::test]
async fn two_listeners_have_a_stream_each_and_one_that_leaves_lets_go_of_it() {
    let _turn = turn::shared().await;
    for version in [HTTP1, HTTP2] {
        let (_origin, proxy, mut opened) = stage().await;
        let (mut first, to_first) = listen(version, &proxy, &mut opened).await;
        // So that the second comes while the first is served, whichever way that is.
        to_first.say("hello").await;
        first.hear("hello").await;
        let (mut second, to_second) = listen(version, &proxy, &mut opened).await;
        assert_ne!(to_first.peer, to_second.peer, "connections of their own");
        to_first.say("for the first").await;
        to_second.say("for the second").await;
        first.hear("for the first").await;
        second.hear("for the second").await;

        first.client.kill().await.expect("it runs");
        let left = timeout(SOON, to_first.events.closed()).await;
        left.expect("the origin's stream ends with its listener");
        to_second.say("still there?").await;
        second.hear("still there?").await;
        assert!(!to_second.events.is_closed());
    }
}
