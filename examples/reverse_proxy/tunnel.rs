//! Two upgraded connections joined: WebSocket and its kin, once both sides have switched.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

/// Copies both ways until either side ends. In its own task: the request is over by then.
pub(crate) fn spawn(client: OnUpgrade, origin: OnUpgrade) {
    tokio::spawn(async move {
        let (client, origin) = match tokio::try_join!(client, origin) {
            Ok(sides) => sides,
            Err(error) => return tracing::debug!(%error, "an upgrade was not completed"),
        };
        let (mut client, mut origin) = (TokioIo::new(client), TokioIo::new(origin));
        // An error here is one side leaving without a word, which is how tunnels end.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
    });
}
