//! What nginx answers without a file.

use std::sync::Arc;

use crate::check::is_spared;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};
use crate::tree::Page;

const PATHS: [(&str, u16); 10] = [
    ("/none", 404),
    ("/none.html?with=query&and=more", 404),
    ("/odd/none/of/these", 404),
    ("/odd/%C3%28", 404),
    ("/odd/empty/below", 404),
    ("/odd", 301),
    ("/odd?with=query", 301),
    ("/odd/", 403),
    ("/", 403),
    ("/odd/%00", 400),
];

/// Errors and redirects, cold and out of the store.
pub(crate) async fn errors(stage: &Arc<Stage>) -> Tally {
    let pages: Vec<_> = (0..PATHS.len()).map(page).collect();
    let mut tally = pass("errors", stage, &pages, |mut check, page| async move {
        let (path, status) = PATHS[page.number];
        let ask = Ask::get(path);
        let direct = check.direct(&ask).await;
        let expected = direct.status == status;
        check.claim(&ask, &direct, "the status of nginx", expected);
        for warm in [false, true] {
            let got = check.through(&ask).await;
            check.same(&ask, &direct, &got, direct.body.len());
            check.claim(&ask, &got, "a miss, then not", is_spared(&got) == warm);
        }
        let ask = Ask::new("HEAD", path);
        let length = direct.body.len();
        let direct = check.direct(&ask).await;
        let got = check.through(&ask).await;
        check.same(&ask, &direct, &got, length);
        check
    })
    .await;
    // What nginx cannot read at all is logged without the fields by which we know the proxy.
    for (path, status) in PATHS.iter().filter(|(_, status)| *status != 400) {
        tally.asked_just(path, &[*status]);
    }
    tally
}

fn page(number: usize) -> Arc<Page> {
    Arc::new(Page {
        path: PATHS[number].0.to_owned(),
        number,
        ..Page::default()
    })
}
