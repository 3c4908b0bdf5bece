//! Byte-exact transparency: some thousand real files, served by a real nginx, are the same through
//! the proxy and without it, whichever way they are asked for and whatever the cache does.
//!
//! `make transparency` runs it. Plain `cargo test` leaves it out: it needs an nginx, and says so if
//! there is none.
//!
//! Each pass compares answers by status, body and all fields. What may differ is one table, in
//! [`allowed`], with the RFC that allows it. And each pass shows by nginx's own access log that the
//! cache did what the pass is about, or equality would prove nothing.

#[path = "../support/mod.rs"]
mod support;

mod allowed;
mod check;
mod compare;
mod nginx;
mod odd;
mod pass;
mod passes;
mod report;
mod stage;
mod tree;

use std::sync::Arc;

use stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx: make transparency"]
async fn the_proxy_is_transparent() {
    let stage = Arc::new(Stage::set().await);
    let tallies = passes::all(&stage).await;
    report::print(&stage, &tallies);
    let wrong: usize = tallies.iter().map(|tally| tally.mismatches).sum();
    assert_eq!(wrong, 0, "answers differ, see above");
    assert!(
        !stage.proxy.stderr().contains("panic"),
        "{}",
        stage.proxy.stderr()
    );
}
