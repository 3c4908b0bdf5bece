//! The contract's bench over servers of whatever kind.

use std::time::Duration;

use bellwether::shared::{EntryId, RedisTier, SharedTier};

use super::{Bench, Done};

/// Two nodes on one store, which is looked into through a door of its own.
pub struct RedisBench {
    nodes: [RedisTier; 2],
    admin: redis::Client,
    /// Ends with this value.
    _store: Box<dyn Send + Sync>,
}

impl RedisBench {
    /// `theirs` is the URL of the nodes, `ours` that of a user who may do everything.
    pub async fn new(store: impl Send + Sync + 'static, theirs: &str, ours: &str) -> Self {
        let node = async || {
            // The machine is shared: a slow answer is not what these claims are about.
            let builder = RedisTier::builder(theirs).timeout(Duration::from_secs(2));
            let tier = builder.connect().await.expect("the URL is right");
            assert!(tier.is_up());
            tier
        };
        Self {
            nodes: [node().await, node().await],
            admin: redis::Client::open(ours).expect("a URL"),
            _store: Box::new(store),
        }
    }

    async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut link = self.admin.get_multiplexed_async_connection().await.unwrap();
        let mut cmd = redis::cmd(words[0]);
        cmd.arg(&words[1..]).query_async(&mut link).await.unwrap()
    }

    async fn forget(&self, id: EntryId, part: &str) {
        let key = format!("{{bw1:default:{id}}}:{part}");
        self.run::<()>(&["DEL", &key]).await;
    }
}

impl Bench for RedisBench {
    fn node(&self, number: usize) -> &dyn SharedTier {
        &self.nodes[number]
    }
    fn forget_entry(&self, id: EntryId) -> Done<'_> {
        Box::pin(self.forget(id, "e"))
    }
    fn forget_lease(&self, id: EntryId) -> Done<'_> {
        Box::pin(self.forget(id, "l"))
    }
    fn forget_all(&self) -> Done<'_> {
        Box::pin(self.run::<()>(&["FLUSHALL"]))
    }
    /// No key is there for ever.
    fn check(&self) -> Done<'_> {
        Box::pin(async move {
            for key in self.run::<Vec<String>>(&["KEYS", "*"]).await {
                let ttl: i64 = self.run(&["PTTL", &key]).await;
                assert!(ttl > 0 || ttl == -2, "{key} lives for ever");
            }
        })
    }
}
