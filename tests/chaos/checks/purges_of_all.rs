//! What purges of everything take away.

use bellwether::shared::TierEvent;

use super::purges::{Hearing, is_calm};
use crate::checks::Finding;
use crate::history::{At, PurgeAll};
use crate::view::{MILLI, View};

/// Nothing fetched before a purge of everything is served after it, under any key. From when on
/// depends on what the node can know, as with purges of one key.
pub(super) fn nothing_from_before_is_served(view: &View<'_>) -> Vec<Finding> {
    let mut here = Finding::of("nothing older than a purge of all is served where it was");
    let mut told = Finding::of("nothing older than a purge of all is served by who was told");
    let mut back = Finding::of("nothing older than a purge of all is served by who is back");
    let mut calm = Finding::of("nothing older than a purge of all is served in calm");
    let hearing = Hearing::new(view);
    let news: Vec<_> = view
        .notes
        .purges_of_all
        .iter()
        .map(|purge| (purge, told_at(view, purge)))
        .collect();
    for serve in &view.notes.serves {
        let Some(fetch) = view.fetch(serve) else {
            continue;
        };
        for (purge, told_at) in &news {
            // What is long gone proves nothing any more.
            if purge.began + 20_000 * MILLI < serve.asked {
                continue;
            }
            let wrong = || {
                let wrong = fetch.start < purge.began;
                wrong.then(|| format!("{serve:?} of {fetch:?} after {purge:?}"))
            };
            let done = purge.done.unwrap_or(At::MAX);
            if purge.life == serve.life && done < serve.asked {
                here.case(serve.asked, serve.key, wrong());
            }
            if told_at[serve.life] < serve.asked {
                told.case(serve.asked, serve.key, wrong());
            }
            let elsewhere = purge.fence.is_some() && purge.life != serve.life;
            if elsewhere && hearing.is_back(view, purge.began, done, serve) {
                back.case(serve.asked, serve.key, wrong());
            }
            if elsewhere && is_calm(view, purge.began, done, serve) {
                calm.case(serve.asked, serve.key, wrong());
            }
        }
    }
    vec![here, told, back, calm]
}

/// When each life had been told of this purge, or of one after it.
fn told_at(view: &View<'_>, purge: &PurgeAll) -> Vec<At> {
    let mut told = vec![At::MAX; view.notes.lives.len()];
    let Some(ours) = purge.fence else {
        return told;
    };
    for heard in &view.notes.heard {
        if let TierEvent::PurgedAll { fence } = heard.event
            && fence.get() >= ours
        {
            told[heard.life] = told[heard.life].min(heard.at);
        }
    }
    told
}
