//! The contract's bench over servers of whatever kind.

use std::time::Duration;

use bellwether::shared::{EntryId, RedisTier, RedisTierBuilder, SharedTier};

use super::{Bench, Done};

/// Two nodes on one store, which is looked into through doors of its own.
pub struct RedisBench {
    nodes: [RedisTier; 2],
    admins: Vec<redis::Client>,
    /// Ends with this value.
    _store: Box<dyn Send + Sync>,
}

impl RedisBench {
    /// `theirs` is the URL of the nodes, `ours` those of users who may do everything: one for each
    /// server that entries may be on.
    pub async fn new(store: impl Send + Sync + 'static, theirs: &str, ours: &[String]) -> Self {
        Self::with(store, RedisTier::builder(theirs), ours).await
    }

    pub async fn with(
        store: impl Send + Sync + 'static,
        theirs: RedisTierBuilder,
        ours: &[String],
    ) -> Self {
        let node = async || {
            // The machine is shared: a slow answer is not what these claims are about.
            let builder = theirs.clone().timeout(Duration::from_secs(2));
            let tier = builder.connect().await.expect("the URL is right");
            assert!(tier.is_up());
            tier
        };
        let admin = |url: &String| redis::Client::open(url.as_str()).expect("a URL");
        Self {
            nodes: [node().await, node().await],
            admins: ours.iter().map(admin).collect(),
            _store: Box::new(store),
        }
    }

    /// Runs it on every server that does not say that another one has to.
    async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> Vec<T> {
        let mut replies = vec![];
        for admin in &self.admins {
            let mut link = admin.get_multiplexed_async_connection().await.unwrap();
            let mut cmd = redis::cmd(words[0]);
            match cmd.arg(&words[1..]).query_async(&mut link).await {
                Err(error) if error.code() == Some("MOVED") => {}
                reply => replies.push(reply.unwrap()),
            }
        }
        replies
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
        Box::pin(async move { drop(self.run::<()>(&["FLUSHALL"]).await) })
    }
    /// No key is there for ever.
    fn check(&self) -> Done<'_> {
        Box::pin(async move {
            for key in self.run::<Vec<String>>(&["KEYS", "*"]).await.concat() {
                for ttl in self.run::<i64>(&["PTTL", &key]).await {
                    assert!(ttl > 0 || ttl == -2, "{key} lives for ever");
                }
            }
        })
    }
}
