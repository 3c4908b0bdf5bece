//! What the user may do: each missing right is named, and the printed cure grants it.

use crate::support::redis_server::{RedisServer, run};
use crate::support::redis_version::{CHANNEL_RULES, version};
use crate::support::rights;
use crate::{no_problem, paste, problem, report};

/// Words of the rule that are no rights by themselves.
const FRAME: [&str; 5] = ["on", ">PASSWORD", "resetkeys", "resetchannels", "-@all"];

/// Those of them that this server knows.
fn frame() -> Vec<&'static str> {
    let rule = rights("bellwether").into_iter();
    rule.filter(|word| FRAME.contains(word)).collect()
}

async fn set_user(server: &RedisServer, user: &str, words: &[&str]) {
    let rule = [&["ACL", "SETUSER", user][..], words].concat();
    run::<()>(server, &rule).await;
}

fn url(server: &RedisServer, user: &str) -> String {
    format!("redis://{user}:PASSWORD@127.0.0.1:{}/3", server.port())
}

#[tokio::test]
async fn the_least_user_of_the_guide_lacks_nothing_and_what_it_may_not_ask_is_unknown() {
    let server = RedisServer::start();
    set_user(&server, "bellwether", &rights("bellwether")).await;
    let said = report(&url(&server, "bellwether")).await;
    assert_eq!(said.findings().count(), 0, "{said}");
    let text = said.to_string();
    for words in [
        &*version().shown_to_the_least(),
        "unknown: INFO is not permitted (+info would be enough)",
        "user bellwether: all that are needed",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    // It is enough.
    set_user(&server, "bellwether", &["+info"]).await;
    let text = report(&url(&server, "bellwether")).await.to_string();
    assert!(text.contains("used, no limit, noeviction"), "{text}");
    let shown = format!("{}, master", version().shown());
    assert!(text.contains(&shown), "{text}");
    // So it is for the one that says less.
    set_user(&server, "bellwether", &["-info", "+hello"]).await;
    let text = report(&url(&server, "bellwether")).await.to_string();
    assert!(text.contains(&shown), "{text}");
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_and_the_cure_brings_it() {
    let server = RedisServer::start();
    let rule = rights("bellwether");
    let mut words: Vec<_> = rule.iter().filter(|word| !FRAME.contains(word)).collect();
    assert_eq!(words.len(), rule.len() - frame().len());
    words.sort();
    for (number, without) in words.into_iter().enumerate() {
        let user = format!("user{number}");
        let rest: Vec<_> = rule
            .iter()
            .copied()
            .filter(|word| word != without)
            .collect();
        set_user(&server, &user, &rest).await;
        let said = report(&url(&server, &user)).await;
        let finding = problem(&said);
        assert!(finding.what().contains(&user), "{finding}");
        let command = finding.commands().next().unwrap().to_owned();
        if without.starts_with('+') {
            assert!(command.split(' ').any(|word| word == *without), "{command}");
        }
        paste(&server, finding).await;
        let after = report(&url(&server, &user)).await;
        no_problem(&after);
        // No more than was missing, but for what could not be tried without it.
        let more = command.split(' ').count() - 4;
        assert!(more <= usize::from(*without == "+set"), "{command}");
    }
}

#[tokio::test]
async fn many_missing_rights_are_named_at_once() {
    let server = RedisServer::start();
    let none = [&frame()[..], &["+hget", "+publish"]].concat();
    set_user(&server, "bellwether", &none).await;
    let said = report(&url(&server, "bellwether")).await;
    paste(&server, problem(&said)).await;
    no_problem(&report(&url(&server, "bellwether")).await);
}

#[tokio::test]
async fn a_user_without_any_right_is_cured_in_two_steps() {
    // What it may do to keys cannot be seen before it may do anything.
    let server = RedisServer::start();
    set_user(&server, "bellwether", &frame()).await;
    for _ in 0..2 {
        let said = report(&url(&server, "bellwether")).await;
        paste(&server, problem(&said)).await;
    }
    no_problem(&report(&url(&server, "bellwether")).await);
}

#[tokio::test]
async fn the_keys_of_another_namespace_are_not_enough() {
    let server = RedisServer::start();
    let rule = rights("bellwether");
    let theirs = rule.iter().map(|word| match *word {
        "~{bw1:*" => "~{bw1:theirs:*",
        "&bw1:*" => "&bw1:*:theirs:ev*",
        word => word,
    });
    let theirs: Vec<_> = theirs.collect();
    assert_ne!(theirs, rule);
    set_user(&server, "bellwether", &theirs).await;
    let said = report(&url(&server, "bellwether")).await;
    let finding = problem(&said);
    let command = finding.commands().next().unwrap();
    let channels = if version().has(CHANNEL_RULES) {
        " &bw1:*:default:ev*"
    } else {
        ""
    };
    assert_eq!(
        command,
        format!("ACL SETUSER bellwether ~{{bw1:default:*{channels}")
    );
    paste(&server, finding).await;
    no_problem(&report(&url(&server, "bellwether")).await);
}
