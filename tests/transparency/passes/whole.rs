//! Whole files: out of nginx alone, into the store, and out of it.

use std::sync::Arc;

use crate::check::{is_hit, status};
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};

/// What all else is compared with, with and without gzip.
pub(crate) async fn direct(stage: &Arc<Stage>) -> Tally {
    pass(
        "direct",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let ask = Ask::get(&page.path);
            let (plain, gzip) = (
                check.direct(&ask).await,
                check.direct(&ask.clone().gzip()).await,
            );
            // Else it would be a poor measure.
            let good = plain.status == 200
                && plain.body.len() as u64 == page.size
                && ["etag", "last-modified"]
                    .iter()
                    .all(|name| plain.headers.contains_key(*name));
            check.claim(&ask, &plain, "a 200 of the file, with validators", good);
            page.plain.set(plain).expect("asked for once");
            page.gzip.set(gzip).expect("asked for once");
            check
        },
    )
    .await
}

/// Nothing is stored yet.
pub(crate) async fn cold(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass("cold", stage, &stage.pages, |mut check, page| async move {
        let ask = Ask::get(&page.path);
        let got = check.through(&ask).await;
        check.same(&ask, page.plain(), &got, page.plain().body.len());
        let said = status(&got);
        let miss = said.contains("; fwd=miss");
        let stored = said.contains("; stored") == page.fits();
        check.claim(&ask, &got, "a miss", miss);
        check.claim(&ask, &got, "stored if it is small enough", stored);
        check
    })
    .await;
    for page in &stage.pages {
        tally.asked_just(&page.path, &[200]);
    }
    tally
}

/// All that is small enough is stored.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass("warm", stage, &stage.pages, |mut check, page| async move {
        let ask = Ask::get(&page.path);
        let got = check.through(&ask).await;
        check.same(&ask, page.plain(), &got, page.plain().body.len());
        let hit = is_hit(&got) == page.fits();
        check.claim(&ask, &got, "a hit if it is small enough", hit);
        check
    })
    .await;
    for page in &stage.pages {
        tally.asked_just(&page.path, if page.fits() { &[] } else { &[200] });
    }
    tally
}
