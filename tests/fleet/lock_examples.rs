//! The examples of the locks, run as a reader would: what they show is shown, and said.

use tokio::process::Command;

use crate::fleet::turn;
use crate::report::row;
use crate::support::proxy::example;
use crate::support::redis_server::RedisServer;
use crate::support::within;

/// Runs one to its end, on a server of the test, and returns what it printed.
async fn shown(name: &str) -> String {
    let redis = RedisServer::start();
    let mut command = Command::new(example(name));
    command.args(["--redis", &redis.url()]).kill_on_drop(true);
    let begun = tokio::time::Instant::now();
    let output = within("the example", command.output()).await;
    let output = output.expect("the example can be started");
    row(name, &format!("{:.1?}", begun.elapsed()));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The figures of the row that begins with these words.
fn figures(said: &str, begins: &str) -> Vec<u32> {
    let line = said.lines().find_map(|line| line.strip_prefix(begins));
    let line = line.unwrap_or_else(|| panic!("no row {begins:?} in\n{said}"));
    let words = line.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seat_reservation_sells_one_seat_where_the_database_has_the_last_word() {
    let _turn = turn().await;
    let said = shown("seat_reservation").await;
    let rows: Vec<_> = (said.lines())
        .filter(|line| line.contains("fenced, conditional"))
        .collect();
    assert_eq!(rows.len(), 4, "{said}");
    for row in rows {
        let row = row.split("conditional").nth(1).expect("it is there");
        // Attempts, sold, tickets, conflicts.
        assert_eq!(figures(row, "")[..3], [100, 1, 1], "{said}");
    }
    let paused = figures(&said, "lock, holder pauses past its lease  naive");
    assert_eq!(paused[..3], [100, 2, 2], "{said}");
    assert!(said.contains("the conditional one never\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_once_gives_each_job_one_effect_though_workers_are_killed() {
    let _turn = turn().await;
    let said = shown("job_once").await;
    assert_eq!(figures(&said, "jobs with one effect"), [50], "{said}");
    assert_eq!(figures(&said, "effects in the database"), [50], "{said}");
    // Otherwise no accident hit a job, and nothing was shown.
    assert!(figures(&said, "jobs started")[0] > 50, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_sale_sells_what_there_is_and_not_one_more() {
    let _turn = turn().await;
    let said = shown("flash_sale").await;
    for way in [
        "lock: read, write",
        "read, compare and set, retry",
        "lock: read, compare and set",
        "UPDATE … WHERE units > 0",
    ] {
        // Sold, left, too many.
        assert_eq!(figures(&said, way)[..3], [100, 0, 0], "{said}");
    }
    assert!(figures(&said, "read, write")[2] > 0, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_has_a_next_term_within_a_lease_of_the_kill() {
    let _turn = turn().await;
    let said = shown("leader").await;
    let leads = said.lines().filter_map(|line| line.split(" leads").nth(1));
    let terms: Vec<u64> = leads
        .map(|rest| rest.rsplit(' ').next().and_then(|term| term.parse().ok()))
        .map(|term| term.expect("a term is a number"))
        .collect();
    assert_eq!(terms.len(), 3, "{said}");
    assert!(terms.is_sorted_by(|one, next| one < next), "{said}");
    assert!(said.contains(" is killed\n"), "{said}");
    assert!(said.contains("| resigned, term"), "{said}");
}
