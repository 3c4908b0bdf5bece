//! The examples, run as a reader would.

use std::time::Duration;

use tokio::process::Command;

use crate::fleet::{SLACK, turn};
use crate::load::{Target, crowd};
use crate::report::{figures, row};
use crate::support::proxy::{Proxy, example};
use crate::support::within;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_ends_well_and_says_that_the_origin_was_called_once() {
    let _turn = turn().await;
    let mut command = Command::new(example("two_nodes"));
    command.env_remove("REDIS_URL").kill_on_drop(true);
    let output = within("the example", command.output()).await;
    let output = output.expect("the example can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.ends_with("the origin was called once\n"), "{said}");
    assert!(said.contains("requests to origin:    1\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_serves_a_crowd_from_one_page() {
    let _turn = turn().await;
    let proxy = Proxy::spawn(&[]).await;
    let host = proxy.address().to_string();
    let page = Target::new(0, proxy.address(), &host, "/");
    let all = crowd(&[page], 200).await;
    row("the demo, 200 clients", &figures(&all));
    assert_eq!(all.errors(), 0);
    // It takes 300 ms for a page.
    assert!(all.longest() <= Duration::from_millis(600) + SLACK);
    let again = proxy.client().get("/").await;
    assert_eq!(again.text(), "/: copy 1, made by the origin\n");
    assert!(again.header("cache-status").contains("; hit"));
}
