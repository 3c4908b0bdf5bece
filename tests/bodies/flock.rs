//! The clients of a body that breaks off, and what each of them may get.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, Got, Reading, Version, get};
use crate::cuts::Cut;
use crate::support::within;

/// Clients of each body that breaks off: one leads, the others follow.
pub(crate) const FLOCK: usize = 3;
/// Bodies that are cut at once.
const AT_ONCE: usize = 24;

/// Some connections to one node.
pub(crate) struct Lines {
    one: Client,
    two: Vec<Client>,
}

impl Lines {
    pub(crate) async fn open(address: std::net::SocketAddr) -> Self {
        let mut two = Vec::new();
        for _ in 0..4 {
            two.push(Client::new(address, Version::Two).await);
        }
        let one = Client::new(address, Version::One).await;
        Self { one, two }
    }

    pub(crate) fn client(&self, number: usize) -> &Client {
        match Version::turns(number) {
            Version::One => &self.one,
            Version::Two => &self.two[number / 2 % self.two.len()],
        }
    }
}

/// What became of the clients of cuts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) broken: usize,
    /// Whole, of a successor: only where the cut does not wait for everybody.
    pub(crate) whole: usize,
    /// Without a head, which was not on its way yet: only where the cut does not wait.
    pub(crate) headless: usize,
    /// An error for a response, because not even the origin's head came through. The same.
    pub(crate) refused: usize,
}

/// What came instead of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoBody {
    Nothing(String),
    Status(u16, String),
}

/// A response of which the head says `200`, or the lack of one.
pub(crate) async fn open(client: &Client, path: &str) -> Result<Reading, NoBody> {
    let reading = within(path, client.open(get(path))).await;
    let reading = reading.map_err(NoBody::Nothing)?;
    match reading.status {
        200 => Ok(reading),
        other => Err(NoBody::Status(
            other,
            reading.header("cache-status").to_owned(),
        )),
    }
}

/// Cuts one body under its flock, and then asks for it again, here and on another node.
async fn cut_one(
    cut: &Cut,
    number: usize,
    requests: &impl Fn(&str) -> usize,
    nodes: &[Lines; 2],
) -> Tally {
    let (path, body) = (&cut.path[..], cut.body());
    let mut tally = Tally::default();
    let opening = (0..FLOCK).map(|one| open(nodes[0].client(number + one), path));
    let opened = futures_util::future::join_all(opening).await;
    if let Some(gate) = &cut.gate {
        let failed = opened.iter().find_map(|opened| opened.as_ref().err());
        assert_eq!(failed, None, "{cut:?}: the head is there");
        assert_eq!(requests(path), 1, "{cut:?}: one leads");
        gate.open();
    }
    let reading = opened.into_iter().map(|opened| async move {
        match opened {
            Ok(mut reading) => Ok(within(path, reading.rest()).await),
            Err(error) => Err(error),
        }
    });
    for got in futures_util::future::join_all(reading).await {
        match got {
            Ok(Got { body: whole, clean }) if clean && cut.gate.is_none() && whole == body => {
                tally.whole += 1;
            }
            Ok(Got { body: part, clean }) => {
                assert!(!clean, "{cut:?}: a clean end after {} bytes", part.len());
                assert!(part.len() <= cut.come(), "{cut:?}: {}", part.len());
                assert!(body.starts_with(&part), "{cut:?}: other bytes");
                tally.broken += 1;
            }
            Err(NoBody::Nothing(_)) if cut.gate.is_none() => tally.headless += 1,
            Err(NoBody::Status(502, _)) if cut.gate.is_none() => tally.refused += 1,
            Err(error) => panic!("{cut:?}: {error:?}"),
        }
    }
    // Nothing is stored, on this node or where the fleet looks, and nobody waits for a back-off.
    let before = requests(path);
    let first = number % 2;
    for (node, asked) in [(first, "first"), (1 - first, "second"), (first, "again")] {
        let client = nodes[node].client(number / 2);
        let (status, got) = within(path, client.get(path)).await;
        assert_eq!(status, 200, "{cut:?}, {asked}");
        assert!(got.clean && got.body == body, "{cut:?}, {asked}: not whole");
    }
    if cut.gate.is_some() {
        assert_eq!(before, 1, "{cut:?}");
        assert_eq!(requests(path), 2, "{cut:?}: a successor, and then hits");
    }
    tally
}

/// Cuts them all, many at once. `requests` tells how many the origin has had to a path.
pub(crate) async fn cut_all(
    cuts: Vec<Cut>,
    nodes: [Lines; 2],
    requests: impl Fn(&str) -> usize + Send + Sync + 'static,
) -> Tally {
    let shared = Arc::new((nodes, requests, Semaphore::new(AT_ONCE)));
    let mut running = JoinSet::new();
    for (number, cut) in cuts.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        running.spawn(async move {
            let (nodes, requests, places) = &*shared;
            let _place = places.acquire().await.expect("it stays open");
            cut_one(&cut, number, requests, nodes).await
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = running.join_next().await {
        let tally = tally.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        all.broken += tally.broken;
        all.whole += tally.whole;
        all.headless += tally.headless;
        all.refused += tally.refused;
    }
    all
}
