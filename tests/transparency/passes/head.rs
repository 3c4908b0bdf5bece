//! HEAD, answered from what GETs have stored, and by itself.

use std::sync::Arc;

use crate::check::is_hit;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};

/// Both variants are stored.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "HEAD warm",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let plain = Ask::new("HEAD", &page.path);
            for (ask, of_get) in [(plain.clone(), page.plain()), (plain.gzip(), page.gzip())] {
                let direct = check.direct(&ask).await;
                let got = check.through(&ask).await;
                check.same(&ask, &direct, &got, of_get.body.len());
                check.claim(&ask, &got, "a hit", is_hit(&got) || !page.fits());
            }
            check
        },
    )
    .await;
    for page in stage.pages.iter().filter(|page| page.fits()) {
        tally.asked_just(&page.path, &[]);
    }
    tally
}

/// Nothing is stored under this name yet. A HEAD that misses is asked as a GET, and a GET then hits.
pub(crate) async fn cold(stage: &Arc<Stage>) -> Tally {
    let pages: Vec<_> = stage.pages.iter().step_by(3).cloned().collect();
    let target = |path: &str| format!("{path}?copy=head");
    let mut tally = pass("HEAD cold", stage, &pages, |mut check, page| async move {
        let ask = Ask::new("HEAD", target(&page.path));
        let direct = check.direct(&ask).await;
        let got = check.through(&ask).await;
        check.same(&ask, &direct, &got, page.plain().body.len());
        check.claim(&ask, &got, "a miss", !is_hit(&got));
        if page.fits() {
            let ask = Ask::get(target(&page.path));
            let got = check.through(&ask).await;
            check.same(&ask, page.plain(), &got, page.plain().body.len());
        }
        check
    })
    .await;
    for page in pages.iter().filter(|page| page.fits()) {
        tally.asked_just(&target(&page.path), &[200]);
    }
    tally
}
