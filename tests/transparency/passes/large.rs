//! What is too large to store: the cache learns that, and is no obstacle from then on.

use std::sync::Arc;

use crate::check::status;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};

/// After the first request each goes to nginx as the client sent it, with its conditions.
pub(crate) async fn large(stage: &Arc<Stage>) -> Tally {
    let pages = stage.pages.iter().filter(|page| !page.fits());
    let pages: Vec<_> = pages.cloned().collect();
    let target = |path: &str| format!("{path}?copy=large");
    let mut tally = pass("too large", stage, &pages, |mut check, page| async move {
        for n in 0..3 {
            let ask = Ask::get(target(&page.path));
            let got = check.through(&ask).await;
            check.same(&ask, page.plain(), &got, page.plain().body.len());
            let passes = status(&got).contains("detail=uncacheable");
            check.claim(&ask, &got, "learned by the first one", passes == (n > 0));

            let tag = page.plain().header("etag");
            let ask = Ask::get(target(&page.path)).with("if-none-match", tag);
            let direct = check.direct(&ask).await;
            let got = check.through(&ask).await;
            check.same(&ask, &direct, &got, 0);
        }
        check
    })
    .await;
    for page in &pages {
        tally.asked_just(&target(&page.path), &[200, 304, 200, 304, 200, 304]);
    }
    tally
}
