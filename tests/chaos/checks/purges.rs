//! What purges take away.

use std::collections::{BTreeMap, HashMap};

use bellwether::shared::{PurgeKind, TierEvent};

use crate::checks::Finding;
use crate::history::{At, Deed, Fetch, How, Life, Purge, Serve};
use crate::view::{MILLI, View};

/// Other nodes hear of a purge within milliseconds; on a machine that is busy, within these.
const PROMPT: At = 100 * MILLI;

/// Nothing that was fetched before a purge is served to who asks after it, or, if it was a soft
/// one, only as something stale. From when on depends on what the node can know:
///
/// - where it was purged: once the call has returned, whether or not Redis answered;
/// - on a node that was told: once it was;
/// - on a node that was cut off and is back: once its subscription is, if Redis answers it, and
///   has not itself lost the purge;
/// - on a node that nothing is wrong with: a moment after the call has returned.
///
/// If it was purged where a purge of everything had been missed that Redis has lost, then on other
/// nodes only once that one has caught up; but at once on a node that was told, and knew better.
pub(super) fn nothing_purged_is_served(view: &View<'_>) -> Vec<Finding> {
    let mut here = Finding::of("nothing purged is served where it was purged");
    let mut told = Finding::of("nothing purged is served by who was told");
    let mut back = Finding::of("nothing purged is served by who is back");
    let mut calm = Finding::of("nothing purged is served by anybody, in calm");
    let known = Known::new(view);
    for serve in &view.notes.serves {
        let Some(fetch) = view.fetch(serve) else {
            continue;
        };
        for (purge, caught_up) in known.purges.get(&serve.key).into_iter().flatten() {
            // What is long gone proves nothing any more.
            if purge.began + 20_000 * MILLI < serve.asked {
                continue;
            }
            let wrong = || serves_purged(serve, fetch, purge);
            let done = purge.done.unwrap_or(At::MAX);
            if purge.life == serve.life && done < serve.asked {
                here.case(serve.asked, serve.key, wrong());
            }
            let (behind, caught_up) = (caught_up.is_some(), caught_up.unwrap_or(0));
            let knew = !behind || !view.is_behind(serve.life, purge.began);
            if known.told(purge, serve) && (knew || caught_up < serve.asked) {
                told.case(serve.asked, serve.key, wrong());
            }
            let done = done.max(caught_up);
            let elsewhere = purge.confirmed && purge.life != serve.life;
            if elsewhere && known.hearing.is_back(view, purge.began, done, serve) {
                back.case(serve.asked, serve.key, wrong());
            }
            if elsewhere && is_calm(view, purge.began, done, serve) {
                calm.case(serve.asked, serve.key, wrong());
            }
        }
    }
    vec![here, told, back, calm]
}

fn serves_purged(serve: &Serve, fetch: &Fetch, purge: &Purge) -> Option<String> {
    let fresh = matches!(serve.how, How::Hit | How::Shared);
    let wrong = fetch.start < purge.began && (purge.kind == PurgeKind::Hard || fresh);
    wrong.then(|| format!("{serve:?} of {fetch:?} after {purge:?}"))
}

/// The moment after a purge in which nothing was wrong with anything.
pub(super) fn is_calm(view: &View<'_>, began: At, done: At, serve: &Serve) -> bool {
    // A fault of before may have left something to recover from.
    let since = began.saturating_sub(2_500 * MILLI);
    done.saturating_add(PROMPT + view.stalled(began, serve.asked)) < serve.asked
        && view.notes.lives[serve.life].1 < since
        && !view.stormy(since, serve.answered)
        && !view.failed(serve.life, since, serve.answered)
        && !view.gaps(serve.life, since, serve.answered)
}

struct Known<'a> {
    /// Those of each key; and of one that was done by who was behind, when that was put right.
    purges: BTreeMap<usize, Vec<(&'a Purge, Option<At>)>>,
    /// The fence of a purge, by when its call began at which node.
    fences: HashMap<(Life, At), u64>,
    /// When a node was told of a purge, by its fence.
    told: HashMap<(Life, u64), At>,
    hearing: Hearing,
}

impl<'a> Known<'a> {
    fn new(view: &View<'a>) -> Self {
        let notes = view.notes;
        let mut purges = BTreeMap::<_, Vec<_>>::new();
        for purge in &notes.purges {
            let behind = view.is_behind(purge.life, purge.began);
            let caught_up = || view.caught_up(purge.life, purge.began).unwrap_or(At::MAX);
            let purge = (purge, behind.then(caught_up));
            purges.entry(purge.0.key).or_default().push(purge);
        }
        let mut fences = HashMap::new();
        for call in &notes.calls {
            let Deed::Purge { fence: Some(fence) } = call.deed else {
                continue;
            };
            let Some(key) = view.entries.get(&call.id) else {
                continue;
            };
            // The call is made within the purge; of several at once it may be either's.
            let mut of = notes.purges.iter().filter(|purge| {
                let done = purge.done.unwrap_or(At::MAX);
                purge.life == call.life
                    && purge.key == *key
                    && (purge.began..=done).contains(&call.sent)
            });
            if let (Some(purge), None) = (of.next(), of.next()) {
                fences.insert((purge.life, purge.began), fence);
            }
        }
        let mut told = HashMap::new();
        for heard in &notes.heard {
            if let TierEvent::Purged { fence, .. } = heard.event {
                told.entry((heard.life, fence.get())).or_insert(heard.at);
            }
        }
        Self {
            purges,
            fences,
            told,
            hearing: Hearing::new(view),
        }
    }

    fn told(&self, purge: &Purge, serve: &Serve) -> bool {
        let fence = self.fences.get(&(purge.life, purge.began));
        let told = fence.and_then(|fence| self.told.get(&(serve.life, *fence)));
        told.is_some_and(|told| *told < serve.asked)
    }
}

/// The gaps of each life: when it ended, and until when it then heard.
pub(super) struct Hearing(Vec<Vec<(At, At)>>);

impl Hearing {
    pub(super) fn new(view: &View<'_>) -> Self {
        // A node that starts knows nothing of before.
        let lives = view.notes.lives.iter();
        let mut hearing: Vec<_> = lives.map(|(_, began)| vec![(*began, At::MAX)]).collect();
        for heard in &view.notes.heard {
            let gaps = &mut hearing[heard.life];
            match heard.event {
                TierEvent::Resumed => gaps.push((heard.at, At::MAX)),
                TierEvent::Lost => gaps.iter_mut().for_each(|gap| gap.1 = gap.1.min(heard.at)),
                _ => {}
            }
        }
        Self(hearing)
    }

    /// True if the node of `serve` began to hear after this purge, and Redis has not lost it.
    pub(super) fn is_back(&self, view: &View<'_>, began: At, done: At, serve: &Serve) -> bool {
        let mut gaps = self.0[serve.life].iter();
        let back = gaps
            .any(|(since, until)| done < *since && *since < serve.asked && serve.answered < *until);
        // A flight that others of its node began may have found Redis not answering yet.
        let since = serve.asked.saturating_sub(300 * MILLI);
        back && !view.failed(serve.life, since, serve.answered)
            && !view.lost_keys(began, serve.answered)
    }
}
