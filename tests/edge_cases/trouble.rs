//! Users while Redis is of no use: what each request pays for it.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::stage::{BACK, Node, Origin, REDIS_BUDGET, SLACK, Seen, ms};
use crate::support::report::Stall;

/// Longer than that, and it was waited for Redis.
const SLOW: Duration = Duration::from_millis(50);
/// After an outage, questions come back in steps that take so long.
pub(crate) const RAMP: Duration = Duration::from_millis(2_100);

/// What the users of one node saw, one request after the other.
pub(crate) struct Endured {
    /// What was not there, each of another page.
    pub(crate) cold: Vec<Seen>,
}

impl Endured {
    /// How many requests waited for Redis.
    pub(crate) fn slow(&self, stall: &Stall) -> usize {
        let slow = SLOW + stall.worst();
        self.cold.iter().filter(|seen| seen.took > slow).count()
    }

    pub(crate) fn longest(&self) -> Duration {
        let longest = self.cold.iter().map(|seen| seen.took).max();
        longest.expect("somebody asked")
    }
}

/// Keeps asking all nodes for `span`: for `hit`, which each of them has fresh, and for pages that
/// nobody has. Nobody may see anything but a short wait, and the origin is asked once for each.
pub(crate) async fn endure<const N: usize>(
    nodes: [&Node; N],
    origin: &Origin,
    hit: &'static str,
    span: Duration,
    stall: &Stall,
) -> [Endured; N] {
    let calls = origin.calls();
    let until = Instant::now() + span;
    let mut users = JoinSet::new();
    for (number, node) in nodes.into_iter().enumerate() {
        let node = node.clone();
        users.spawn(async move {
            let (mut hits, mut cold) = (vec![], vec![]);
            while Instant::now() < until {
                hits.push(node.get(hit).await);
                let page = format!("/cold/{:x}", fastrand::u64(..));
                cold.push(node.get(&page).await);
                sleep(ms(5)).await;
            }
            (number, hits, cold)
        });
    }
    let mut endured = users.join_all().await;
    endured.sort_by_key(|(number, ..)| *number);
    let asked = endured.iter().map(|(.., cold)| cold.len()).sum::<usize>();
    assert!(asked > 20 * N, "{asked} requests only");
    for (_, hits, cold) in &endured {
        for seen in hits {
            assert!(seen.is_hit(), "{seen:?}");
            seen.assert_within(Duration::ZERO, stall);
        }
        for seen in cold {
            assert_eq!(seen.status, 200, "{seen:?}");
            seen.assert_within(REDIS_BUDGET, stall);
        }
    }
    assert_eq!(origin.calls() - calls, asked, "one call for each");
    let endured = endured.into_iter().map(|(_, _, cold)| Endured { cold });
    let endured: Vec<_> = endured.collect();
    endured.try_into().unwrap_or_else(|_| panic!("one of each"))
}

/// Redis is of use again now: within a bound both nodes use it, and share what they fetch.
pub(crate) async fn assert_shared_again(nodes: [&Node; 2], origin: &Origin, stall: &Stall) {
    for node in nodes {
        let took = node.until_up(true).await;
        assert!(took <= BACK + stall.worst(), "{took:?}");
    }
    sleep(RAMP).await;
    let calls = origin.calls();
    let page = format!("/again/{:x}", fastrand::u64(..));
    let [first, second] = nodes;
    let seen = first.get(&page).await;
    seen.assert_within(SLACK, stall);
    sleep(ms(50) + stall.worst()).await;
    let other = second.get(&page).await;
    other.assert_is(&seen.version);
    assert!(other.is_shared(), "{other:?}");
    assert_eq!(origin.calls(), calls + 1);
}
