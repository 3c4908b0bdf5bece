//! `--passthrough`: the same proxy with the cache out of the way.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::client::Client;
use crate::support::origin::{Origin, Page};
use crate::support::proxy::{Proxy, command};
use crate::support::until;
use crate::turn;

async fn origin() -> Origin {
    let origin = Origin::start().await;
    let page = Page::new("copy {n}").cache_control("max-age=60");
    origin.serve("/page", page);
    origin
}

#[tokio::test]
async fn every_request_goes_to_the_origin_and_nothing_speaks_of_a_cache() {
    let _turn = turn::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, "passthrough = true\n").unwrap();
    let [mut bare, mut worded, mut variable, mut filed] = [(); 4].map(|()| command());
    bare.arg("--passthrough");
    worded.args(["--passthrough", "true"]);
    variable.env("BELLWETHER_PASSTHROUGH", "true");
    filed.arg("--config").arg(&file);
    for mut command in [bare, worded, variable, filed] {
        let origin = origin().await;
        command.args(["--origin", &origin.url()]);
        let proxy = Proxy::start(command).await;
        for client in [proxy.client(), Client::http2(proxy.url())] {
            for method in ["GET", "HEAD"] {
                let answer = client.send(client.request(method, "/page")).await;
                assert_eq!(answer.header("cache-status"), "");
                assert_eq!(answer.header("via"), "1.1 bellwether");
            }
        }
        let heads = origin.heads("/page");
        let methods: Vec<_> = heads.iter().map(|head| head.method.as_str()).collect();
        assert_eq!(methods, ["GET", "HEAD", "GET", "HEAD"]);
        until("it says so", || {
            proxy.stderr().contains("nothing is cached")
        })
        .await;
    }
}

#[tokio::test]
async fn false_is_what_it_is_without() {
    let _turn = turn::shared().await;
    let origin = origin().await;
    let args = ["--passthrough", "false", "--origin", &origin.url()];
    let proxy = Proxy::spawn(&args).await;
    for _ in 0..2 {
        assert_eq!(proxy.client().get("/page").await.text(), "copy 1");
    }
}

/// So that it can be added to a command line that works, and taken away again.
#[tokio::test]
async fn what_concerns_the_cache_is_ignored() {
    let _turn = turn::shared().await;
    let origin = origin().await;
    let free = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    // Nobody accepts connections at the one, and the other is for the operator.
    let (redis, admin) = (free().await, free().await);
    let redis_url = format!("redis://{}", redis.local_addr().unwrap());
    let address = admin.local_addr().unwrap().to_string();
    drop(admin);
    let args = ["--origin", &origin.url(), "--passthrough", "--grace", "30s"];
    let fleet = ["--redis", &redis_url, "--admin", &address, "--node", "a"];
    let proxy = Proxy::spawn(&[&args[..], &fleet].concat()).await;
    for number in 1..=2 {
        let answer = proxy.client().get("/page").await;
        assert_eq!(answer.text(), format!("copy {number}"));
    }
    let operator = Client::new(format!("http://{address}"));
    assert_eq!(operator.get("/health").await.text(), "ok\n");
    let purge = format!("/purge?uri={}/page", proxy.url());
    for (method, path) in [("GET", "/stats"), ("POST", purge.as_str())] {
        let answer = operator.send(operator.request(method, path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("--passthrough"), "{path}");
    }
    let connected = timeout(Duration::from_millis(50), redis.accept()).await;
    assert!(connected.is_err(), "Redis is not connected to");
}

#[tokio::test]
async fn an_unreachable_origin_is_a_502_without_a_cache_status() {
    let _turn = turn::shared().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let proxy = Proxy::spawn(&["--origin", &nobody, "--passthrough"]).await;
    let answer = proxy.client().get("/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.text(), "the origin cannot be reached\n");
    assert_eq!(answer.header("cache-status"), "");
}
