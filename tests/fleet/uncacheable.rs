//! What cannot be stored keeps nobody waiting.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::Fleet;
use crate::load::Load;
use crate::report::{figures, ms, row};
use crate::support::origin::Page;

const LATENCY: Duration = Duration::from_millis(200);
const CLIENTS: usize = 256;
const WARM: Duration = Duration::from_millis(1_500);
const WATCHED: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncacheable_responses_come_as_fast_as_without_a_cache() {
    let fleet = Fleet::start().await;
    let page = Page::new("v{n}").cache_control("no-store");
    fleet.origin.serve("/private", page.latency(LATENCY));
    let targets = [fleet.nodes[0].target("/private")];
    let load = Load::start(targets, CLIENTS, Duration::ZERO).await;
    sleep(WARM).await;
    let from = Instant::now();
    sleep(WATCHED).await;
    let to = Instant::now();
    let all = load.stop().await;
    let steady = all.filter(|sample| sample.done() >= from && sample.done() < to);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let (rate, ideal) = (
        steady.len() as f64 / (to - from).as_secs_f64(),
        CLIENTS as f64 / LATENCY.as_secs_f64(),
    );
    row(
        "no-store, 256 clients, 200 ms",
        &format!(
            "{rate:.0} per second of {ideal:.0} ({:.3}); {}; the first wait {}",
            rate / ideal,
            figures(&steady),
            ms(all.longest())
        ),
    );
    assert_eq!(all.errors(), 0);
    assert!(rate >= 0.9 * ideal, "{rate:.0} of {ideal:.0}");
    // Each got a response of its own.
    assert_eq!(fleet.origin.requests_to("/private"), all.len());
}
