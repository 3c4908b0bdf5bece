//! A client that notes when it had what of a body.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::client::Client;

/// When a client had what.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The first byte.
    pub(crate) first: Instant,
    /// Each piece to its last byte.
    pub(crate) pieces: Vec<Instant>,
    /// The clean end.
    pub(crate) end: Instant,
}

/// Asks, says so, and reads to the clean end of what has to be `whole`.
pub(crate) async fn watch(
    client: Client,
    request: Request<()>,
    whole: Arc<[u8]>,
    piece: usize,
    asked: oneshot::Sender<()>,
) -> Seen {
    let tell = || {
        let _ = asked.send(());
    };
    let reading = client.open_telling(request, None, tell).await;
    let mut reading = reading.expect("a head");
    assert_eq!(reading.status, 200);
    let (mut had, mut first, mut pieces) = (0, None, Vec::new());
    while let Some(bytes) = reading.piece().await.expect("a whole body") {
        let now = Instant::now();
        first.get_or_insert(now);
        assert!(whole[had..].starts_with(&bytes), "other bytes at {had}");
        had += bytes.len();
        while pieces.len() < had / piece {
            pieces.push(now);
        }
    }
    assert_eq!(had, whole.len());
    Seen {
        first: first.expect("it is not empty"),
        pieces,
        end: Instant::now(),
    }
}

/// What this share of all do not exceed.
pub(crate) fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index among a few thousand"
    )]
    let at = (last as f64 * share).ceil() as usize;
    times.get(at).copied().unwrap_or_default()
}
