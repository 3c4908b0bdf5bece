//! What nginx answers without a file.

use std::sync::Arc;

use crate::check::is_hit;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};
use crate::tree::Page;

/// Errors and redirects, cold and out of the store.
pub(crate) async fn errors(stage: &Arc<Stage>) -> Tally {
    let paths = [
        ("/none", 404),
        ("/none.html?with=query&and=more", 404),
        ("/odd/none/of/these", 404),
        ("/odd/%C3%28", 404),
        ("/odd", 301),
        ("/odd?with=query", 301),
        ("/odd/", 403),
        ("/", 403),
        ("/odd/%00", 400),
        ("/odd/empty/below", 404),
    ];
    let pages = paths.map(|(path, status)| {
        let page = Page {
            path: path.to_owned(),
            size: status,
            ..Page::default()
        };
        Arc::new(page)
    });
    pass("errors", stage, &pages, |mut check, page| async move {
        let ask = Ask::get(&page.path);
        let direct = check.direct(&ask).await;
        let expected = u64::from(direct.status.as_u16()) == page.size;
        check.claim(&ask, &direct, "the status of nginx", expected);
        for warm in [false, true] {
            let got = check.through(&ask).await;
            check.same(&ask, &direct, &got, direct.body.len());
            check.claim(&ask, &got, "a miss, then a hit", is_hit(&got) == warm);
        }
        let ask = Ask::new("HEAD", &page.path);
        let direct = check.direct(&ask).await;
        let got = check.through(&ask).await;
        let length = direct.header("content-length").parse();
        check.same(&ask, &direct, &got, length.unwrap_or_default());
        check
    })
    .await
}
