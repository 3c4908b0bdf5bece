//! What must be true whatever happens.

use std::collections::BTreeMap;

use super::checks::{MILLI, SECOND, target};
use super::client::Asks;
use super::history::{At, Blow, Deed, How, Notes, Purpose, Reply, Serve};
use super::seeds::Verdict;
use super::site::Spec;
use super::world::World;
use crate::shared::{Committed, PurgeKind, TierEvent};

/// Everybody is answered before all deadlines have passed; who goes to the origin alone has none.
pub(super) fn no_hang(notes: &Notes) -> Verdict {
    // lock_wait + fetch_timeout + slack, and the time a paused process stands still.
    let limit = |node| 36 * SECOND + 200 * MILLI + paused_for(notes, node);
    if let Some(open) = notes.open.first() {
        return Err(format!(
            "a request never ended (node, key, asked): {open:?}"
        ));
    }
    let late = notes
        .serves
        .iter()
        .find(|serve| serve.how != How::Own && serve.waited() > limit(serve.node));
    late.map_or(Ok(()), |late| {
        Err(format!("a request took too long: {late:?}"))
    })
}

fn paused_for(notes: &Notes, node: usize) -> At {
    let mut total = 0;
    let mut since = None;
    for (at, who, blow) in &notes.blows {
        match blow {
            Blow::Paused if *who == node => since = Some(*at),
            Blow::Resumed if *who == node => total += since.take().map_or(0, |since| at - since),
            _ => {}
        }
    }
    total
}

/// Every body that a client took for whole is the one that the origin has under that version, of
/// the variant that was asked for.
pub(super) fn bodies_are_right(notes: &Notes) -> Verdict {
    let wrong = notes.serves.iter().find(|serve| serve.body == Some(false));
    match wrong {
        Some(wrong) => Err(format!(
            "a wrong body: {wrong:?} of {:?}",
            wrong.fetch.map(|fetch| &notes.fetches[fetch])
        )),
        None => Ok(()),
    }
}

/// Nothing that broke off was stored: no node served it out of what it holds, and the tier never
/// got it.
pub(super) fn nothing_broken_is_stored(notes: &Notes) -> Verdict {
    let broken = |fetch: Option<usize>| fetch.is_some_and(|fetch| !notes.fetches[fetch].whole);
    let held = notes
        .serves
        .iter()
        .find(|serve| serve.how == How::Held && broken(serve.fetch));
    if let Some(held) = held {
        return Err(format!("a broken response was stored: {held:?}"));
    }
    let shared = notes
        .deeds
        .iter()
        .find(|deed| matches!(deed, Deed::Committed { fetch, .. } if broken(*fetch)));
    shared.map_or(Ok(()), |shared| {
        Err(format!("a broken response was shared: {shared:?}"))
    })
}

/// What the tier accepts is newer each time: no late writer, and nothing from before a purge.
pub(super) fn the_tier_only_moves_on(notes: &Notes, specs: &[Spec]) -> Verdict {
    let mut newest = BTreeMap::new();
    let mut purged = BTreeMap::new();
    let mut all_purged = 0;
    // In the order of the notes: several may have come at one time.
    for deed in &notes.deeds {
        match *deed {
            Deed::Purged { id, at, .. } => drop(purged.insert(id, at)),
            Deed::PurgedAll { at, .. } => all_purged = at,
            _ => {}
        }
        let Deed::Committed {
            id,
            at,
            fetch: Some(fetch),
            verdict: Committed::Stored { .. },
            ..
        } = *deed
        else {
            continue;
        };
        let start = notes.fetches[fetch].start;
        let before = newest.insert(id, start).unwrap_or(0);
        if start < before {
            return Err(format!(
                "the tier took a late writer's: {deed:?} of {:?}",
                notes.fetches[fetch]
            ));
        }
        // A variant's own entry is no longer reached once the rule is purged.
        if specs[notes.fetches[fetch].key].varies {
            continue;
        }
        if start < all_purged.max(purged.get(&id).copied().unwrap_or(0)) {
            let story = notes.story(notes.fetches[fetch].key, start.saturating_sub(SECOND), at);
            return Err(format!(
                "the tier took what was fetched before a purge: {deed:?}{story}"
            ));
        }
    }
    Ok(())
}

/// When the tier took the result of a fetch.
fn committed_at(notes: &Notes) -> BTreeMap<usize, At> {
    let committed = notes.deeds.iter().filter_map(|deed| match deed {
        Deed::Committed {
            at,
            fetch: Some(fetch),
            verdict: Committed::Stored { .. },
            ..
        } => Some((*fetch, *at)),
        _ => None,
    });
    committed.collect()
}

/// When the tier purged a URL.
fn purges(notes: &Notes, key: usize, wanted: PurgeKind) -> impl Iterator<Item = At> {
    let id = Asks::of(key, 0).primary.id();
    notes.deeds.iter().filter_map(move |deed| match deed {
        Deed::Purged {
            id: purged,
            at,
            kind,
            ..
        } if *purged == id && *kind == wanted => Some(*at),
        Deed::PurgedAll { at, .. } if wanted == PurgeKind::Hard => Some(*at),
        _ => None,
    })
}

fn any_purges(notes: &Notes, key: usize) -> impl Iterator<Item = At> {
    let kinds = [PurgeKind::Hard, PurgeKind::Soft];
    kinds
        .into_iter()
        .flat_map(move |kind| purges(notes, key, kind))
}

/// Who asks after a purge is known to a node gets nothing that was fetched before it there, or, if it
/// was a soft one, only as something stale: the purging node when `purge` returns, the others when
/// the event or the end of a gap arrives.
pub(super) fn nothing_purged_is_served(notes: &Notes) -> Verdict {
    for serve in &notes.serves {
        let Some(fetch) = serve.fetch.map(|fetch| &notes.fetches[fetch]) else {
            continue;
        };
        for kind in [PurgeKind::Hard, PurgeKind::Soft] {
            let last = purges(notes, serve.key, kind).last();
            let permitted = kind == PurgeKind::Soft && serve.stale;
            if permitted || last.is_none_or(|last| last <= fetch.start) {
                continue;
            }
            let known = known_purge(notes, serve, kind);
            if fetch.start < known {
                let story = notes.story(serve.key, fetch.start, serve.answered);
                return Err(format!(
                    "purged ({kind:?}) at {known}, served after that: {serve:?} of {fetch:?}{story}"
                ));
            }
        }
    }
    Ok(())
}

/// The last purge that the node knew of when it was asked.
fn known_purge(notes: &Notes, serve: &Serve, kind: PurgeKind) -> At {
    let own = notes.purges.iter().filter(|purge| {
        let here = (purge.node, purge.key) == (serve.node, serve.key);
        let confirmed = purge.confirmed && purge.kind == kind;
        confirmed && here && purge.done.is_some_and(|done| done < serve.asked)
    });
    let latest = |before: At| {
        purges(notes, serve.key, kind)
            .filter(|at| *at <= before)
            .max()
            .unwrap_or(0)
    };
    let id = Asks::of(serve.key, 0).primary.id();
    let own = own
        .filter_map(|purge| purge.done.map(latest))
        .max()
        .unwrap_or(0);
    let heard = notes
        .heard
        .iter()
        .filter(|(at, heard)| heard.node == serve.node && *at < serve.asked);
    let told = heard.clone().filter_map(|(_, heard)| match heard.event {
        TierEvent::Purged {
            id: purged,
            fence,
            kind: told,
        } if purged == id && told == kind => notes.deeds.iter().find_map(|deed| match deed {
            Deed::Purged {
                at, fence: minted, ..
            } if *minted == fence => Some(*at),
            _ => None,
        }),
        TierEvent::PurgedAll { fence } if kind == PurgeKind::Hard => {
            notes.deeds.iter().find_map(|deed| match deed {
                Deed::PurgedAll { at, fence: minted } if *minted == fence => Some(*at),
                _ => None,
            })
        }
        _ => None,
    });
    let told = told.max().unwrap_or(0);
    // A gap's end makes the node ask the tier: it learns of it if the tier answers.
    let gap = heard
        .filter(|(_, heard)| heard.event == TierEvent::Resumed)
        .map(|(at, _)| *at)
        .max();
    let back = notes.blows.iter().filter(|(at, node, blow)| {
        *node == serve.node && *blow == Blow::BackAgain && gap.is_some_and(|gap| *at <= gap)
    });
    let back = back.map(|(at, ..)| *at).max();
    // What comes at the very time of the request may come after it.
    let gaps = notes.heard.iter().filter(|(_, heard)| {
        let gap = matches!(heard.event, TierEvent::Lost | TierEvent::Resumed);
        gap && heard.node == serve.node
    });
    let last = gaps.clone().rfind(|(at, _)| *at < serve.asked);
    let lost = gaps.clone().any(|(at, heard)| {
        (serve.asked..=serve.answered).contains(at) && heard.event == TierEvent::Lost
    });
    let hearing = !lost && last.is_some_and(|(_, heard)| heard.event == TierEvent::Resumed);
    let missed = match back {
        Some(back) if serve.reachable && hearing => latest(back),
        _ => 0,
    };
    own.max(told).max(missed)
}

/// A node never goes back: who asks after something was served there gets nothing that was fetched
/// earlier. What was never stored does not count (past `lock_wait`, a node fetches for those
/// present only), and what has no fence is ordered by clocks, with doubt.
///
/// Nor does what was found uncacheable meanwhile: then the node forgets what it had, and the tier
/// may still have something that may be served stale.
///
/// Of a URL that varies, only while there is one rule: variants under two rules are two things, and
/// a node that was cut off may go on with one that is gone elsewhere.
pub(super) fn no_node_goes_back(notes: &Notes, specs: &[Spec], doubt: At) -> Verdict {
    let shared = super::checks::shared(notes);
    let commits = committed_at(notes);
    let cut_off = notes.blows.iter().any(|(_, _, blow)| *blow == Blow::CutOff);
    let one_rule =
        |key: usize| !specs[key].varies || (!cut_off && any_purges(notes, key).next().is_none());
    let start = |serve: &Serve| serve.fetch.map(|fetch| notes.fetches[fetch].start);
    let mut seen = BTreeMap::<_, Vec<(At, At, bool)>>::new();
    for serve in &notes.serves {
        let (Some(fetch), true) = (serve.fetch, serve.how != How::Own) else {
            continue;
        };
        let fenced = shared.contains(&fetch);
        // What a flight gives while its body is still arriving is not stored yet.
        let stored = commits.get(&fetch).is_some_and(|at| *at <= serve.answered);
        if stored || serve.how == How::Held {
            let target = (serve.node, target(specs, serve.key, serve.kind));
            let started = notes.fetches[fetch].start;
            seen.entry(target)
                .or_default()
                .push((serve.answered, started, fenced));
        }
    }
    for serve in notes
        .serves
        .iter()
        .filter(|serve| serve.how != How::Own && one_rule(serve.key))
    {
        let Some(own) = start(serve) else { continue };
        let target = (serve.node, target(specs, serve.key, serve.kind));
        let mine = serve.fetch.is_some_and(|fetch| shared.contains(&fetch));
        let Some(seen) = seen.get(&target) else {
            continue;
        };
        if seen.iter().all(|(_, started, _)| *started <= own) {
            continue;
        }
        let refused = notes
            .fetches
            .iter()
            .filter(|fetch| fetch.key == serve.key && fetch.reply == Reply::Refused);
        if refused
            .clone()
            .any(|fetch| (own..serve.answered).contains(&fetch.start))
        {
            continue;
        }
        let paused = |since: At| {
            notes.blows.iter().any(|(at, node, blow)| {
                let during = (since..=serve.answered).contains(at);
                during && *node == serve.node && matches!(blow, Blow::Paused | Blow::Resumed)
            })
        };
        // Between its two steps a purge has emptied this node and not yet the tier.
        let purging = |since: At| {
            let here = notes
                .purges
                .iter()
                .filter(|purge| (purge.node, purge.key) == (serve.node, serve.key));
            here.into_iter()
                .any(|purge| (since..=serve.answered).contains(&purge.began))
        };
        let newer = seen.iter().find(|(answered, started, fenced)| {
            // An answer that was read late leaves no end of doubt.
            let certain = *fenced && mine || !paused(own.min(*answered)) && !purging(*answered);
            let doubt = if *fenced && mine { 0 } else { doubt };
            *answered < serve.asked && own + doubt < *started && certain
        });
        if let Some(newer) = newer {
            let story = notes.story(serve.key, own.saturating_sub(SECOND), serve.answered);
            return Err(format!(
                "a node went back behind {newer:?}: {serve:?}{story}"
            ));
        }
    }
    Ok(())
}

/// All state of the tier ends by itself.
pub(super) async fn the_tier_forgets(world: &World) -> Verdict {
    for node in world.living() {
        node.life.kill();
    }
    world.nodes.lock().clear();
    tokio::time::sleep(std::time::Duration::from_secs(2 * 86_400)).await;
    for _ in 0..2_000 {
        let ask = crate::shared::Ask {
            id: crate::shared::EntryId::from_bytes([0; 16]),
            token: crate::shared::Token::from_bytes([0; 16]),
            lease: std::time::Duration::from_secs(1),
            have: None,
            peek: true,
            force: false,
            insist: false,
            within: std::time::Duration::from_secs(1),
        };
        let _ = crate::shared::SharedTier::acquire(&world.memory, ask).await;
    }
    match world.memory.size() {
        0 => Ok(()),
        left => Err(format!("{left} keys of the tier never expire")),
    }
}

/// All of the checks above that need no more than the notes.
pub(super) fn all(notes: &Notes, specs: &[Spec], doubt: At) -> Verdict {
    no_hang(notes)?;
    bodies_are_right(notes)?;
    nothing_broken_is_stored(notes)?;
    the_tier_only_moves_on(notes, specs)?;
    nothing_purged_is_served(notes)?;
    no_node_goes_back(notes, specs, doubt)?;
    one_per_node_at_once(notes, specs)
}

/// A node fetches one thing once at a time, purges, gaps and pauses apart: after these it begins
/// anew while a flight from before is still waiting (for `lock_wait` at most) or fetching. Of a URL
/// that varies, two rules make two things.
pub(super) fn one_per_node_at_once(notes: &Notes, specs: &[Spec]) -> Verdict {
    super::checks::one_at_once(notes, specs, |first, second| {
        let between =
            |at: At| (first.start.saturating_sub(6 * SECOND)..=second.start).contains(&at);
        let purged = any_purges(notes, first.key).any(between)
            || notes.purges.iter().any(|purge| {
                let until = purge.done.map_or(At::MAX, |done| done + 6 * SECOND);
                purge.key == first.key && purge.began <= second.start && until >= first.start
            })
            || notes.heard.iter().any(|(at, heard)| {
                let begins_anew = matches!(
                    heard.event,
                    TierEvent::Purged { .. } | TierEvent::PurgedAll { .. } | TierEvent::Resumed
                );
                begins_anew && heard.node == first.node && between(*at)
            });
        let paused = notes
            .blows
            .iter()
            .any(|(at, node, blow)| *node == first.node && *blow == Blow::Resumed && between(*at));
        debug_assert_eq!(first.purpose, Purpose::Refresh);
        first.node == second.node && !specs[first.key].varies && !purged && !paused
    })
}
