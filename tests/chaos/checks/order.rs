//! In which order one node shows what was fetched.

use std::collections::BTreeMap;

use crate::checks::Finding;
use crate::history::{At, FetchId, How, Serve};
use crate::view::{MILLI, View, is_plain};

/// Clock readings of two machines are compared with 250 ms of doubt by the nodes, and the answer
/// that brings the reading may take as long as a call.
const DOUBT: At = 350 * MILLI;

/// The newest that a node has shown out of what is stored.
#[derive(Default)]
struct Newest {
    /// By fence, of what was offered to the tier.
    fence: (u64, FetchId),
    /// By the beginning of the fetch, of all.
    start: (At, FetchId),
    /// The same, of what has no fence.
    unfenced: (At, FetchId),
}

/// A node never goes back: who asks after something stored was served there gets nothing older.
///
/// Older is what bears the smaller fence. What never reached the tier has none, and goes by the
/// time at which its fetch began, with doubt. A purge takes that away without regard to its age,
/// so there the order begins anew; one of everything also without regard to its fence, since others
/// may have gone on before this node heard of it.
///
/// Keys that vary are left out: variants under two rules are two things.
pub(super) fn no_node_goes_back(view: &View<'_>) -> Finding {
    let mut finding = Finding::of("no older response after a newer one");
    let mut by_key = BTreeMap::<_, Vec<&Serve>>::new();
    for serve in view.notes.serves.iter().filter(|serve| is_plain(serve.key)) {
        if serve.fetch.is_some() && serve.how != How::Own {
            by_key
                .entry((serve.life, serve.key))
                .or_default()
                .push(serve);
        }
    }
    for ((life, key), serves) in by_key {
        let mut shown: Vec<&Serve> = serves.clone();
        shown.retain(|serve| serve.how.is_stored());
        shown.sort_by_key(|serve| serve.answered);
        let mut asked = serves;
        asked.sort_by_key(|serve| serve.asked);
        let (mut next, mut newest) = (0, Newest::default());
        for serve in asked {
            while let Some(before) = shown.get(next).filter(|shown| shown.answered < serve.asked) {
                newest.show(view, before);
                next += 1;
            }
            if newest.start.0 == 0 {
                continue;
            }
            let wrong = newest.is_newer_than(view, serve).filter(|newer| {
                // A purge is the end of what it strikes, wherever it began.
                let since = view.notes.fetches[*newer].start;
                let fenced = view.fences.contains_key(newer)
                    && !view.changed_era(life, since, serve.answered);
                fenced || !view.purged(key, since, serve.answered)
            });
            let wrong = wrong.map(|newer| {
                format!(
                    "life {life} went back behind fetch {newer} (fence {:?}): {serve:?} (fence {:?})",
                    view.fences.get(&newer),
                    serve.fetch.and_then(|fetch| view.fences.get(&fetch)),
                )
            });
            finding.case(serve.asked, key, wrong);
        }
    }
    finding
}

impl Newest {
    fn show(&mut self, view: &View<'_>, serve: &Serve) {
        let Some(fetch) = serve.fetch else { return };
        let start = (view.notes.fetches[fetch].start, fetch);
        self.start = self.start.max(start);
        match view.fences.get(&fetch) {
            Some(fence) => self.fence = self.fence.max((*fence, fetch)),
            None => self.unfenced = self.unfenced.max(start),
        }
    }

    /// The fetch that it is newer by.
    fn is_newer_than(&self, view: &View<'_>, serve: &Serve) -> Option<FetchId> {
        let fetch = serve.fetch?;
        let start = view.notes.fetches[fetch].start;
        let doubtful = |newest: (At, FetchId)| {
            let since = start.min(newest.0);
            let doubt = DOUBT + view.stalled(since, serve.answered);
            (start + doubt < newest.0).then_some(newest.1)
        };
        match view.fences.get(&fetch) {
            Some(fence) if *fence < self.fence.0 => Some(self.fence.1),
            Some(_) => doubtful(self.unfenced),
            None => doubtful(self.start),
        }
    }
}
