//! How bodies travel: one fetch, many readers, and what becomes of those that cannot be kept.

use std::time::Duration;

use bellwether::shared::MemoryTier;
use bellwether::{Cache, ResponseBody};
use futures_util::future::join_all;
use http_body_util::BodyExt;

use crate::pieces::Pieces;
use crate::support::{Reply, Site, advance, get};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: u64 = 60_000;
/// More than a body that is given up may be ahead of its only reader.
const LARGE: usize = 2 << 20;

type Body = ResponseBody<Pieces>;

/// A body of so many pieces, one each so many milliseconds.
fn pieces(count: usize, pause: u64) -> Reply {
    cached_pieces(count, pause, "max-age=60")
}

fn cached_pieces(count: usize, pause: u64, cache_control: &str) -> Reply {
    let reply = Reply::ok(&"12345678".repeat(count)).cached(cache_control);
    reply
        .after(Duration::ZERO)
        .in_pieces(8, Duration::from_millis(pause))
}

fn large() -> Reply {
    let reply = Reply::ok(&"x".repeat(LARGE)).cached("max-age=60");
    reply
        .after(Duration::ZERO)
        .unannounced()
        .in_pieces(64 << 10, Duration::ZERO)
}

async fn open(site: &Site, path: &str) -> Body {
    let response = site.open(get(path)).await;
    response.expect("the origin is up").into_body()
}

/// Reads one frame; how long it is.
async fn frame(body: &mut Body) -> usize {
    let frame = body
        .frame()
        .await
        .expect("it goes on")
        .expect("it is whole");
    frame.into_data().expect("data").len()
}

#[tokio::test(start_paused = true)]
async fn what_all_readers_have_left_is_stored_if_it_comes_in_time() {
    for announced in [true, false] {
        let site = Site::new(move |_, _| {
            let reply = pieces(10, 100);
            if announced {
                reply
            } else {
                reply.unannounced()
            }
        });
        let mut body = open(&site, "/").await;
        frame(&mut body).await;
        drop(body);
        advance(2_000).await;
        assert_eq!(site.get("/").await.body.len(), 80);
        assert_eq!((site.requests(), site.bodies()), (1, 0));
        assert_eq!(site.cache.stats().bodies_deserted, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_drips_in_for_nobody_keeps_no_connection() {
    let builder = Cache::builder().fetch_timeout(SECOND);
    let site = Site::with(builder, |_, _| pieces(100, 400));
    let mut body = open(&site, "/").await;
    // As long as somebody reads, it may take what it takes.
    for _ in 0..10 {
        frame(&mut body).await;
    }
    drop(body);
    advance(900).await;
    assert_eq!(site.bodies(), 1);
    advance(150).await;
    assert_eq!(site.bodies(), 0);
    assert_eq!(site.cache.stats().bodies_deserted, 1);
    // Nothing of it is left: the next one leads at once, to the end.
    assert_eq!(site.get("/").await.body.len(), 800);
    assert_eq!(site.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_leaves_no_rule_that_the_fleet_does_not_know() {
    let tier = MemoryTier::new();
    let site = |first: u64| {
        let builder = Cache::builder().fetch_timeout(SECOND).shared(tier.clone());
        Site::with(builder, move |_, number| {
            let reply = pieces(10, if number == 1 { first } else { 1 });
            reply.with("vary", "accept-language")
        })
    };
    let (one, other) = (site(400), site(1));
    let mut body = open(&one, "/").await;
    frame(&mut body).await;
    drop(body);
    advance(1_500).await;
    assert_eq!(one.cache.stats().bodies_deserted, 1);
    // What this one stores now is found by the other.
    assert_eq!(one.get("/").await.body.len(), 80);
    assert_eq!(other.get("/").await.body.len(), 80);
    assert_eq!((one.requests(), other.requests()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_comes_before_it_is_given_back_gets_all_of_it() {
    let builder = Cache::builder().fetch_timeout(SECOND);
    let site = Site::with(builder, |_, _| pieces(10, 400));
    let mut body = open(&site, "/").await;
    frame(&mut body).await;
    drop(body);
    advance(300).await;
    assert_eq!(site.get("/").await.body.len(), 80);
    assert_eq!(site.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_the_background_that_drips_is_given_back_too() {
    let builder = Cache::builder().fetch_timeout(SECOND);
    let site = Site::with(builder, |_, number| {
        let pause = if number == 1 { 1 } else { 400 };
        cached_pieces(10, pause, "max-age=1, stale-while-revalidate=600")
    });
    site.get("/").await;
    advance(2_000).await;
    assert!(site.get("/").await.cache_status().contains("detail=stale"));
    advance(10).await;
    assert_eq!((site.requests(), site.bodies()), (2, 1));
    advance(1_100).await;
    assert_eq!(site.bodies(), 0);
    assert!(site.get("/").await.cache_status().contains("detail=stale"));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_be_stored_ends_with_its_last_reader() {
    let builder = Cache::builder().max_body_size(10);
    let site = Site::with(builder, |_, _| pieces(100, 400).unannounced());
    let mut body = open(&site, "/").await;
    for _ in 0..3 {
        frame(&mut body).await;
    }
    drop(body);
    advance(100).await;
    assert_eq!(site.bodies(), 0, "the origin was silent meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_alone_takes_its_time() {
    let builder = Cache::builder().max_body_size(1_000);
    let site = Site::with(builder, |_, _| large());
    let mut body = open(&site, "/").await;
    let mut read = frame(&mut body).await;
    advance(10 * MINUTE).await;
    assert_eq!(site.bodies(), 1, "it is held back, not cut off");
    assert!(site.cache.stats().filling_bytes < 512 << 10);
    read += body.collect().await.expect("it is whole").to_bytes().len();
    assert_eq!(read, LARGE);
    assert_eq!(site.cache.stats().filling_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_delays_the_others_once_and_by_seconds() {
    let builder = Cache::builder().max_body_size(1_000);
    let site = Site::with(builder, |_, _| large());
    let (mut still, quick) = tokio::join!(open(&site, "/"), open(&site, "/"));
    assert_eq!(site.requests(), 1);
    frame(&mut still).await;
    let begun = tokio::time::Instant::now();
    let whole = quick.collect().await.expect("it is whole").to_bytes();
    assert_eq!(whole.len(), LARGE);
    assert!(begun.elapsed() < 6 * SECOND, "{:?}", begun.elapsed());
    let rest = still.collect().await;
    assert!(rest.is_err(), "a short body never ends cleanly");
}

#[tokio::test(start_paused = true)]
async fn bodies_for_which_there_is_no_room_reach_everyone_and_are_stored_once_there_is() {
    let builder = Cache::builder().max_body_size(1_000).fill_capacity(1_024);
    let site = Site::with(builder, |request, _| match request.uri().path() {
        "/slow" => pieces(30, 100),
        _ => pieces(5, 1),
    });
    // It takes all the room that there is, for three seconds.
    let slow = tokio::spawn(open(&site, "/slow").await.collect());
    advance(500).await;
    let answers = join_all((0..5).map(|_| site.get("/other"))).await;
    assert!(answers.iter().all(|got| got.body.len() == 40));
    assert_eq!(site.requests(), 2, "they were all in it already");
    let stats = site.cache.stats();
    assert_eq!((stats.bodies_without_room, stats.bodies_too_large), (1, 0));
    // For a moment everyone goes alone, rather than one behind the other.
    for _ in 0..3 {
        let got = site.get("/other").await;
        let status = got.cache_status();
        assert!(status.ends_with("detail=uncacheable"), "{status}");
    }
    let whole = slow.await.expect("no panic").expect("it is whole");
    assert_eq!(whole.to_bytes().len(), 240);
    let got = site.get("/other").await;
    assert!(got.cache_status().contains("detail=leader"), "{got:?}");
    let before = site.requests();
    assert!(site.get("/other").await.cache_status().contains("hit"));
    assert!(site.get("/slow").await.cache_status().contains("hit"));
    assert_eq!(site.requests(), before);
    assert_eq!(site.cache.stats().filling_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn in_a_rush_each_body_waits_for_its_turn_and_is_stored() {
    let builder = Cache::builder().max_body_size(1_000).fill_capacity(4_096);
    let site = Site::with(builder, |_, _| pieces(10, 20));
    let paths: Vec<_> = (0..40).map(|number| format!("/{number}")).collect();
    let answers = join_all(paths.iter().map(|path| site.get(path))).await;
    assert!(answers.iter().all(|got| got.body.len() == 80));
    for path in &paths {
        assert!(site.get(path).await.cache_status().contains("hit"));
    }
    assert_eq!(
        (site.requests(), site.cache.stats().bodies_without_room),
        (40, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_outgrew_the_limit_is_not_led_again_for_as_long_as_that_is_remembered() {
    let builder = Cache::builder().max_body_size(10);
    let site = Site::with(builder, |_, number| {
        let reply = pieces(if number < 8 { 5 } else { 1 }, 1);
        if number < 8 {
            reply.unannounced()
        } else {
            reply
        }
    });
    site.get("/").await;
    for _ in 0..7 {
        let got = site.get("/").await;
        let status = got.cache_status();
        assert_eq!(status, "bellwether; fwd=miss; detail=uncacheable");
    }
    // The eighth said how long it is, and that it would fit.
    assert!(site.get("/").await.cache_status().contains("detail=leader"));
    assert!(site.get("/").await.cache_status().contains("hit"));
}

#[tokio::test(start_paused = true)]
async fn after_a_body_that_broke_off_the_next_request_leads_at_once() {
    for shared in [false, true] {
        let builder = Cache::builder();
        let builder = if shared {
            builder.shared(MemoryTier::new())
        } else {
            builder
        };
        let site = Site::with(builder, |_, number| {
            let reply = pieces(10, 10);
            if number <= 2 {
                reply.breaking_after(40)
            } else {
                reply
            }
        });
        for number in 1..=2 {
            let answers = join_all((0..3).map(|_| site.get("/"))).await;
            assert!(answers.iter().all(|got| got.body.starts_with("broken")));
            assert_eq!(site.requests(), number);
        }
        let got = site.get("/").await;
        assert_eq!((got.status.as_u16(), got.body.len()), (200, 80));
        assert_eq!(site.requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn another_node_that_waited_for_a_body_that_broke_off_is_the_successor() {
    let tier = MemoryTier::new();
    let site = |breaks: bool| {
        Site::with(Cache::builder().shared(tier.clone()), move |_, _| {
            let reply = pieces(10, 10);
            if breaks {
                reply.breaking_after(40)
            } else {
                reply
            }
        })
    };
    let (breaks, succeeds) = (site(true), site(false));
    let (broken, whole) = tokio::join!(breaks.get("/"), async {
        advance(1).await;
        join_all((0..3).map(|_| succeeds.get("/"))).await
    });
    assert!(broken.body.starts_with("broken"));
    assert!(
        whole
            .iter()
            .all(|got| got.status == 200 && got.body.len() == 80),
        "{whole:?}"
    );
    assert_eq!((breaks.requests(), succeeds.requests()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn with_something_to_serve_a_body_that_broke_off_is_not_fetched_again_for_a_while() {
    let site = Site::with(Cache::builder().shared(MemoryTier::new()), |_, number| {
        let reply = cached_pieces(10, 10, "max-age=1, stale-while-revalidate=60");
        if number == 1 {
            reply
        } else {
            reply.breaking_after(40)
        }
    });
    site.get("/").await;
    advance(1_500).await;
    for _ in 0..10 {
        let got = site.get("/").await;
        assert_eq!((got.status.as_u16(), got.body.len()), (200, 80));
        advance(20).await;
    }
    assert_eq!(site.requests(), 2);
}
