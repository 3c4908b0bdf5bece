//! For how long responses are served.

use crate::checks::Finding;
use crate::history::{At, How};
use crate::site;
use crate::view::{MILLI, View};

/// Times travel as what is left of them, so a call on its way adds to them.
const ON_THE_WAY: At = 150 * MILLI;

/// No response is served past its windows, whatever happens: fresh for as long as the origin says,
/// stale for as long as it permits, after an error for as long as it permits that. Counted from the
/// beginning of the fetch, as its age is.
pub(super) fn nothing_outlives_its_windows(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("nothing is served past its windows");
    for serve in &view.notes.serves {
        let Some(fetch) = view.fetch(serve) else {
            continue;
        };
        let spec = site::spec(serve.key);
        let window = match serve.how {
            How::Hit | How::Shared => spec.fresh,
            How::Stale | How::Follower | How::RemoteFollower => spec.fresh + spec.stale,
            How::StaleOnError => spec.fresh + spec.stale.max(spec.on_error),
            _ => continue,
        };
        let until = fetch.start + window * MILLI;
        let slack = ON_THE_WAY + view.stalled(fetch.start, serve.answered);
        let wrong = (serve.asked > until + slack).then(|| {
            let late = (serve.asked - until) / MILLI;
            format!("{late} ms past its windows: {serve:?} of {fetch:?}")
        });
        finding.case(serve.asked, serve.key, wrong);
    }
    finding
}
