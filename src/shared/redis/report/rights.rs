//! Tries each right that the tier needs, one by one: a script that stumbles names only the first
//! one that it lacks, and before Redis 7 not even that.
//!
//! All is tried on the two keys of an entry that nobody uses. Nothing is left behind: what is
//! written ends by itself after seconds, should the connection break before it is deleted.

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::super::names::{Names, Space};
use super::facts::Refusal;
use super::info::sentence;
use crate::key::EntryId;

/// How long the key lives that is written, in milliseconds.
const LIFE: u64 = 10_000;
/// The digest of no script.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// The words of an access rule that are missing, as `ACL SETUSER` takes them.
    pub(super) lacks: Vec<String>,
    /// What else the server said to a write.
    pub(super) refusal: Option<Refusal>,
}

/// Tries all, in two round trips.
pub(super) async fn attempt(
    link: &mut impl ConnectionLike,
    space: &Space,
    id: EntryId,
    in_cluster: bool,
) -> RedisResult<Tried> {
    let names = space.names(id);
    let mut tried = Tried::default();
    let mut tries = reading(space, &names);
    if in_cluster {
        tries.extend(of_clusters(space));
    }
    // Writes a string, so that the hash which is tried on it is never made.
    tries.push(("+set", set(&names)));
    let said = all(link, &tries).await?;
    let written = said.last().is_some_and(Result::is_ok);
    for ((word, _), said) in tries.iter().zip(&said) {
        tried.judge(word, said.as_ref().err(), space);
    }
    if let Some(Err(error)) = said.last()
        && !is_denied(error)
    {
        tried.refusal = Some(Refusal::of(error));
    }
    let mut tries = deleting(&names);
    if written {
        tries.insert(0, ("+hset", command(&["HSET", &names.lease, "n", "1"])));
    } else if tried.lacks.iter().any(|word| word == "+set") {
        // Without the string it would make a hash that stays for ever. It is needed in any case,
        // and to permit it twice does no harm.
        tried.lack("+hset".to_owned());
    }
    let said = all(link, &tries).await?;
    for ((word, _), said) in tries.iter().zip(&said) {
        tried.judge(word, said.as_ref().err(), space);
    }
    Ok(tried)
}

type Try = (&'static str, Cmd);

fn reading(space: &Space, names: &Names) -> Vec<Try> {
    let Names { entry, lease } = names;
    let life = LIFE.to_string();
    let channel = format!("{}:report", space.channel);
    vec![
        (
            "+evalsha",
            command(&["EVALSHA", NO_SCRIPT, "2", entry, lease]),
        ),
        ("+eval", command(&["EVAL", "return 1", "2", entry, lease])),
        ("+hmget", command(&["HMGET", entry, "v"])),
        ("+publish", command(&["PUBLISH", &channel, "?"])),
        ("+time", command(&["TIME"])),
        ("+hget", command(&["HGET", entry, "n"])),
        ("+get", command(&["GET", lease])),
        ("+pttl", command(&["PTTL", entry])),
        ("+hdel", command(&["HDEL", entry, "n"])),
        ("+pexpire", command(&["PEXPIRE", entry, &life])),
    ]
}

fn of_clusters(space: &Space) -> Vec<Try> {
    let channel = format!("{}:report", space.shards[0]);
    vec![
        ("+cluster|slots", command(&["CLUSTER", "SLOTS"])),
        ("+asking", command(&["ASKING"])),
        ("+ping", command(&["PING"])),
        // Before Redis 7 they are unknown, and not needed.
        ("+ssubscribe", command(&["SSUBSCRIBE", &channel])),
        ("+spublish", command(&["SPUBLISH", &channel, "?"])),
    ]
}

fn set(names: &Names) -> Cmd {
    command(&["SET", &names.lease, "?", "PX", &LIFE.to_string()])
}

fn deleting(names: &Names) -> Vec<Try> {
    vec![
        ("+del", command(&["DEL", &names.lease])),
        ("+unlink", command(&["UNLINK", &names.lease])),
    ]
}

fn command(words: &[&str]) -> Cmd {
    let mut cmd = redis::cmd(words[0]);
    cmd.arg(&words[1..]);
    cmd
}

async fn all(
    link: &mut impl ConnectionLike,
    tries: &[Try],
) -> RedisResult<Vec<Result<Value, RedisError>>> {
    let mut pipe = Pipeline::new();
    for (_, cmd) in tries {
        pipe.add_command(cmd.clone());
    }
    pipe.ignore_errors().query_async(link).await
}

impl Tried {
    fn judge(&mut self, word: &str, error: Option<&RedisError>, space: &Space) {
        if let Some(error) = error.filter(|error| is_denied(error)) {
            let lacks = denied(error, word, space);
            self.lack(lacks);
        }
    }

    fn lack(&mut self, word: String) {
        if !self.lacks.contains(&word) {
            self.lacks.push(word);
        }
    }
}

pub(super) fn is_denied(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}

/// Which word is missing: the command's own, or the one for its keys or its channel.
pub(super) fn denied(error: &RedisError, word: &str, space: &Space) -> String {
    // Before Redis 7.2: "... to access one of the keys used as arguments", "... of the channels ...";
    // since then: "No permissions to access a key", "... a channel".
    let text = error.detail().unwrap_or_default();
    if !text.contains("access") {
        word.to_owned()
    } else if text.contains("channel") {
        space.channel_right()
    } else {
        space.key_right()
    }
}

impl Refusal {
    pub(super) fn of(error: &RedisError) -> Self {
        Self {
            code: error.code().map(sentence).unwrap_or_default(),
            text: sentence(error.detail().unwrap_or_default()),
        }
    }
}
