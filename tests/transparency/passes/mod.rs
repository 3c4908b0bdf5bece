//! The ways of asking. Each builds on what those before it have left in the cache.

mod cases;
mod conditional;
mod errors;
#[cfg(feature = "redis")]
mod fleet;
mod gzip;
mod head;
mod judge;
mod large;
mod parts;
mod ranges;
mod revalidated;
mod whole;

use std::sync::Arc;

use crate::pass::Tally;
use crate::stage::Stage;

/// All passes in their order.
pub(crate) async fn all(stage: &Arc<Stage>) -> Vec<Tally> {
    vec![
        whole::direct(stage).await,
        whole::cold(stage).await,
        whole::warm(stage).await,
        gzip::cold(stage).await,
        gzip::warm(stage).await,
        head::warm(stage).await,
        head::cold(stage).await,
        conditional::warm(stage).await,
        ranges::warm(stage).await,
        ranges::cold(stage).await,
        ranges::gzip(stage).await,
        large::large(stage).await,
        revalidated::plain(stage).await,
        revalidated::gzip(stage).await,
        errors::errors(stage).await,
        #[cfg(feature = "redis")]
        fleet::fleet(stage).await,
    ]
}
