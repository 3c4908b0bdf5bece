//! Clients that accept gzip, after those that do not. Nginx compresses as it sends, and says
//! `Vary: Accept-Encoding`.

use std::sync::Arc;

use crate::check::is_hit;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};
use crate::tree::Page;

/// What varies is not stored yet in this variant; what does not is stored for everybody.
pub(crate) async fn cold(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "gzip cold",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let ask = Ask::get(&page.path).gzip();
            let got = check.through(&ask).await;
            check.same(&ask, page.gzip(), &got, page.gzip().body.len());
            let hit = is_hit(&got) == (page.fits() && !varies(&page));
            check.claim(&ask, &got, "a hit if nginx does not vary", hit);
            check
        },
    )
    .await;
    for page in &stage.pages {
        let stored = page.fits() && !varies(page);
        tally.asked_just(&page.path, if stored { &[] } else { &[200] });
    }
    let compressed = stage.pages.iter().filter(|page| is_compressed(page));
    let (compressed, least) = (compressed.count(), stage.pages.len() / 4);
    let claim = format!("nginx compresses at least {least} pages");
    tally.claim("all", &claim, &compressed.to_string(), compressed >= least);
    tally
}

/// Both variants are stored, and each client gets its own.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "gzip warm",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let ask = Ask::get(&page.path).gzip();
            let got = check.through(&ask).await;
            check.same(&ask, page.gzip(), &got, page.gzip().body.len());
            // Compressed, what is too large may fit.
            check.claim(&ask, &got, "a hit", is_hit(&got) || !page.fits());
            let ask = Ask::get(&page.path);
            let got = check.through(&ask).await;
            check.same(&ask, page.plain(), &got, page.plain().body.len());
            check.claim(&ask, &got, "a hit", is_hit(&got) == page.fits());
            check
        },
    )
    .await;
    for page in stage.pages.iter().filter(|page| page.fits()) {
        tally.asked_just(&page.path, &[]);
    }
    tally
}

fn varies(page: &Page) -> bool {
    !page.plain().header("vary").is_empty()
}

pub(crate) fn is_compressed(page: &Page) -> bool {
    page.gzip().header("content-encoding") == "gzip"
}
