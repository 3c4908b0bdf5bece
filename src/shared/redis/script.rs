//! The scripts, and how one of them is run.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::link::Conn;
use super::names::Names;

/// A script: named by the digest of its text, so two versions of this crate cannot clash.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    digest: OnceLock<String>,
}

pub(super) static ACQUIRE: Script = Script::new(include_str!("scripts/acquire.lua"));
pub(super) static COMMIT: Script = Script::new(include_str!("scripts/commit.lua"));
pub(super) static RENEW: Script = Script::new(include_str!("scripts/renew.lua"));
pub(super) static RELEASE: Script = Script::new(include_str!("scripts/release.lua"));
pub(super) static PURGE: Script = Script::new(include_str!("scripts/purge.lua"));
pub(super) static ERA: Script = Script::new(include_str!("scripts/era.lua"));

impl Script {
    pub(super) const fn new(source: &'static str) -> Self {
        Self {
            source,
            digest: OnceLock::new(),
        }
    }

    /// The call by digest, without its arguments.
    pub(super) fn by_digest(&self, names: &Names) -> Cmd {
        call("EVALSHA", self.digest(), &names.keys())
    }

    fn digest(&self) -> &str {
        self.digest
            .get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }

    /// Runs it. The server may have forgotten it (a restart, SCRIPT FLUSH): then its text is sent,
    /// in one atomic step, so that a second flush in between cannot fail the call.
    pub(super) async fn run(
        &self,
        link: &mut Conn,
        names: &Names,
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<Value> {
        self.run_on(link, &names.keys(), arguments).await
    }

    /// The same, on these keys.
    pub(super) async fn run_on(
        &self,
        link: &mut Conn,
        keys: &[&str],
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<Value> {
        let mut cmd = call("EVALSHA", self.digest(), keys);
        arguments(&mut cmd);
        match cmd.query_async(link).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut cmd = call("EVAL", self.source, keys);
                arguments(&mut cmd);
                cmd.query_async(link).await
            }
            result => result,
        }
    }
}

fn call(command: &str, script: &str, keys: &[&str]) -> Cmd {
    let mut cmd = redis::cmd(command);
    cmd.arg(script).arg(keys.len()).arg(keys);
    cmd
}
