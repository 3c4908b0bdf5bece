//! What has expired, and which nginx then says is the same still.

use std::sync::Arc;
use std::time::Duration;

use crate::check::{is_spared, status};
use crate::pass::{Tally, pass};
use crate::passes::gzip::is_compressed;
use crate::stage::{Ask, Stage};
use crate::tree::Page;

/// More than the lifetime of what is asked for so, see `nginx.conf`.
const LIFETIME: Duration = Duration::from_millis(4_500);

fn target(page: &Page) -> String {
    format!("{}?life=brief", page.path)
}

/// What nginx sends as it lies there.
pub(crate) async fn plain(stage: &Arc<Stage>) -> Tally {
    let pages = stage.pages.iter().filter(|page| page.fits());
    confirmed("revalidated", stage, pages.cloned().collect(), false).await
}

/// What it compresses. Its 304 then has the tag of the file, which is not quite that of the 200.
pub(crate) async fn gzip(stage: &Arc<Stage>) -> Tally {
    let pages = stage.pages.iter();
    let pages = pages.filter(|page| page.fits() && is_compressed(page));
    confirmed("revalidated gz", stage, pages.cloned().collect(), true).await
}

/// Nginx is asked once for each and answers 304; the proxy answers 200, and once more by itself.
async fn confirmed(
    name: &'static str,
    stage: &Arc<Stage>,
    pages: Vec<Arc<Page>>,
    gzip: bool,
) -> Tally {
    let ask = move |page: &Page| {
        let ask = Ask::get(target(page));
        if gzip { ask.gzip() } else { ask }
    };
    pass("to expire", stage, &pages, |mut check, page| async move {
        check.through(&ask(&page)).await;
        check
    })
    .await;
    tokio::time::sleep(LIFETIME).await;

    let mut tally = pass(name, stage, &pages, |mut check, page| async move {
        let ask = ask(&page);
        let direct = check.direct(&ask).await;
        let length = direct.body.len();
        let got = check.through(&ask).await;
        check.same(&ask, &direct, &got, length);
        let said = status(&got);
        let confirmed = said.contains("; fwd=stale; fwd-status=304");
        check.claim(&ask, &got, "confirmed by a 304", confirmed);
        let got = check.through(&ask).await;
        check.same(&ask, &direct, &got, length);
        check.claim(&ask, &got, "fresh again", is_spared(&got));
        check
    })
    .await;
    for page in &pages {
        tally.asked_just(&target(page), &[304]);
    }
    tally
}
