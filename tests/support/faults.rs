//! Steps of the tests that break a server.

use std::time::Duration;

use bellwether::ErrorKind;
use bellwether::shared::*;
use tokio::time::{Instant, sleep};

use super::redis_server::RedisServer;
use super::{SECOND, ask, commit, fresh_id, leased};

pub async fn connect(server: &RedisServer) -> RedisTier {
    let tier = RedisTier::connect(&server.url()).await.expect("a good URL");
    assert!(tier.is_up());
    tier
}

/// A call that is let through whenever the server is believed to be there.
pub async fn call(tier: &RedisTier) -> Result<bool, ErrorKind> {
    let renew = Renew {
        id: EntryId::from_bytes([9; 16]),
        token: Token::from_bytes([9; 16]),
        fence: Fence::new(1),
        lease: SECOND,
        within: SECOND,
    };
    tier.renew(renew).await.map_err(|error| error.kind())
}

/// How long it takes until `tier.is_up()` is `up`.
pub async fn until_is(tier: &RedisTier, up: bool) -> Duration {
    let start = Instant::now();
    while tier.is_up() != up {
        assert!(start.elapsed() < 10 * SECOND, "still not: up = {up}");
        sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

/// Freezes the server and calls until the breaker is open.
pub async fn freeze(server: &RedisServer, tier: &RedisTier) {
    server.stop();
    while tier.is_up() {
        call(tier).await.expect_err("it is frozen");
    }
}

pub async fn store(tier: &RedisTier, body: &str) -> EntryId {
    let id = fresh_id();
    let ask = ask(id);
    let fence = leased(&tier.acquire(ask.clone()).await.unwrap());
    let outcome = tier.commit(commit(id, ask.token, fence, Some(body))).await;
    assert!(matches!(outcome, Ok(Committed::Stored { .. })));
    id
}

/// Asks until the recovering tier lets the question through.
pub async fn acquire(tier: &RedisTier, id: EntryId) -> Answer {
    let start = Instant::now();
    let ask = ask(id);
    loop {
        match tier.acquire(ask.clone()).await {
            Ok(answer) => return answer,
            Err(error) => assert!(start.elapsed() < 5 * SECOND, "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}
