//! Parts of files: of stored ones, of ones that are not there yet, and of compressed ones.

use std::sync::Arc;

use crate::check::is_hit;
use crate::pass::{Tally, pass};
use crate::passes::cases::{self, Case};
use crate::passes::gzip::is_compressed;
use crate::passes::judge::judge;
use crate::stage::{Ask, Stage};

/// Cases for each page; the next page gets the next ones.
const EACH: usize = 7;

/// Everything that is small enough is stored.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "ranges",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let cases = cases::of(page.plain());
            let chosen = cases.iter().cycle().skip(page.number * EACH % cases.len());
            for case in chosen.take(EACH) {
                let ask = case.ask(Ask::get(&page.path));
                let direct = check.direct(&ask).await;
                let got = check.through(&ask).await;
                judge(&mut check, case, page.plain(), &direct, &got);
                check.close(&ask, &got);
                check.claim(&ask, &got, "a hit", is_hit(&got) == page.fits());
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

/// Nothing is stored under this name yet: one range brings in the whole, for all that come after.
pub(crate) async fn cold(stage: &Arc<Stage>) -> Tally {
    let pages: Vec<_> = stage.pages.iter().step_by(3).cloned().collect();
    let target = |path: &str| format!("{path}?copy=range");
    let mut tally = pass("ranges cold", stage, &pages, |mut check, page| async move {
        let length = page.size;
        let case = Case {
            range: format!("bytes={}-{}", length / 3, length / 2),
            if_range: None,
        };
        let ask = case.ask(Ask::get(target(&page.path)));
        let direct = check.direct(&ask).await;
        let got = check.through(&ask).await;
        judge(&mut check, &case, page.plain(), &direct, &got);
        check.close(&ask, &got);
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

/// The compressed variants are stored.
pub(crate) async fn gzip(stage: &Arc<Stage>) -> Tally {
    let pages = stage.pages.iter().filter(|page| is_compressed(page));
    let pages: Vec<_> = pages.step_by(3).cloned().collect();
    pass("ranges gzip", stage, &pages, |mut check, page| async move {
        let whole = page.gzip();
        let length = whole.body.len() as u64;
        for range in [
            format!("bytes={}-{}", length / 3, length / 2),
            "bytes=-10".to_owned(),
            "bytes=0-9,-10".to_owned(),
        ] {
            let case = Case {
                range,
                if_range: None,
            };
            let ask = case.ask(Ask::get(&page.path).gzip());
            let direct = check.direct(&ask).await;
            let got = check.through(&ask).await;
            judge(&mut check, &case, whole, &direct, &got);
            check.close(&ask, &got);
        }
        check
    })
    .await
}

impl Case {
    fn ask(&self, ask: Ask) -> Ask {
        let ask = ask.with("range", &self.range);
        match &self.if_range {
            Some(validator) => ask.with("if-range", validator),
            None => ask,
        }
    }
}
