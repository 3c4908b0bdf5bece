//! How long keys live in Redis.

use crate::checks::Finding;
use crate::view::View;

/// No key of Redis is without a TTL, at any time.
pub(super) fn every_key_ends(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("no key without a TTL in redis");
    for sample in &view.notes.samples {
        let wrong = (sample.ttl == -1).then(|| format!("{sample:?}"));
        finding.case_at(sample.at, wrong);
    }
    finding
}
