//! Who `RedisTier` is to the server, and by which door it comes in.

use bellwether::shared::*;

use crate::claims;
use crate::support::faults::call;
use crate::support::redis_bench::RedisBench;
use crate::support::redis_server::{RedisServer, run};
use crate::support::redis_version::{FREE_HELLO, version};
use crate::support::*;

mod as_the_least_user {
    use super::*;

    async fn bench() -> RedisBench {
        let server = RedisServer::start();
        let mut words = vec!["ACL", "SETUSER", "bellwether"];
        words.extend(rights("bellwether"));
        run::<()>(&server, &words).await;
        let url = server.url();
        let theirs = format!("redis://bellwether:PASSWORD@127.0.0.1:{}/3", server.port());
        RedisBench::new(server, &theirs, &[url + "/3"]).await
    }

    claims::suite!(
        tokio::test(flavor = "multi_thread", worker_threads = 2),
        bench
    );
}

mod by_a_socket {
    use super::*;

    async fn bench() -> RedisBench {
        let server = RedisServer::with(&["--unixsocket", "./it's a @.sock"]);
        let path = server.dir().join("it's a @.sock");
        let path = path.to_str().unwrap().replace('@', "%40");
        let (theirs, ours) = (format!("redis+unix://{path}?db=2"), server.url() + "/2");
        RedisBench::new(server, &theirs, &[ours]).await
    }

    claims::suite!(
        tokio::test(flavor = "multi_thread", worker_threads = 2),
        bench
    );
}

#[tokio::test]
async fn without_any_one_of_the_rights_something_fails() {
    let server = RedisServer::start();
    let rule = rights("bellwether");
    let none = [
        "on",
        ">PASSWORD",
        "resetkeys",
        "resetchannels",
        "-@all",
        "+select",
    ];
    for (number, without) in rule.iter().enumerate() {
        if none.contains(without) {
            continue;
        }
        let user = format!("user{number}");
        let mut words = vec!["ACL", "SETUSER", &user];
        words.extend(rule.iter().filter(|word| *word != without));
        run::<()>(&server, &words).await;
        let url = format!("redis://{user}:PASSWORD@127.0.0.1:{}", server.port());
        let tier = RedisTier::connect(&url).await.unwrap();
        assert!(!tier.is_up() || !does_all(&tier).await, "without {without}");
    }
}

#[tokio::test]
async fn the_default_user_needs_no_right_but_before_redis_7_that_to_hello() {
    for (rights, enough) in [
        (&["-@all"][..], version().has(FREE_HELLO)),
        (&["-@all", "+hello"], true),
    ] {
        let server = RedisServer::start();
        let mut words = vec!["ACL", "SETUSER", "bellwether"];
        words.extend(self::rights("bellwether"));
        run::<()>(&server, &words).await;
        // Every login begins as this user.
        let words = [&["ACL", "SETUSER", "default", "off"][..], rights].concat();
        run::<()>(&server, &words).await;
        let url = format!("redis://bellwether:PASSWORD@127.0.0.1:{}", server.port());
        let tier = RedisTier::connect(&url).await.expect("no error");
        assert_eq!(tier.is_up(), enough, "{rights:?}");
        assert!(!enough || does_all(&tier).await);
    }
}

/// Whether each kind of call succeeds.
async fn does_all(tier: &RedisTier) -> bool {
    let id = fresh_id();
    let ask = ask(id);
    let Ok(answer) = tier.acquire(ask.clone()).await else {
        return false;
    };
    let waiting = tier.acquire(self::ask(id)).await;
    let stored = tier.commit(commit(id, ask.token, leased(&answer), Some("b")));
    let done = waiting.is_ok() && matches!(stored.await, Ok(Committed::Stored { .. }));
    let purged = async |kind| tier.purge(id, kind, SECOND).await.is_ok();
    done && call(tier).await.is_ok()
        && purged(PurgeKind::Soft).await
        && purged(PurgeKind::Hard).await
        && run_release(tier).await
}

async fn run_release(tier: &RedisTier) -> bool {
    let asked = ask(fresh_id());
    let block = Some((BlockKind::Uncacheable, SECOND));
    tier.acquire(asked.clone()).await.is_ok()
        && tier
            .release(release(asked.id, asked.token, block))
            .await
            .is_ok()
}
