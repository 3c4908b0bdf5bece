//! Between the shared form of an entry and the local one: reading, ordering, storing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Moment;
use crate::engine::plan;
use crate::entry::codec::{self, Flaw, Stored};
use crate::entry::{Fence, Phase, Record, Softened, Stamp, VaryRule, Windows};
use crate::key::Key;
use crate::local::Known;
use crate::shared::{Answer, Content, View};

/// Clock readings of two machines are compared with this much doubt, for what has no fence.
const DOUBT: Duration = Duration::from_millis(250);

/// True if what bears `stamp` came before `fence`, minted on the shared clock, which showed
/// `shared_now` in an answer that has come by `received`.
///
/// What never reached the tier has no fence, so the time of its fetch is carried over to the shared
/// clock; in doubt it counts as older. Hence `received`, and not the time of the question: however
/// long the answer took, or this process stood still meanwhile, that only makes it look older.
pub(crate) fn is_older(stamp: &Stamp, fence: Fence, shared_now: u64, received: Moment) -> bool {
    match stamp.fence {
        Some(ours) => ours < fence,
        None => {
            let ago = received
                .since(stamp.fetched)
                .saturating_add(DOUBT)
                .as_micros();
            let minted = shared_now.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX));
            minted < fence.get()
        }
    }
}

/// `record`, its windows brought in line with what the tier says of the same version. `rule`: the
/// one that it was chosen by.
pub(crate) fn agreeing(
    record: Arc<Record>,
    rule: Option<&VaryRule>,
    view: &View,
    asked: Moment,
) -> Arc<Record> {
    let fresh_here = record.windows.phase(asked) == Phase::Fresh;
    let fresh_ms = fresh_ms(rule, view, asked);
    // No version lives longer here than it did when it came: a shared clock that has stepped back,
    // or was far ahead before a failover, would keep it fresh by as much.
    let came = record.stamp.fetched.plus(record.cost);
    let outlived = came.plus(record.windows.lifetime().fresh_left()) <= asked;
    if fresh_here == (fresh_ms > 0) || (outlived && !fresh_here) {
        return record;
    }
    let windows = record.windows.with_remaining(asked, fresh_ms);
    Arc::new(Record {
        windows,
        early: None,
        ..copy(&record)
    })
}

/// What is left of the freshness of a version, in milliseconds. The tier knows a soft purge of a
/// URL with variants by its rule alone.
fn fresh_ms(rule: Option<&VaryRule>, view: &View, asked: Moment) -> i64 {
    let softened = rule.and_then(|rule| rule.softened);
    let stamp = Stamp::new(Some(view.version), None, asked, 0);
    match softened.filter(|softened| softened.covers(&stamp)) {
        Some(softened) => view.fresh_ms.min(asked.millis_until(softened.at)),
        None => view.fresh_ms,
    }
}

/// `record`, stale since `at` if it was fresh then: what is left of its life begins as if its
/// freshness had run out at that moment, and its age is that of what has.
pub(crate) fn stale_since(record: &Record, at: Moment) -> Option<Arc<Record>> {
    (record.windows.fresh_until > at).then(|| {
        Arc::new(Record {
            windows: record.windows.with_remaining(at, 0),
            early: None,
            ..copy(record)
        })
    })
}

/// True if the tier holds a version from before its last purge, which so was a soft one: a hard
/// one leaves nothing.
pub(crate) fn is_softened(answer: &Answer) -> bool {
    let version = answer.view.as_ref().map(|view| view.version);
    version.is_some() && version < answer.purged
}

/// The soft purge that [`is_softened`] tells of, on this process's clock.
pub(crate) fn softened(answer: &Answer, received: Moment) -> Option<Softened> {
    let fence = answer.purged.filter(|_| is_softened(answer))?;
    let ago = answer.now.saturating_sub(fence.get());
    Some(Softened {
        fence: Some(fence),
        at: received.minus(Duration::from_micros(ago)),
    })
}

/// A copy of a record with marks of its own; body and fields are shared.
pub(crate) fn copy(record: &Record) -> Record {
    Record {
        key: record.key.clone(),
        head: record.head.clone(),
        body: record.body.clone(),
        windows: record.windows,
        early: record.early,
        cost: record.cost,
        rule: record.rule.clone(),
        stamp: Stamp::new(
            record.stamp.fence,
            record.stamp.body,
            record.stamp.fetched,
            record.stamp.epoch(),
        ),
        retry: Default::default(),
    }
}

/// Reads what the tier holds.
pub(crate) fn read(
    key: &Key,
    rule: Option<Arc<VaryRule>>,
    view: &View,
    content: &Content,
    asked: Moment,
    epoch: u64,
    beta: f64,
) -> Result<Known, Flaw> {
    let key = key.text();
    let fence = Some(view.version);
    Ok(match codec::decode(key, &content.meta, &content.body)? {
        Stored::Rule { generation, fields } => {
            let stamp = Stamp::new(fence, Some(view.body_version), asked, epoch);
            let until = asked.plus_millis(view.fresh_ms);
            Known::Rule(Arc::new(VaryRule {
                until,
                generation,
                fields,
                key: key.into(),
                stamp,
                softened: None,
            }))
        }
        Stored::Response {
            head,
            lifetime,
            cost,
            ..
        } => {
            let fresh_ms = fresh_ms(rule.as_deref(), view, asked);
            let windows = Windows::from_remaining(asked, fresh_ms, &lifetime);
            Known::Record(Arc::new(Record {
                key: key.into(),
                head: head.into(),
                body: own(&content.body).into(),
                windows,
                early: early(&windows, lifetime.stale_while_revalidate, cost, beta),
                cost,
                rule,
                stamp: Stamp::new(fence, Some(view.body_version), asked, epoch),
                retry: Default::default(),
            }))
        }
    })
}

/// The reply's body may be a slice of something larger.
fn own(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

/// When to refresh early. Where stale may be served nobody ever waits, and early would only mean
/// more often.
pub(crate) fn early(
    windows: &Windows,
    stale: Duration,
    cost: Duration,
    beta: f64,
) -> Option<Moment> {
    if !stale.is_zero() || beta <= 0.0 {
        return None;
    }
    Some(
        windows
            .fresh_until
            .minus(plan::early_by(cost, beta, fastrand::f64())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_order_what_has_them() {
        let stamp = |fence| Stamp::new(Some(Fence::new(fence)), None, Moment::default(), 1);
        assert!(is_older(&stamp(5), Fence::new(6), 0, Moment::default()));
        assert!(!is_older(&stamp(6), Fence::new(6), 0, Moment::default()));
    }

    #[test]
    fn the_time_of_the_fetch_orders_what_has_none_and_doubt_makes_it_older() {
        let asked = Moment::from_micros(60_000_000);
        let shared_now = 1_000_000_000;
        let fetched_ago = |secs| Stamp::new(None, None, asked.minus(Duration::from_secs(secs)), 1);
        let ten_seconds_ago = Fence::new(shared_now - 10_000_000);
        assert!(is_older(
            &fetched_ago(20),
            ten_seconds_ago,
            shared_now,
            asked
        ));
        assert!(!is_older(
            &fetched_ago(5),
            ten_seconds_ago,
            shared_now,
            asked
        ));
        assert!(
            is_older(&fetched_ago(10), ten_seconds_ago, shared_now, asked),
            "in doubt"
        );
    }
}
