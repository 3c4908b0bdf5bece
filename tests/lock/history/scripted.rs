//! The scripts as they are shipped, on a real Redis, and copies of them with one safety taken out.

use std::sync::Arc;
use std::time::Duration;

use bellwether::Error;
use bellwether::lock::*;
use redis::aio::MultiplexedConnection;

/// A safety that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Whether anybody has the lock is not looked at.
    Nx,
    /// A release does not compare the token.
    ComparedRelease,
    /// The fence is always the same.
    Fence,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    link: MultiplexedConnection,
    scripts: Arc<[String; 3]>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

fn swap(script: &mut String, from: &str, to: &str) {
    assert_eq!(script.matches(from).count(), 1, "{from:?} in {script}");
    *script = script.replacen(from, to, 1);
}

impl Scripted {
    pub(crate) async fn new(url: &str, without: Option<Without>) -> Self {
        let mut scripts = [
            include_str!("../../../src/shared/redis/locks/claim.lua").to_owned(),
            include_str!("../../../src/shared/redis/locks/extend.lua").to_owned(),
            include_str!("../../../src/shared/redis/scripts/release.lua").to_owned(),
        ];
        let [claim, _, release] = &mut scripts;
        let compare =
            "if not cur or string.sub(cur, 1, #token + 1) ~= token .. ':' then return 0 end";
        match without {
            None => {}
            Some(Without::Nx) => {
                swap(
                    claim,
                    "local cur = redis.call('GET', L)",
                    "local cur = false",
                );
                swap(claim, ", 'NX')", ")");
            }
            Some(Without::ComparedRelease) => {
                swap(release, compare, "if not cur then return 0 end")
            }
            Some(Without::Fence) => swap(claim, "math.max(us, (tonumber(h[1]) or 0) + 1)", "7"),
        }
        let client = redis::Client::open(url).unwrap();
        Self {
            link: client.get_multiplexed_async_connection().await.unwrap(),
            scripts: Arc::new(scripts),
        }
    }

    async fn eval<T: redis::FromRedisValue>(
        &self,
        script: usize,
        name: &Name,
        arguments: &[String],
    ) -> Result<T, Error> {
        let id = name.id();
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(&self.scripts[script]).arg(2);
        cmd.arg(format!("{{{id}}}:e"))
            .arg(format!("{{{id}}}:l"))
            .arg(arguments);
        match cmd.query_async(&mut self.link.clone()).await {
            Ok(reply) => Ok(reply),
            // At the end, the server goes before those who still give something back.
            Err(error) if error.is_unrecoverable_error() => Err(Error::unavailable("gone")),
            Err(error) => panic!("no script fails: {error}"),
        }
    }
}

impl LockTier for Scripted {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            let arguments = [
                claim.token.to_string(),
                claim.lease.as_millis().to_string(),
                "600000".into(),
                claim.name.text().into(),
                String::new(),
                "w".into(),
                "ev".into(),
                claim.name.id().to_string(),
            ];
            let [tag, fence, left]: [String; 3] = self.eval(0, &claim.name, &arguments).await?;
            let left = Duration::from_millis(left.parse().unwrap());
            Ok(if tag == "G" {
                let fence = Fence::new(fence.parse().unwrap());
                Claimed::Granted { fence, left }
            } else {
                Claimed::Held { left }
            })
        })
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let lease = lease.as_millis().to_string();
            let arguments = [held.token.to_string(), lease, "600000".into()];
            Ok(self.eval::<i64>(1, &held.name, &arguments).await? == 1)
        })
    }

    fn raise(&self, _held: Held, _fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        unreachable!("there is but one server")
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let id = held.name.id().to_string();
            let token = held.token.to_string();
            let arguments = [
                token,
                "0".into(),
                String::new(),
                "ev".into(),
                id,
                "600000".into(),
            ];
            Ok(self.eval::<i64>(2, &held.name, &arguments).await? == 1)
        })
    }

    fn look(&self, _name: Name, _within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        unreachable!("nobody looks")
    }

    /// Nobody tells: the lock is had by polling.
    fn changed(&self, _name: &Name) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(fastrand::u64(
            1..8,
        ))))
    }
}
