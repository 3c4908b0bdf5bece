//! The clients: requests and purges at a steady rate, whatever becomes of those before.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::PurgeKind;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Empty};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};
use tower::ServiceExt;

use crate::fleet::Fleet;
use crate::history::{BodyEnd, How, Purge, PurgeAll, Serve};
use crate::origin::{self, FETCH, words};
use crate::schedule::PLACES;
use crate::site::{self, Kind, LANGS};

/// Between two requests to one node.
const PACE: Duration = Duration::from_millis(11);
/// Between two purges.
const PURGES: Duration = Duration::from_millis(180);
/// Between two purges of everything. Not more often: what nobody holds for long proves little else.
/// The first one is in time for the calm round.
const PURGES_OF_ALL: Duration = Duration::from_secs(9);
const FIRST_OF_ALL: Duration = Duration::from_millis(3_500);
/// Longer than every deadline together.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends requests and purges for so long, and waits for the last answer.
pub(crate) async fn run(fleet: &Arc<Fleet>, seed: u64, time: Duration) {
    let mut lanes = JoinSet::new();
    let end = Instant::now() + time;
    for place in 0..PLACES {
        let rng = fastrand::Rng::with_seed(seed ^ (place as u64 + 1));
        lanes.spawn(requests(Arc::clone(fleet), place, rng, end));
    }
    let rng = fastrand::Rng::with_seed(seed ^ 99);
    lanes.spawn(purges(Arc::clone(fleet), rng, end));
    let rng = fastrand::Rng::with_seed(seed ^ 98);
    lanes.spawn(purges_of_all(Arc::clone(fleet), rng, end));
    while let Some(ended) = lanes.join_next().await {
        ended.expect("no client panics");
    }
}

async fn requests(fleet: Arc<Fleet>, place: usize, mut rng: fastrand::Rng, end: Instant) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = JoinSet::new();
    while Instant::now() < end {
        ticks.tick().await;
        let key = site::draw(&mut rng);
        // Now and then a crowd comes for one key.
        let crowd = if rng.u32(..150) == 0 { 20 } else { 1 };
        for _ in 0..crowd {
            let lang = rng.u8(..LANGS.len() as u8);
            let fleet = Arc::clone(&fleet);
            open.spawn(async move {
                request(&fleet, place, key, lang).await;
            });
        }
        while open.try_join_next().is_some() {}
    }
    while let Some(ended) = open.join_next().await {
        ended.expect("no client panics");
    }
}

async fn purges(fleet: Arc<Fleet>, mut rng: fastrand::Rng, end: Instant) {
    let mut ticks = interval(PURGES);
    let mut open = JoinSet::new();
    while Instant::now() < end {
        ticks.tick().await;
        let (place, key) = (rng.usize(..PLACES), site::draw(&mut rng));
        let kind = [PurgeKind::Hard, PurgeKind::Hard, PurgeKind::Soft][rng.usize(..3)];
        let fleet = Arc::clone(&fleet);
        open.spawn(async move { purge(&fleet, place, key, kind).await });
    }
    while let Some(ended) = open.join_next().await {
        ended.expect("no client panics");
    }
}

async fn purges_of_all(fleet: Arc<Fleet>, mut rng: fastrand::Rng, end: Instant) {
    let mut ticks = interval_at(Instant::now() + FIRST_OF_ALL, PURGES_OF_ALL);
    loop {
        let next = ticks.tick().await;
        if next >= end {
            return;
        }
        purge_all(&fleet, rng.usize(..PLACES)).await;
    }
}

/// Purges everything, and notes it.
pub(crate) async fn purge_all(fleet: &Fleet, place: usize) {
    let _one = fleet.purging.lock().await;
    let node = fleet.node(place);
    let at = fleet.history.note(|notes, began| {
        notes.purges_of_all.push(PurgeAll {
            life: node.life,
            began,
            done: None,
            fence: None,
        });
        notes.purges_of_all.len() - 1
    });
    let confirmed = node.cache.purge_all().await.is_ok();
    fleet.history.note(|notes, now| {
        let purge = &mut notes.purges_of_all[at];
        purge.done = Some(now);
        assert_eq!(purge.fence.is_some(), confirmed, "{purge:?}");
    });
}

/// Purges, and notes it.
pub(crate) async fn purge(fleet: &Fleet, place: usize, key: usize, kind: PurgeKind) {
    let node = fleet.node(place);
    let at = fleet.history.note(|notes, began| {
        notes.purges.push(Purge {
            life: node.life,
            key,
            kind,
            began,
            done: None,
            confirmed: false,
        });
        notes.purges.len() - 1
    });
    let uri = site::uri(key);
    let confirmed = match kind {
        PurgeKind::Hard => node.cache.purge(&uri).await,
        PurgeKind::Soft => node.cache.soft_purge(&uri).await,
    }
    .is_ok();
    fleet.history.note(|notes, now| {
        let purge = &mut notes.purges[at];
        (purge.done, purge.confirmed) = (Some(now), confirmed);
    });
}

/// Asks, reads the answer to its end, and notes it.
pub(crate) async fn request(fleet: &Fleet, place: usize, key: usize, lang: u8) -> Serve {
    let node = fleet.node(place);
    let varies = site::spec(key).kind == Kind::Varying;
    let lang = if varies { lang } else { 0 };
    let request = Request::builder()
        .uri(site::uri(key))
        .header(header::ACCEPT_LANGUAGE, LANGS[usize::from(lang)])
        .body(Empty::<Bytes>::new())
        .expect("it is one");
    let mut serve = Serve {
        life: node.life,
        key,
        lang,
        asked: fleet.history.now(),
        answered: 0,
        how: How::Hung,
        status: 0,
        fetch: None,
        body: BodyEnd::Whole,
    };
    let service = node.service.clone();
    drop(node);
    let trip = async {
        let Ok(response) = service.oneshot(request).await else {
            serve.how = How::Error;
            return;
        };
        let (head, body) = response.into_parts();
        let (status, fetch) = (head.status.as_u16(), field(&head.headers, FETCH));
        (serve.status, serve.fetch) = (status, origin::fetch_of(fetch));
        serve.body = match body.collect().await {
            Err(_) => BodyEnd::Broken,
            Ok(body) => judge(&serve, &head.headers, &body.to_bytes()),
        };
        serve.how = how(field(&head.headers, "cache-status"), serve.fetch.is_some());
    };
    let _ = timeout(PATIENCE, trip).await;
    fleet.history.note(|notes, now| {
        serve.answered = now;
        notes.serves.push(serve.clone());
    });
    serve
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// Whether the body is the one that the origin made under that name, for this request.
fn judge(serve: &Serve, headers: &HeaderMap, body: &Bytes) -> BodyEnd {
    let (Some(fetch), 200) = (serve.fetch, serve.status) else {
        return BodyEnd::Whole;
    };
    let content: u64 = field(headers, "x-content").parse().unwrap_or(u64::MAX);
    let validated = site::spec(serve.key).kind == Kind::Validated;
    let named = validated || content == fetch as u64;
    let begins = body.starts_with(words(serve.key, serve.lang, content).as_bytes());
    if named && begins && body.ends_with(b"end") {
        BodyEnd::Whole
    } else {
        BodyEnd::Wrong
    }
}

fn how(status: &str, of_the_origin: bool) -> How {
    let detail = status.split("; detail=").nth(1).unwrap_or("");
    let hit = status.contains("; hit");
    match detail {
        "" if hit => How::Hit,
        "shared" => How::Shared,
        "stale" => How::Stale,
        "stale-if-error" => How::StaleOnError,
        "leader" => How::Leader,
        "follower" => How::Follower,
        "remote-follower" => How::RemoteFollower,
        _ if of_the_origin => How::Own,
        _ => How::Failed,
    }
}
