//! A master by way of sentinels.

use crate::support::redis_sentinel::Sentinels;
use crate::support::redis_server::{RedisServer, run};
use crate::support::redis_version::{CHANNEL_RULES, applies, version};
use crate::{advice, no_problem, nothing_about, nothing_at_all, paste, problem, report};

#[tokio::test]
async fn a_good_watch_is_described_and_what_is_missing_is_advised() {
    let watch = Sentinels::start().await;
    let said = report(&watch.url()).await;
    assert_eq!(said.findings().count(), 0, "{said}");
    let text = said.to_string();
    let (port, shown) = (watch.servers[0].port(), version().shown_to_the_least());
    let master = format!("127.0.0.1:{port}: {shown}");
    for words in [
        "master mymaster, 3 of the 3 that the URL names answer; watching: 3, quorum 2; replicas: 1",
        &master,
    ] {
        // It may be wrapped.
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words:?} is not in\n{text}");
    }

    // A user that may ask for more gets advice.
    let url = watch.url().replace("bellwether:PASSWORD@", "");
    let said = report(&url).await;
    no_problem(&said);
    let finding = advice(&said, "a purge among them is undone");
    paste(&watch.servers[0], finding).await;
    nothing_about(&report(&url).await, "a purge among them");

    // On a busy machine a replica may be heard of less often than every two seconds.
    let words = ["CONFIG", "SET", "min-replicas-to-write", "0"];
    run::<()>(&watch.servers[0], &words).await;

    // Slow to notice.
    for sentinel in &watch.sentinels {
        let set = "SENTINEL SET mymaster down-after-milliseconds 30000";
        run::<()>(sentinel, &set.split(' ').collect::<Vec<_>>()).await;
    }
    let said = report(&watch.url()).await;
    let finding = advice(&said, "noticed after 30 s");
    for sentinel in &watch.sentinels {
        paste(sentinel, finding).await;
    }
    nothing_at_all(&report(&watch.url()).await);

    // A quorum that is never reached.
    for sentinel in &watch.sentinels {
        let set = "SENTINEL SET mymaster quorum 4";
        run::<()>(sentinel, &set.split(' ').collect::<Vec<_>>()).await;
    }
    let said = report(&watch.url()).await;
    let finding = advice(&said, "of 3 sentinels 4 have to agree");
    for sentinel in &watch.sentinels {
        paste(sentinel, finding).await;
    }
    nothing_at_all(&report(&watch.url()).await);

    // Another name.
    let url = watch.url().replace("/mymaster", "/other");
    let said = report(&url).await;
    let finding = problem(&said);
    assert!(
        finding.what().contains("no master called other"),
        "{finding}"
    );
    assert_eq!(finding.places().count(), 3);

    // A sentinel in place of the master.
    let said = report(&watch.sentinels[0].url()).await;
    let finding = problem(&said);
    let cure = finding.commands().next().unwrap();
    no_problem(&report(cure).await);
}

#[tokio::test]
async fn a_sentinel_that_is_away_is_advice_and_all_of_them_a_problem() {
    let mut watch = Sentinels::start().await;
    watch.sentinels[1].kill();
    let said = report(&watch.url()).await;
    no_problem(&said);
    let finding = advice(&said, "of this sentinel: nothing listens there");
    let place = format!("127.0.0.1:{}", watch.sentinels[1].port());
    assert_eq!(finding.places().collect::<Vec<_>>(), [place]);
    watch.sentinels[0].kill();
    watch.sentinels[2].kill();
    let said = report(&watch.url()).await;
    let finding = problem(&said);
    assert!(
        finding.what().contains("no sentinel can be asked"),
        "{finding}"
    );
}

#[tokio::test]
async fn one_sentinel_is_too_few_and_its_missing_rights_are_named() {
    if !applies(CHANNEL_RULES, "sentinels have users") {
        return;
    }
    let master = RedisServer::start();
    let file = format!(
        "sentinel monitor mymaster 127.0.0.1 {} 1\nuser watcher on >PASSWORD resetchannels -@all\n",
        master.port()
    );
    let sentinel = RedisServer::sentinel(&file);
    let place = format!("127.0.0.1:{}", sentinel.port());
    let login = "sentinel_user=watcher&sentinel_password=PASSWORD";
    let url = format!("redis+sentinel://{place}/mymaster?{login}");
    // First the commands; which channels it may hear shows only when it may listen.
    for _ in 0..2 {
        let said = report(&url).await;
        let finding = problem(&said);
        assert!(finding.what().contains("the user watcher"), "{finding}");
        paste(&sentinel, finding).await;
    }
    let said = report(&url).await;
    no_problem(&said);
    advice(&said, "one sentinel watches over this master");
    advice(&said, "has no replica");
}
