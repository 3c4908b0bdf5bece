//! The contract of `SharedTier`, claim by claim, on both adapters.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod support;

mod memory {
    use bellwether::shared::{EntryId, MemoryTier, SharedTier};

    use crate::claims::suite;
    use crate::support::{Bench, Done};

    struct Memory {
        nodes: [MemoryTier; 2],
    }

    async fn bench() -> Memory {
        let tier = MemoryTier::new();
        Memory {
            nodes: [tier.clone(), tier],
        }
    }

    impl Bench for Memory {
        fn node(&self, number: usize) -> &dyn SharedTier {
            &self.nodes[number]
        }
        fn forget_entry(&self, id: EntryId) -> Done<'_> {
            self.nodes[0].forget_entry(id);
            Box::pin(async {})
        }
        fn forget_lease(&self, id: EntryId) -> Done<'_> {
            self.nodes[0].forget_lease(id);
            Box::pin(async {})
        }
        fn forget_all(&self) -> Done<'_> {
            self.nodes[0].forget_all();
            Box::pin(async {})
        }
        fn check(&self) -> Done<'_> {
            Box::pin(async {})
        }
    }

    suite!(tokio::test(start_paused = true), bench);
}

#[cfg(feature = "redis")]
mod redis {
    use bellwether::shared::{EntryId, RedisTier, SharedTier};

    use crate::claims::suite;
    use crate::support::redis_server::RedisServer;
    use crate::support::{Bench, Done};

    struct Redis {
        server: RedisServer,
        nodes: [RedisTier; 2],
    }

    async fn bench() -> Redis {
        let server = RedisServer::start();
        let node = async || {
            let builder = RedisTier::builder(&server.url());
            // The machine is shared: a slow answer is not what these claims are about.
            let builder = builder.timeout(std::time::Duration::from_secs(2));
            let tier = builder.connect().await.expect("the URL is right");
            assert!(tier.is_up());
            tier
        };
        let nodes = [node().await, node().await];
        Redis { server, nodes }
    }

    impl Redis {
        async fn run(&self, cmd: &::redis::Cmd) {
            let client = ::redis::Client::open(self.server.url()).unwrap();
            let mut link = client.get_multiplexed_async_connection().await.unwrap();
            cmd.exec_async(&mut link).await.unwrap();
        }
    }

    impl Bench for Redis {
        fn node(&self, number: usize) -> &dyn SharedTier {
            &self.nodes[number]
        }
        fn forget_entry(&self, id: EntryId) -> Done<'_> {
            let key = format!("{{bw1:default:{id}}}:e");
            Box::pin(async move { self.run(::redis::cmd("DEL").arg(key)).await })
        }
        fn forget_lease(&self, id: EntryId) -> Done<'_> {
            let key = format!("{{bw1:default:{id}}}:l");
            Box::pin(async move { self.run(::redis::cmd("DEL").arg(key)).await })
        }
        fn forget_all(&self) -> Done<'_> {
            Box::pin(async move { self.run(&::redis::cmd("FLUSHALL")).await })
        }
        /// No key is there for ever.
        fn check(&self) -> Done<'_> {
            Box::pin(async move {
                let client = ::redis::Client::open(self.server.url()).unwrap();
                let mut link = client.get_multiplexed_async_connection().await.unwrap();
                let keys: Vec<String> = ::redis::cmd("KEYS")
                    .arg("*")
                    .query_async(&mut link)
                    .await
                    .unwrap();
                for key in keys {
                    let ttl: i64 = ::redis::cmd("PTTL")
                        .arg(&key)
                        .query_async(&mut link)
                        .await
                        .unwrap();
                    assert!(ttl > 0 || ttl == -2, "{key} lives for ever");
                }
            })
        }
    }

    suite!(
        tokio::test(flavor = "multi_thread", worker_threads = 2),
        bench
    );
}
