//! Those who look on: at the keys of Redis, and at whether this machine runs us at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::fleet::Fleet;
use crate::history::{History, Sample};

/// Less than that is how a busy machine is.
const STALL: Duration = Duration::from_millis(4);

/// Ends the task with the value.
#[derive(Debug)]
pub(crate) struct Observer(JoinHandle<()>);

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Notes each time that this task, which wants to run every two milliseconds, was not let.
pub(crate) fn stalls(history: &Arc<History>) -> Observer {
    let history = Arc::clone(history);
    Observer(tokio::spawn(async move {
        let nap = Duration::from_millis(2);
        loop {
            let begun = Instant::now();
            sleep(nap).await;
            let late = begun.elapsed().saturating_sub(nap);
            if late > STALL {
                let late = u64::try_from(late.as_micros()).expect("short");
                history.note(|notes, now| notes.stalls.push((now.saturating_sub(late), now)));
            }
        }
    }))
}

/// Looks at all keys of Redis again and again.
pub(crate) fn keys(fleet: &Arc<Fleet>) -> Observer {
    let fleet = Arc::clone(fleet);
    Observer(tokio::spawn(async move {
        loop {
            // Not while somebody does something to it.
            let url = fleet.server.lock().await.url();
            let look = look(&fleet, &url);
            let _ = tokio::time::timeout(Duration::from_millis(500), look).await;
            sleep(Duration::from_millis(200)).await;
        }
    }))
}

/// One look at all keys; nothing if it fails.
pub(crate) async fn look(fleet: &Fleet, url: &str) -> Option<()> {
    let client = redis::Client::open(url).ok()?;
    let mut link = client.get_multiplexed_async_connection().await.ok()?;
    let names: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut link)
        .await
        .ok()?;
    for some in names.chunks(100) {
        let mut pipe = redis::pipe();
        for name in some {
            pipe.cmd("PTTL").arg(name);
            if is_entry(name) {
                pipe.cmd("HMGET").arg(name).arg("f").arg("v");
            } else {
                pipe.cmd("ECHO").arg("");
            }
        }
        let values: Vec<redis::Value> = pipe.query_async(&mut link).await.ok()?;
        fleet.history.note(|notes, at| {
            for (name, pair) in some.iter().zip(values.chunks(2)) {
                let ttl = redis::from_redis_value(pair[0].clone()).expect("PTTL is a number");
                let fences: Vec<Option<u64>> =
                    redis::from_redis_value(pair[1].clone()).unwrap_or_default();
                let fence = |n: usize| fences.get(n).copied().flatten();
                notes.samples.push(Sample {
                    at,
                    name: name.clone(),
                    ttl,
                    fences: (fence(0), fence(1)),
                });
            }
        });
    }
    Some(())
}

/// True for an entry of any era: `{…}:e`, `{…}:e@ERA`.
fn is_entry(name: &str) -> bool {
    let part = name.rsplit(':').next().unwrap_or("");
    part == "e" || part.starts_with("e@")
}
