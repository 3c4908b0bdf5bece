//! `reverse_proxy --check`, and the report at the proxy's start.

use std::process::Output;

use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::origin::{Origin, Page};
use crate::support::proxy::{Proxy, command, refusal, run};
use crate::support::redis_server::RedisServer;
use crate::support::{SECOND, rights, until};

/// Its exit code and what it says on stdout.
async fn checked(args: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = run(command().arg("--check").args(args)).await;
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(stderr, "", "what there is to say is on stdout");
    (status.code(), String::from_utf8(stdout).unwrap())
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn all_well_is_0_and_advice_does_not_change_that() {
    let origin = Origin::start().await;
    origin.serve("/", Page::new("hello"));
    let server = RedisServer::start();
    let url = origin.url();
    let (code, text) = checked(&["--origin", &url, "--redis", &server.url()]).await;
    assert_eq!(code, Some(0), "{text}");
    has(
        &text,
        &[
            "settings     all can be used\n",
            &format!("origin       {url}: answers HEAD / with 200 OK after "),
            &format!("shared tier  redis://127.0.0.1:{}/0", server.port()),
            "verdict      no problem, 1 piece of advice\n",
            "CONFIG SET maxmemory 1gb\n",
        ],
    );
    assert_eq!(origin.requests_to("/"), 1);

    // Nothing given at all: it would be the demo, which is not started.
    let (code, text) = checked(&[]).await;
    assert_eq!(code, Some(0), "{text}");
    has(&text, &["built-in demo", "this process caches for itself"]);
}

#[tokio::test]
async fn each_kind_of_problem_is_1_and_comes_with_its_cure() {
    let origin = Origin::start().await;
    let url = origin.url();
    let mut server = RedisServer::start();
    let mut words = vec!["ACL", "SETUSER", "bellwether"];
    let rule = rights("bellwether");
    words.extend(rule.iter().filter(|word| **word != "+unlink"));
    crate::support::redis_server::run::<()>(&server, &words).await;
    let theirs = format!("redis://bellwether:PASSWORD@127.0.0.1:{}", server.port());
    // Such a tier is up, and would fail at the first purge.
    let (code, text) = checked(&["--origin", &url, "--redis", &theirs]).await;
    assert_eq!(code, Some(1), "{text}");
    has(&text, &["  ACL SETUSER bellwether +unlink\n"]);
    assert!(!text.contains("PASSWORD"), "{text}");

    server.kill();
    let (code, text) = checked(&["--origin", &url, "--redis", &server.url()]).await;
    assert_eq!(code, Some(1), "{text}");
    has(
        &text,
        &["PROBLEM", "connection refused", "answers HEAD / with"],
    );

    // Nothing listens at port 1.
    let (code, text) = checked(&["--origin", "http://127.0.0.1:1"]).await;
    assert_eq!(code, Some(1), "{text}");
    has(
        &text,
        &[
            "the origin cannot be reached",
            "curl -I http://127.0.0.1:1/",
        ],
    );
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_2_as_at_a_start() {
    for (args, word) in [
        (vec!["--grace", "5"], "--grace"),
        (vec!["--redis", "redis://a:x"], "port"),
        (
            vec![
                "--listen",
                "127.0.0.1:3000",
                "--origin",
                "http://127.0.0.1:3000",
            ],
            "own address",
        ),
    ] {
        let line = refusal(command().arg("--check").args(&args), 2).await;
        assert!(line.contains(word), "{line}");
    }
    // It is no setting: neither the environment nor the file can keep a proxy from serving.
    let mut plain = command();
    plain.env("BELLWETHER_CHECK", "true");
    let proxy = Proxy::start(plain).await;
    drop(proxy);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    std::fs::write(&path, "check = true").unwrap();
    let line = refusal(command().arg("--config").arg(&path), 2).await;
    assert!(line.contains("unknown setting check"), "{line}");
    std::fs::write(&path, "grace = \"5s\"").unwrap();
    let (code, text) = checked(&["--config", path.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{text}");
    has(&text, &["proxy.toml"]);
}

#[tokio::test]
async fn a_check_opens_no_port() {
    // Taken by us: who would open it would fail.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = checked(&["--listen", &address, "--admin", &address]).await;
    assert_eq!(code, Some(0), "{text}");
}

#[tokio::test]
async fn passthrough_is_checked_without_a_redis() {
    let origin = Origin::start().await;
    let args = ["--redis", "redis://127.0.0.1:1", "--passthrough"];
    let (code, text) = checked(&[&args[..], &["--origin", &origin.url()]].concat()).await;
    assert_eq!(code, Some(0), "{text}");
    has(&text, &["not used (--passthrough)"]);
}

#[tokio::test]
async fn a_black_hole_is_a_problem_and_holds_up_neither_check_nor_start() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", hole.local_addr().unwrap());
    // The first run may have to build the proxy.
    checked(&[]).await;
    let start = Instant::now();
    let (code, text) = checked(&["--redis", &url]).await;
    assert_eq!(code, Some(1), "{text}");
    has(&text, &["no answer within 2 s"]);
    // A second to connect, two for the report; the rest is for a machine that others use.
    assert!(start.elapsed() < SECOND * 8, "{:?}", start.elapsed());

    let origin = Origin::start().await;
    let proxy = Proxy::spawn(&["--origin", &origin.url(), "--redis", &url]).await;
    // It is ready before there is a report.
    assert!(!proxy.stderr().contains("PROBLEM"), "{}", proxy.stderr());
    assert_eq!(proxy.client().get("/").await.status, 200);
    until("the report is there", || {
        let said = proxy.stderr();
        said.contains("WARN") && said.contains("PROBLEM      no answer within 2 s")
    })
    .await;
}

#[tokio::test]
async fn a_start_logs_the_report_and_once() {
    let origin = Origin::start().await;
    let server = RedisServer::with(&["--maxmemory", "99mb", "--maxmemory-policy", "allkeys-lru"]);
    let proxy = Proxy::spawn(&["--origin", &origin.url(), "--redis", &server.url()]).await;
    until("the report is there", || {
        proxy.stderr().contains("verdict      no problem")
    })
    .await;
    let said = proxy.stderr();
    has(
        &said,
        &["the shared tier, as it is now:\nshared tier  redis://"],
    );
    assert_eq!(said.matches("verdict").count(), 1, "{said}");
    assert!(!said.contains("WARN"), "{said}");
}
