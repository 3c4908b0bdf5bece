//! Servers that cannot be talked to: the reason in words, and never a long wait.

use std::time::Duration;

use bellwether::shared::{RedisTier, Report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::SECOND;
use crate::support::redis_server::{RedisServer, run};
use crate::support::redis_version::{CHANNEL_RULES, version};
use crate::{no_problem, paste, problem, report};

/// The URL of a way to this server on which every answer takes so much longer.
pub(crate) async fn delayed(server: &RedisServer, delay: Duration) -> String {
    let port = server.port();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            tokio::spawn(async move {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                    sleep(delay).await;
                    if to_client.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

/// Reports, within the time that is promised.
async fn in_time(url: &str) -> Report {
    let tier = RedisTier::connect(url).await.unwrap();
    let start = Instant::now();
    let report = tier.report().await;
    let took = start.elapsed();
    // Two seconds are promised; the rest is for a machine that others use.
    assert!(took < SECOND * 3, "{took:?}:\n{report}");
    report
}

fn says(report: &Report, words: &[&str]) {
    let line = problem(report).to_string();
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_at_is_said_to_be_that() {
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    let said = in_time(&url).await;
    let ping = format!("redis-cli -h 127.0.0.1 -p {} ping", server.port());
    says(&said, &["connection refused", &ping]);
    assert!(said.to_string().contains("out of reach"), "{said}");
    let said = in_time("redis+unix:///no/such.sock").await;
    says(
        &said,
        &["connection refused", "redis-cli -s '/no/such.sock'"],
    );
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_said_to_be_that() {
    let said = in_time("redis://no-such-host.invalid").await;
    says(
        &said,
        &["name of the host", "getent hosts no-such-host.invalid"],
    );
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_one_are_told_apart_and_never_shown() {
    let server = RedisServer::with(&["--requirepass", "right"]);
    says(&in_time(&server.url()).await, &["the URL has none"]);
    let place = format!("127.0.0.1:{}", server.port());
    let said = in_time(&format!("redis://:s3cret@{place}")).await;
    says(&said, &["user default", "ACL SETUSER default on >PASSWORD"]);
    assert!(!format!("{said} {said:?}").contains("s3cret"));
    no_problem(&report(&format!("redis://:right@{place}")).await);
    // A user that is off, whom the cure puts on.
    let mut words = vec!["--user", "shop", "off", "~*", "&*", "+@all"];
    words.retain(|word| *word != "&*" || version().has(CHANNEL_RULES));
    let server = RedisServer::with(&words);
    let url = format!("redis://shop:PASSWORD@127.0.0.1:{}", server.port());
    let said = in_time(&url).await;
    says(&said, &["user shop"]);
    paste(&server, problem(&said)).await;
    no_problem(&report(&url).await);
}

#[tokio::test]
async fn a_black_hole_is_reported_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    for scheme in ["redis", "redis+cluster"] {
        let said = in_time(&format!("{scheme}://{place}")).await;
        says(&said, &["no answer within 2 s", &place.to_string()]);
    }
    let said = in_time(&format!("redis+sentinel://{place}/mymaster")).await;
    says(&said, &["no sentinel can be asked: no answer within 2 s"]);
}

#[tokio::test]
async fn a_server_that_freezes_on_the_way_is_reported_with_what_was_seen() {
    let server = RedisServer::start();
    // Each answer comes 300 ms late, so half of what is asked is answered when it ends.
    let far = delayed(&server, Duration::from_millis(300)).await;
    let said = in_time(&far).await;
    let text = said.to_string();
    assert!(text.contains(&version().shown()), "{text}");
    let mut all = said.findings().map(|finding| finding.what());
    assert!(
        all.any(|what| what.contains("no answer within 2 s")),
        "{text}"
    );
    assert!(text.contains("as far as could be tried"), "{text}");

    server.stop();
    says(&in_time(&server.url()).await, &["no answer within 2 s"]);
    server.cont();
    no_problem(&report(&server.url()).await);
}

#[tokio::test]
async fn a_server_from_before_redis_6_is_said_to_be_too_old() {
    // What Redis 5.0 and 4.0 say.
    for answer in [
        "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n",
        "-ERR unknown command 'HELLO'\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        let old = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    while let Ok(count @ 1..) = client.read(&mut buffer).await {
                        let asked = String::from_utf8_lossy(&buffer[..count]);
                        for _ in asked.matches('*') {
                            let _ = client.write_all(answer.as_bytes()).await;
                        }
                    }
                });
            }
        });
        let said = in_time(&format!("redis://{place}")).await;
        says(&said, &["older than Redis 6.0"]);
        old.abort();
    }
}

#[tokio::test]
async fn what_a_server_says_of_itself_cannot_forge_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let evil = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4_096];
                while let Ok(count @ 1..) = client.read(&mut buffer).await {
                    let asked = String::from_utf8_lossy(&buffer[..count]);
                    let error = "-ERR first\x1b[2J second\r\n";
                    let errors = error.repeat(asked.matches('*').count());
                    let _ = client.write_all(errors.as_bytes()).await;
                }
            });
        }
    });
    let text = in_time(&format!("redis://{place}")).await.to_string();
    assert!(text.contains("first"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    evil.abort();
}

#[tokio::test]
async fn the_report_of_a_tier_that_lost_its_server_says_why() {
    let server = RedisServer::start();
    let tier = RedisTier::connect(&server.url()).await.unwrap();
    no_problem(&tier.report().await);
    run::<()>(&server, &["CONFIG", "SET", "requirepass", "new"]).await;
    says(&tier.report().await, &["the URL has none"]);
}
