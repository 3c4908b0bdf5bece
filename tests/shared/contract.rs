//! The contract of `SharedTier`, claim by claim, on both adapters.

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
    use crate::claims::suite;
    use crate::support::redis_bench::RedisBench;
    use crate::support::redis_server::RedisServer;

    async fn bench() -> RedisBench {
        let server = RedisServer::start();
        let url = server.url();
        RedisBench::new(server, &url, std::slice::from_ref(&url)).await
    }

    suite!(
        tokio::test(flavor = "multi_thread", worker_threads = 2),
        bench
    );
}
