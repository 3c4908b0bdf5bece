//! What the tier did not take.

use std::collections::HashMap;

use bellwether::shared::Committed;

use crate::checks::Finding;
use crate::history::{At, Deed, FetchId, How};
use crate::view::View;

/// What the tier refused is not kept: whoever asks after that is served nothing of it out of what its
/// node holds. It may be older than a purge that the node has not heard of, or than what others are
/// served. (What it had no memory for may be kept.)
pub(super) fn nothing_refused_is_kept(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("nothing is kept that the tier refused");
    let mut verdicts: HashMap<FetchId, (At, bool)> = HashMap::new();
    for call in &view.notes.calls {
        let Deed::Commit {
            fetch: Some(fetch),
            verdict: Some(verdict),
            ..
        } = call.deed
        else {
            continue;
        };
        // Of a commit that was sent again, and of a response and the rule that leads to it, one may
        // be taken.
        let refused = matches!(verdict, Committed::Superseded | Committed::Lost);
        let over = call.over.unwrap_or(At::MAX);
        let all = verdicts.entry(fetch).or_insert((over, true));
        *all = (all.0.max(over), all.1 && refused);
    }
    for serve in &view.notes.serves {
        let held = matches!(serve.how, How::Hit | How::Stale | How::StaleOnError);
        let Some(fetch) = serve.fetch.filter(|_| held) else {
            continue;
        };
        let of = view.notes.fetches[fetch].life;
        if let Some((over, refused)) = verdicts.get(&fetch)
            && of == serve.life
            && *over < serve.asked
        {
            let wrong = refused.then(|| format!("refused at {over}: {serve:?}"));
            finding.case(serve.asked, serve.key, wrong);
        }
    }
    finding
}
