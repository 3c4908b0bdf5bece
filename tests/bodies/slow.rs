//! Clients that read a kilobyte a second.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Client, Reading, Version, get};
use crate::gate::Gate;
use crate::support::within;

/// How often it reads a kilobyte.
const EVERY: Duration = Duration::from_secs(1);
/// Room in its socket for what it has not read.
const ROOM: u32 = 4 << 10;

/// The window of its stream.
const SIP_WINDOW: u32 = 1 << 10;

/// One at work.
pub(crate) struct Slow {
    hurry: Gate,
    had: watch::Receiver<usize>,
    reading: JoinHandle<Vec<u8>>,
}

impl Slow {
    /// One of each version. With HTTP/2 it is the cache that cannot send; with HTTP/1.1 there may be
    /// room in the buffers of the system.
    pub(crate) async fn both(address: SocketAddr, path: &str) -> Vec<Self> {
        let one = Client::new(address, Version::One).await;
        let two = Client::with_window(address, SIP_WINDOW).await;
        [one, two].map(|client| Self::start(client, path)).into()
    }

    fn start(client: Client, path: &str) -> Self {
        let hurry = Gate::new();
        let (tell, had) = watch::channel(0);
        let (gate, request) = (hurry.clone(), get(path));
        let reading = tokio::spawn(async move {
            let opened = client.open_with(request, Some(ROOM)).await;
            let mut reading = opened.expect("a head");
            let mut body = Vec::new();
            while !gate.is_open() {
                tokio::select! {
                    () = sleep(EVERY) => sip(&mut reading, &mut body).await,
                    () = gate.pass() => {}
                }
                tell.send_replace(body.len());
            }
            let rest = within("the rest of a slow one", reading.rest()).await;
            assert!(rest.clean, "it was cut off after {} bytes", rest.body.len());
            body.extend(rest.body);
            body
        });
        Self {
            hurry,
            had,
            reading,
        }
    }

    /// What it had until now, and what it has when it reads as fast as it can.
    pub(crate) async fn hurry(self) -> (usize, Vec<u8>) {
        let had = *self.had.borrow();
        self.hurry.open();
        (had, self.reading.await.expect("it reads"))
    }
}

async fn sip(reading: &mut Reading, body: &mut Vec<u8>) {
    let sip = within("a sip", reading.at_least(1)).await;
    assert!(!sip.body.is_empty());
    body.extend(sip.body);
}
