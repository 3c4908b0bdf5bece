//! Bodies.

use crate::checks::Finding;
use crate::history::{BodyEnd, How};
use crate::view::View;

/// Every body that a client took for whole is the one that the origin made for that key, language
/// and fetch; one that broke off, broke off at the origin.
pub(super) fn are_right(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("every body is the right one, and whole");
    for serve in &view.notes.serves {
        let wrong = match (serve.body, view.fetch(serve)) {
            (_, None) => continue,
            (BodyEnd::Wrong, fetch) => Some(format!("a wrong body: {serve:?} of {fetch:?}")),
            (BodyEnd::Broken, Some(fetch)) if fetch.whole || serve.how == How::Hit => Some(
                format!("broke off although its fetch did not: {serve:?} of {fetch:?}"),
            ),
            _ => None,
        };
        finding.case(serve.asked, serve.key, wrong);
    }
    finding
}
