//! The proxy as the one who starts it meets it: settings, words, exit codes, signals.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::origin::{Origin, Page};
use crate::support::proxy::{Proxy, command, refusal, run};
use crate::support::{until, within};

#[tokio::test]
async fn a_bad_flag_is_one_line_that_names_setting_value_and_range() {
    let cases: [(&[&str], &[&str]); 26] = [
        (&["--grace", "5"], &["--grace", "\"5\"", "from 0s to 365d"]),
        (
            &["--grace", "400d"],
            &["--grace", "\"400d\"", "from 0s to 365d"],
        ),
        (&["--grace="], &["--grace", "\"\"", "from 0s"]),
        (
            &["--local-capacity", "1KiB"],
            &["--local-capacity", "\"1KiB\"", "1.0 MiB to 1.0 TiB"],
        ),
        (
            &["--max-body-size", "much"],
            &["--max-body-size", "\"much\"", "1.0 KiB to 256.0 MiB"],
        ),
        (
            &["--purge-from", "127.0.0.1, here"],
            &["--purge-from", "\"127.0.0.1, here\"", "10.0.0.0/8"],
        ),
        (
            &["--origin", "ftp://a"],
            &["--origin", "\"ftp://a\"", "http://HOST"],
        ),
        (&["--origin", "http://a/b"], &["--origin", "no path"]),
        (
            &["--origin", "http://a:99999"],
            &["--origin", "http://HOST[:PORT]"],
        ),
        (
            &["--listen", "8080"],
            &["--listen", "\"8080\"", "ADDRESS:PORT"],
        ),
        (&["--admin", "x:y"], &["--admin", "\"x:y\"", "ADDRESS:PORT"]),
        (
            &["--node", "a/b"],
            &["--node", "\"a/b\"", "1 to 64 characters"],
        ),
        (
            &["--redis", "http://:secret@a"],
            &["--redis", "redis://127.0.0.1:6379"],
        ),
        (
            &["--redis-ca", "ca.pem"],
            &["--redis-ca", "--redis is missing"],
        ),
        (
            &["--default-ttl", "1"],
            &["--default-ttl", "\"1\"", "from 0s to 365d"],
        ),
        (&["--stale-if-error", "x"], &["--stale-if-error", "365d"]),
        (
            &["--stale-if-unreachable", "x"],
            &["--stale-if-unreachable", "365d"],
        ),
        (&["--keep", "x"], &["--keep", "365d"]),
        (
            &["--status-ttl", "404=1s, 99=1s"],
            &["--status-ttl", "404=10s, 500-599=1s", "200 to 599"],
        ),
        (
            &["--targets", "a b"],
            &["--targets", "\"a b\"", "CDN-Cache-Control"],
        ),
        (
            &["--honor-request-directives", "yes"],
            &["--honor-request-directives", "true or false"],
        ),
        (
            &["--set-cookie", "keep"],
            &["--set-cookie", "refuse, strip or share"],
        ),
        (
            &["--fetch-timeout", "0s"],
            &["--fetch-timeout", "from 1ms to 1h"],
        ),
        (
            &["--passthrough", "on"],
            &["--passthrough", "\"on\"", "true or false"],
        ),
        (&["--graze", "5s"], &["--graze", "--grace"]),
        (&["--grace"], &["--grace", "missing"]),
    ];
    for (args, words) in cases {
        let line = refusal(command().args(args), 2).await;
        for word in words {
            assert!(line.contains(word), "{args:?}: {word:?} is not in {line}");
        }
        assert!(
            !line.contains("secret"),
            "a password is not repeated: {line}"
        );
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn what_is_wrong_with_a_redis_url_is_named_by_its_part() {
    for (url, word) in [
        ("redis://u:secret@a:x", "port"),
        ("redis+unix://u:secret@a", "socket"),
        ("redis+sentinel://u:secret@a,b", "master's name"),
        ("redis+cluster://u:secret@a/1", "database but 0"),
        ("redis://u:secret@a,b", "redis+cluster://"),
    ] {
        let line = refusal(command().args(["--redis", url]), 2).await;
        assert!(line.contains("--redis: ") && line.contains(word), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn certificates_are_asked_for_whole_or_refused_in_words() {
    for (flags, word) in [
        (["--redis-ca", "/no/such.pem"], "/no/such.pem"),
        (["--redis-cert", "Cargo.toml"], "--redis-key"),
        (["--redis-ca", "Cargo.toml"], "certificate in PEM"),
    ] {
        let mut command = command();
        let line = refusal(command.args(["--redis", "rediss://a"]).args(flags), 2).await;
        let word = if cfg!(feature = "tls") {
            word
        } else {
            "add the feature \"tls\""
        };
        assert!(line.contains(word), "{line}");
    }
}

#[tokio::test]
async fn a_bad_variable_is_called_by_its_name() {
    let line = refusal(command().env("BELLWETHER_GRACE", "soon"), 2).await;
    assert!(line.contains("BELLWETHER_GRACE: \"soon\""), "{line}");
}

#[tokio::test]
async fn a_bad_file_is_one_line_with_its_name_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    let cases = [
        ("graze = \"5s\"", "unknown setting graze"),
        ("config = \"other.toml\"", "unknown setting config"),
        ("grace = \"5\"", "grace in "),
        ("grace = true", "expected a string, found a boolean"),
        (
            "honor_request_directives = \"yes\"",
            "expected true or false",
        ),
        (
            "honor_request_directives = 1.5",
            "expected true or false, found a float",
        ),
        ("passthrough = \"yes\"", "expected true or false"),
        (
            "targets = [1]",
            "expected a string or a list of strings, found an array",
        ),
        ("targets = [\"a b\"]", "targets in "),
        ("status_ttl = \"404\"", "like 404=10s, 500-599=1s"),
        ("rule = 1", "each begun by a line [[rule]]"),
        ("[rule]\npath = \"/a\"", "each begun by a line [[rule]]"),
        ("node = \"a\"\ngrace = ", "line 2"),
        ("node = \"a\"\nnode = \"b\"", "line 2"),
    ];
    for (text, word) in cases {
        std::fs::write(&path, text).unwrap();
        let line = refusal(command().arg("--config").arg(&path), 2).await;
        assert!(
            line.contains(word) && line.contains("proxy.toml"),
            "{text}: {line}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let line = refusal(command().arg("--config").arg(&path), 2).await;
    assert!(
        line.contains("cannot read") && line.contains("proxy.toml"),
        "{line}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin"] {
        let line = refusal(command().args([flag, &address]), 1).await;
        assert!(line.contains(flag) && line.contains(&address), "{line}");
    }
}

#[tokio::test]
async fn a_proxy_of_itself_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let origin = format!("http://{address}");
    let line = refusal(
        command().args(["--listen", &address, "--origin", &origin]),
        2,
    )
    .await;
    assert!(line.contains("own address"), "{line}");
}

#[tokio::test]
async fn help_names_all_settings_with_units_and_defaults() {
    let output = run(command().arg("--help")).await;
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let settings = [
        "origin",
        "listen",
        "redis",
        "redis-ca",
        "redis-cert",
        "redis-key",
        "grace",
        "local-capacity",
        "max-body-size",
        "fill-capacity",
        "shared-max-body-size",
        "default-ttl",
        "status-ttl",
        "stale-if-error",
        "stale-if-unreachable",
        "keep",
        "set-cookie",
        "targets",
        "honor-request-directives",
        "fetch-timeout",
    ];
    let others = [
        "admin",
        "purge-token",
        "purge-from",
        "node",
        "passthrough",
        "config",
    ];
    for flag in settings.iter().chain(&others) {
        let variable = format!("BELLWETHER_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{flag}")), "--{flag}");
        assert!(help.contains(&variable), "{variable}");
    }
    for word in ["127.0.0.1:8080", "256MiB", "8MiB", "0s", "Examples:"] {
        assert!(help.contains(word), "{word}");
    }
}

#[tokio::test]
async fn flags_beat_variables_and_variables_beat_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    // Nothing listens at port 1, and the proxy's own answer to that carries the node's name.
    std::fs::write(&path, "node = \"file\"\norigin = \"http://127.0.0.1:1\"").unwrap();
    let with_file = || {
        let mut command = command();
        command.arg("--config").arg(&path);
        command
    };
    let with_variable = || {
        let mut command = with_file();
        command.env("BELLWETHER_NODE", "variable");
        command
    };
    let mut with_flag = with_variable();
    with_flag.args(["--node", "flag"]);
    for (command, name) in [
        (with_file(), "file"),
        (with_variable(), "variable"),
        (with_flag, "flag"),
    ] {
        let proxy = Proxy::start(command).await;
        let answer = proxy.client().get("/").await;
        let status = answer.header("cache-status");
        assert!(
            status.starts_with(&format!("bellwether/{name};")),
            "{status}"
        );
    }
}

#[tokio::test]
async fn without_an_argument_a_demo_explains_itself_on_stderr() {
    let proxy = Proxy::spawn(&[]).await;
    let answer = proxy.client().get("/").await;
    assert_eq!(answer.text(), "/: copy 1, made by the origin\n");
    assert_eq!(
        answer.header("cache-control"),
        "max-age=5, stale-while-revalidate=30"
    );
    let answer = proxy.client().get("/nostore").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let hint = format!("curl -i {}/", proxy.url());
    until("the demo explains itself", || {
        proxy.stderr().contains(&hint)
    })
    .await;
}

#[tokio::test]
async fn the_line_that_says_ready_is_all_there_is_on_stdout() {
    let origin = Origin::start().await;
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    assert_eq!(proxy.client().get("/").await.status, 200);
    proxy.terminate();
    let (code, more) = proxy.end().await;
    assert_eq!(code, Some(0));
    assert_eq!(more, [""; 0]);
}

#[tokio::test]
async fn a_running_request_is_drained_and_no_new_one_is_taken() {
    let origin = Origin::start().await;
    origin.serve(
        "/slow",
        Page::new("done").latency(Duration::from_millis(500)),
    );
    let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
    let idle = proxy.client();
    assert_eq!(idle.get("/").await.status, 200);

    let client = proxy.client();
    let slow = tokio::spawn(async move { client.get("/slow").await });
    until("the request is running", || {
        origin.requests_to("/slow") == 1
    })
    .await;
    proxy.terminate();
    until("the proxy says so", || proxy.stderr().contains("stopping")).await;
    let address = proxy.address();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let answer = within("the slow answer", slow).await.unwrap();
    assert_eq!(answer.text(), "done");
    assert_eq!(proxy.end().await.0, Some(0));
}
