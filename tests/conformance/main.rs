//! The public test suite for HTTP caches (<https://cache-tests.fyi>) against the proxy as it is run.
//!
//! `make conformance` runs it: it needs node and npm, and a minute of which most is waiting for
//! responses to become stale. The suite itself is not ours and not in this repository: its npm
//! package is installed at a pinned version. What it says of each test is its own judgement; ours
//! is only [`known`], the list of what we do not pass and why. Whatever differs from that list, to
//! the worse or to the better, fails.
//!
//! Tables and a picture are left in `target/conformance`. `BELLWETHER_CONFORMANCE=update` also
//! prints the list as this run would have it; the reasons of what is new are left to people.

mod chart;
mod install;
mod known;
mod outcome;
mod processes;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use known::Known;
use outcome::Run;
use processes::{Server, node};
use support::proxy;

const UPDATE: &str = "BELLWETHER_CONFORMANCE";

#[tokio::test]
#[ignore = "needs node, npm and a minute: make conformance"]
async fn nothing_is_failed_but_what_is_known() {
    let known = Known::read(include_str!("known.toml")).expect("known.toml is in order");
    let folder = folder();
    let suite = install::suite(&folder);
    let run = run(&suite, &folder).await;
    let text = report::report(&run, &known);
    println!("\n{text}");
    fs::write(folder.join("results.md"), &text).expect("the folder takes files");
    chart::draw(&run, &folder.join("results.svg")).expect("the folder takes a picture");
    println!("written to {}/results.md and .svg", folder.display());

    if std::env::var_os(UPDATE).is_some_and(|mode| mode == "update") {
        println!(
            "\nknown.toml as of this run:\n\n{}",
            known.updated(&run.tests)
        );
    }
    let differences = known.compare(&run.tests);
    let lines = differences.iter().map(|line| format!("  {line}\n"));
    assert!(
        differences.is_empty(),
        "\n{} not as in tests/conformance/known.toml \
         ({UPDATE}=update prints what it would need):\n{}",
        differences.len(),
        lines.collect::<String>()
    );
}

/// Starts the suite's origin and the proxy before it, and runs all tests. All that was started is
/// stopped when this ends, in whatever way.
async fn run(suite: &Path, folder: &Path) -> Run {
    let mut origin = Server::start("origin", node("origin.mjs").arg(suite), folder).await;
    eprintln!("conformance: building the proxy");
    let mut command = proxy::command();
    // What `CDN-Cache-Control` was before RFC 9213, and all that this edition tests of its kind.
    let targets = ["--targets", "CDN-Cache-Control, Surrogate-Control"];
    command.args(["--origin", origin.url()]).args(targets);
    let mut proxy = Server::start("proxy", &mut command, folder).await;
    let mut client = node("client.mjs");
    client.arg(suite).arg(proxy.url()).arg(proxy.id());
    let run = tokio::select! {
        run = processes::output(client) => Run::read(&run).expect("our script and we agree"),
        why = proxy.end() => panic!("{why}"),
        why = origin.end() => panic!("{why}"),
    };
    proxy.stop().await;
    run
}

/// `conformance` in the target folder, where it is kept between runs.
fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let folder = target.expect("it is in the target").join("conformance");
    fs::create_dir_all(&folder).expect("the target folder takes folders");
    folder
}
